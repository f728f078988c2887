//! Where a recording of a call stands.

use serde::{Deserialize, Serialize};

/// State of one recording, as pages, exports and the database name it.
///
/// The order is the order of worth: of several recordings of a call the least state is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecordingState {
    /// Here, measured and playable.
    Kept,
    /// Here and downloadable, but in a format without a player.
    NoPlayer,
    /// Here, and not to be heard before the client's consent is known.
    Withheld,
    /// Being fetched right now.
    Fetching,
    /// Told of; the file is not ready yet, or the next attempt is due later.
    Waiting,
    /// Given up after the last attempt.
    Failed,
    /// Something came, and it was not a recording.
    Refused,
    /// The PBX says that there is none.
    Absent,
}

impl RecordingState {
    /// Every state, from the most to the least worth.
    pub const ALL: [Self; 8] = [
        Self::Kept,
        Self::NoPlayer,
        Self::Withheld,
        Self::Fetching,
        Self::Waiting,
        Self::Failed,
        Self::Refused,
        Self::Absent,
    ];

    /// The word used in exports, metrics and the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::NoPlayer => "no_player",
            Self::Withheld => "withheld",
            Self::Fetching => "fetching",
            Self::Waiting => "waiting",
            Self::Failed => "failed",
            Self::Refused => "refused",
            Self::Absent => "absent",
        }
    }

    /// Reads the word back.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }

    /// Whether the file lies in our store.
    pub const fn is_here(self) -> bool {
        matches!(self, Self::Kept | Self::NoPlayer | Self::Withheld)
    }

    /// Whether people may have it, if they may have recordings.
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Kept | Self::NoPlayer)
    }
}

/// `reason` of a recording that is left where it is, because its line is not recorded.
pub const LINE_NOT_RECORDED: &str = "line_not_recorded";
/// `reason` of a recording that is gone, or was never fetched, because the client did not agree.
pub const CONSENT_REFUSED: &str = "consent_refused";
/// `reason` of a recording that is gone because nobody has noted the consent it needed in time.
pub const CONSENT_MISSING: &str = "consent_missing";

/// What becomes of a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is kept and may be heard.
    Keep,
    /// It is kept, and nobody may hear it until the client's consent is known.
    Withhold,
    /// It is not fetched, and goes if it is here; for this reason.
    Leave(&'static str),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_read_back() {
        for state in RecordingState::ALL {
            assert_eq!(RecordingState::parse(state.as_str()), Some(state));
        }
        assert_eq!(RecordingState::parse("gone"), None);
    }

    #[test]
    fn the_list_is_in_order_of_worth() {
        assert!(RecordingState::ALL.is_sorted());
    }
}
