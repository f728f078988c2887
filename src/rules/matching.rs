//! Which card a number belongs to, and why. Pure: the cards that carry the number come in ranked out.
//!
//! The pop shows the reason and the other candidates. An empty list means that nobody carries the
//! number; only then may a card be made, and only by the writer, which looked under lock: a failed
//! lookup never makes one.

use serde::{Deserialize, Serialize};

use crate::model::ids::CardId;

/// What a number is to a card.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PhoneKind {
    /// The client's own; belongs to one live card only.
    Own,
    /// The line of the client's company; may stand on many cards.
    Company,
    /// Shared by several clients (family, reception); may stand on many cards.
    Shared,
}

impl PhoneKind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Own, Self::Company, Self::Shared];

    /// The word used in imports and the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Own => "own",
            Self::Company => "company",
            Self::Shared => "shared",
        }
    }

    /// Reads the word back.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

/// Why a call has this card. The order is the order of preference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MatchReason {
    /// The client's own number together with the extension behind it.
    NumberAndExtension,
    /// The client's own number.
    OwnNumber,
    /// The line of the client's company.
    CompanyLine,
    /// A number that several clients share.
    SharedNumber,
    /// Nobody carried the number: the card was made for this call.
    Created,
}

impl MatchReason {
    /// Every reason, best first.
    pub const ALL: [Self; 5] = [
        Self::NumberAndExtension,
        Self::OwnNumber,
        Self::CompanyLine,
        Self::SharedNumber,
        Self::Created,
    ];

    /// The word used in exports and the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NumberAndExtension => "number_and_extension",
            Self::OwnNumber => "own_number",
            Self::CompanyLine => "company_line",
            Self::SharedNumber => "shared_number",
            Self::Created => "created",
        }
    }

    /// Why a number of somebody's own, with this extension behind it, leads to its card.
    pub const fn of_own(ext: &str) -> Self {
        match ext.is_empty() {
            true => Self::OwnNumber,
            false => Self::NumberAndExtension,
        }
    }

    /// Reads the word back.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == word)
    }
}

/// A card that carries the number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The card.
    pub card: CardId,
    /// What the number is to it.
    pub kind: PhoneKind,
    /// The extension behind the number on the card; empty if none.
    pub ext: String,
}

/// Cards for a number with the extension behind it (empty if none), best first, each once. A number
/// with another extension is another person's and does not count; ties go to the older card.
pub fn rank(ext: &str, candidates: &[Candidate]) -> Vec<(MatchReason, CardId)> {
    let mut ranked: Vec<(MatchReason, CardId)> = candidates
        .iter()
        .filter_map(|candidate| Some((reason(ext, candidate)?, candidate.card)))
        .collect();
    ranked.sort_unstable();
    let mut seen = Vec::with_capacity(ranked.len());
    ranked.retain(|(_, card)| {
        let new = !seen.contains(card);
        seen.push(*card);
        new
    });
    ranked
}

fn reason(ext: &str, candidate: &Candidate) -> Option<MatchReason> {
    match candidate.kind {
        PhoneKind::Own if candidate.ext.is_empty() => Some(MatchReason::OwnNumber),
        _ if !candidate.ext.is_empty() && candidate.ext != ext => None,
        PhoneKind::Own => Some(MatchReason::NumberAndExtension),
        PhoneKind::Company => Some(MatchReason::CompanyLine),
        PhoneKind::Shared => Some(MatchReason::SharedNumber),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn card(number: u128) -> CardId {
        CardId(uuid::Uuid::from_u128(number))
    }

    fn candidate(number: u128, kind: PhoneKind, ext: &str) -> Candidate {
        Candidate {
            card: card(number),
            kind,
            ext: ext.to_owned(),
        }
    }

    #[test]
    fn the_extension_decides_before_the_bare_number() {
        let cards = [
            candidate(1, PhoneKind::Own, ""),
            candidate(2, PhoneKind::Own, "12"),
            candidate(3, PhoneKind::Own, "13"),
            candidate(4, PhoneKind::Shared, ""),
        ];
        assert_eq!(
            rank("12", &cards),
            [
                (MatchReason::NumberAndExtension, card(2)),
                (MatchReason::OwnNumber, card(1)),
                (MatchReason::SharedNumber, card(4)),
            ]
        );
        assert_eq!(rank("", &cards)[0], (MatchReason::OwnNumber, card(1)));
    }

    #[test]
    fn another_extension_is_another_person() {
        assert_eq!(rank("", &[candidate(1, PhoneKind::Own, "12")]), []);
        assert_eq!(rank("14", &[candidate(1, PhoneKind::Company, "12")]), []);
    }

    #[test]
    fn a_company_line_beats_a_shared_number_and_the_older_card_wins() {
        let cards = [
            candidate(9, PhoneKind::Shared, ""),
            candidate(8, PhoneKind::Company, ""),
            candidate(7, PhoneKind::Company, ""),
            candidate(7, PhoneKind::Shared, ""),
        ];
        assert_eq!(
            rank("", &cards),
            [
                (MatchReason::CompanyLine, card(7)),
                (MatchReason::CompanyLine, card(8)),
                (MatchReason::SharedNumber, card(9)),
            ]
        );
    }

    #[test]
    fn words_read_back() {
        for reason in MatchReason::ALL {
            assert_eq!(MatchReason::parse(reason.as_str()), Some(reason));
        }
        for kind in PhoneKind::ALL {
            assert_eq!(PhoneKind::parse(kind.as_str()), Some(kind));
        }
    }
}
