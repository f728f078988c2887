//! What a PBX offers and what of it the adapter does: three words, for the table in README and for
//! `ringcard providers`.

use super::{Ability, Provider};

/// Abilities in the order and words of the table.
pub const TOLD: &[(Ability, &str)] = &[
    (Ability::Signature, "signature"),
    (Ability::Routing, "routing"),
    (Ability::Command, "click-to-call"),
    (Ability::Recording, "recordings"),
    (Ability::History, "history"),
    (Ability::Tracking, "tracking"),
    (Ability::Pause, "pausing a recording"),
];

/// Whether something can be had of a PBX.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offer {
    /// The adapter does it, and the contract tests have seen it.
    Yes,
    /// The PBX may have it; the adapter does not use it.
    No,
    /// The PBX has nothing of the kind.
    NotOffered,
}

impl Offer {
    /// In the table's words.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::No => "no",
            Self::NotOffered => "not offered",
        }
    }
}

impl Provider {
    /// Whether this can be had of it.
    pub fn offers(&self, ability: Ability) -> Offer {
        if self.abilities.contains(&ability) {
            Offer::Yes
        } else if self.not_offered.contains(&ability) {
            Offer::NotOffered
        } else {
            Offer::No
        }
    }
}
