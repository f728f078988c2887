//! What a card says after another one has become part of it, and after both are parted again. Pure.
//!
//! Leaves out what hangs on a card (numbers, calls, tasks): that moves whole, and what follows from
//! calls is counted from them anew.

use serde::{Deserialize, Serialize};

use crate::model::{
    ids::{LineId, PersonId},
    time::Timestamp,
};

/// What a card itself says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Face {
    /// The client's name; empty: not known. So are the next two.
    pub name: String,
    /// The client's company.
    pub company: String,
    /// What stands on the card.
    pub note: String,
    /// The responsible person.
    pub owner: Option<PersonId>,
    /// The answer that made the owner; `None` beside an owner: set by hand or import.
    pub owner_since: Option<Timestamp>,
    /// The line of the first call that came in.
    pub first_line: Option<LineId>,
    /// Its start; `None`: none yet.
    pub first_at: Option<Timestamp>,
}

impl Face {
    /// Whether a person or an import has said who is responsible.
    const fn is_owned_by_hand(&self) -> bool {
        self.owner.is_some() && self.owner_since.is_none()
    }
}

/// What the winner says with the loser as its part: its own words where it has any, both notes, the
/// owner set by hand or else the one of the earlier answer, the earlier first call.
pub fn merged(winner: &Face, loser: &Face) -> Face {
    let or = |own: &str, other: &str| match own.is_empty() {
        true => other.to_owned(),
        false => own.to_owned(),
    };
    let (owner, owner_since) = match (winner.is_owned_by_hand(), loser.is_owned_by_hand()) {
        (true, _) => (winner.owner, winner.owner_since),
        (false, true) => (loser.owner, loser.owner_since),
        (false, false) => earlier(
            (winner.owner, winner.owner_since),
            (loser.owner, loser.owner_since),
            |(person, since)| person.map(|person| (*since, person)),
        ),
    };
    let (first_line, first_at) = earlier(
        (winner.first_line, winner.first_at),
        (loser.first_line, loser.first_at),
        // Of calls in the same moment the one on a known line counts.
        |(line, at)| at.map(|at| (at, line.is_none(), *line)),
    );
    let note = match (winner.note.as_str(), loser.note.as_str()) {
        (own, other) if own.is_empty() || other.is_empty() || own == other => or(own, other),
        (own, other) => format!("{own}\n{other}"),
    };
    Face {
        name: or(&winner.name, &loser.name),
        company: or(&winner.company, &loser.company),
        note,
        owner,
        owner_since,
        first_line,
        first_at,
    }
}

/// The one of two whose key is less; one without a key loses.
fn earlier<T, K: Ord>(one: T, other: T, key: impl Fn(&T) -> Option<K>) -> T {
    match (key(&one), key(&other)) {
        (None, Some(_)) => other,
        (Some(of_one), Some(of_other)) if of_other < of_one => other,
        _ => one,
    }
}

/// What the winner says once the loser has gone again: whatever still is as the merge left it stands as
/// it was `before`; what was changed since stays.
pub fn parted(now: &Face, before: &Face, after: &Face) -> Face {
    fn back<T: Clone + PartialEq>(now: &T, before: &T, after: &T) -> T {
        if now == after { before } else { now }.clone()
    }
    let owner = |face: &Face| (face.owner, face.owner_since);
    let first = |face: &Face| (face.first_line, face.first_at);
    let (owner, owner_since) = back(&owner(now), &owner(before), &owner(after));
    let (first_line, first_at) = back(&first(now), &first(before), &first(after));
    Face {
        name: back(&now.name, &before.name, &after.name),
        company: back(&now.company, &before.company, &after.company),
        note: back(&now.note, &before.note, &after.note),
        owner,
        owner_since,
        first_line,
        first_at,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owned(person: i64, since: Option<i64>) -> Face {
        Face {
            owner: Some(PersonId(person)),
            owner_since: since.map(Timestamp::from_seconds),
            ..Face::default()
        }
    }

    fn touched(line: Option<i64>, at: Option<i64>) -> Face {
        Face {
            first_line: line.map(LineId),
            first_at: at.map(Timestamp::from_seconds),
            ..Face::default()
        }
    }

    #[test]
    fn a_hand_beats_an_answer_and_the_earlier_answer_the_later() {
        let nobody = Face::default();
        for (winner, loser, wanted) in [
            (&owned(1, Some(20)), &owned(2, Some(10)), 2),
            (&owned(1, Some(10)), &owned(2, Some(20)), 1),
            (&owned(2, Some(10)), &owned(1, Some(10)), 1),
            (&owned(1, None), &owned(2, Some(1)), 1),
            (&owned(1, Some(1)), &owned(2, None), 2),
            (&owned(1, None), &owned(2, None), 1),
            (&nobody, &owned(2, Some(1)), 2),
            (&owned(1, Some(1)), &nobody, 1),
        ] {
            let owner = merged(winner, loser).owner;
            assert_eq!(owner, Some(PersonId(wanted)), "{winner:?} {loser:?}");
        }
    }

    #[test]
    fn the_earlier_first_call_counts() {
        for (winner, loser, wanted) in [
            (
                touched(Some(1), Some(9)),
                touched(Some(2), Some(5)),
                (Some(2), Some(5)),
            ),
            (
                touched(Some(2), Some(5)),
                touched(Some(1), Some(5)),
                (Some(1), Some(5)),
            ),
            (
                touched(None, Some(5)),
                touched(Some(1), Some(5)),
                (Some(1), Some(5)),
            ),
            (touched(None, None), touched(None, Some(5)), (None, Some(5))),
        ] {
            let face = merged(&winner, &loser);
            assert_eq!(face, touched(wanted.0, wanted.1), "{winner:?} {loser:?}");
        }
    }

    #[test]
    fn words_of_the_winner_stand_and_no_note_is_lost() {
        let face = |name: &str, company: &str, note: &str| Face {
            name: name.to_owned(),
            company: company.to_owned(),
            note: note.to_owned(),
            ..Face::default()
        };
        let both = merged(
            &face("Nina", "", "pays late"),
            &face("N.", "Svet", "calls on Mondays"),
        );
        assert_eq!(both, face("Nina", "Svet", "pays late\ncalls on Mondays"));
        assert_eq!(merged(&face("", "", "a"), &face("", "", "a")).note, "a");
    }

    #[test]
    fn parting_takes_back_what_nobody_has_changed() {
        let before = Face {
            name: "Nina".to_owned(),
            ..owned(1, Some(20))
        };
        let loser = Face {
            company: "Svet".to_owned(),
            ..owned(2, Some(10))
        };
        let after = merged(&before, &loser);
        assert_eq!(parted(&after, &before, &after), before);
        let renamed = Face {
            company: "Svet and sons".to_owned(),
            ..after.clone()
        };
        let now = parted(&renamed, &before, &after);
        assert_eq!(
            (now.company.as_str(), now.owner),
            ("Svet and sons", before.owner)
        );
    }
}
