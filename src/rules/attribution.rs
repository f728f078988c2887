//! Which call a visit belongs to, and how sure that is. Pure.
//!
//! * **By key**: a PBX knows the call by a name that the visit carries.
//! * **By line**: the client's number, our number and the time fit; of several such calls the nearest, if
//!   no other is about as near.
//! * **By client**: client and time fit and our number does not (or nobody told it), of exactly one call.
//!
//! What fits several calls alike is told of none. The answer depends on the visit and on the calls that
//! are there, not on which came first; so it is asked anew when either side changes.

use crate::model::{
    ids::{AccountName, CallId},
    time::Timestamp,
    visit::Visit,
};

/// A name may be used again after a day.
pub const KEY_WITHIN_MS: i64 = 86_400_000;
/// Two calls whose starts are about as far from the visit cannot be told apart.
pub const ALIKE_MS: i64 = 5_000;
/// How long a visit waits for its call, and for a better one.
pub const WAITS_MS: i64 = 86_400_000;

/// How sure a join is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Confidence {
    /// Told with the call, or by a name of the call.
    Key,
    /// By client, our number and time.
    Line,
    /// By client and time.
    Client,
}

impl Confidence {
    /// Every one, the surest first.
    pub const ALL: [Self; 3] = [Self::Key, Self::Line, Self::Client];

    /// The number in the database: the less, the surer.
    pub const fn rank(self) -> i64 {
        match self {
            Self::Key => 1,
            Self::Line => 2,
            Self::Client => 3,
        }
    }

    /// Reads [`Confidence::rank`] back.
    pub fn of_rank(rank: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.rank() == rank)
    }

    /// Reads [`Confidence::as_str`] back.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == word)
    }

    /// The word in addresses, exports and the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Line => "line",
            Self::Client => "client",
        }
    }
}

/// A call that may be the one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The call.
    pub call: CallId,
    /// The account that knows it.
    pub account: AccountName,
    /// Its start.
    pub started_at: Timestamp,
    /// The client's number.
    pub client: Option<String>,
    /// Our number.
    pub did: Option<String>,
    /// Whether a name of the visit is one of its names.
    pub by_key: bool,
}

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// This call.
    Call(CallId, Confidence),
    /// Several that fit alike.
    Ambiguous,
    /// None that fits.
    Nothing,
}

/// Chooses among calls that came in; others must not be among the candidates.
pub fn choose(visit: &Visit, candidates: &[Candidate]) -> Found {
    let hints = &visit.hints;
    let away = |call: &Candidate| (call.started_at.as_millis() - visit.at.as_millis()).abs();
    let of_account = |call: &&Candidate| hints.of.is_empty() || hints.of.contains(&call.account);
    let named: Vec<&Candidate> = candidates
        .iter()
        .filter(of_account)
        .filter(|call| call.by_key && away(call) <= KEY_WITHIN_MS)
        .collect();
    match named[..] {
        [one] => return Found::Call(one.call, Confidence::Key),
        [] => {}
        _ => return Found::Ambiguous,
    }
    let near: Vec<&Candidate> = candidates
        .iter()
        .filter(of_account)
        .filter(|call| visit.client.is_some() && call.client == visit.client)
        .filter(|call| away(call) <= hints.within_ms)
        .collect();
    let is_dialled = |call: &&&Candidate| {
        let did = call.did.as_ref();
        did.is_some_and(|did| hints.dids.contains(did))
    };
    let mut on_line: Vec<(i64, CallId)> = near
        .iter()
        .filter(is_dialled)
        .map(|call| (away(call), call.call))
        .collect();
    on_line.sort_unstable();
    match (&on_line[..], &near[..]) {
        ([first, second, ..], _) if second.0 - first.0 < ALIKE_MS => Found::Ambiguous,
        ([first, ..], _) => Found::Call(first.1, Confidence::Line),
        ([], []) => Found::Nothing,
        ([], [one]) => Found::Call(one.call, Confidence::Client),
        ([], _) => Found::Ambiguous,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::model::visit::{Hints, WITHIN_MS};

    const AT: i64 = 1_773_728_100;
    const CLIENT: &str = "+74950000011";
    const DID: &str = "+74950000001";

    fn visit() -> Visit {
        Visit {
            account: "ads".into(),
            key: "1".to_owned(),
            at: Timestamp::from_seconds(AT),
            client: Some(CLIENT.to_owned()),
            hints: Hints {
                dids: vec![DID.to_owned()],
                within_ms: WITHIN_MS,
                ..Hints::default()
            },
            stage: 0,
            fields: BTreeMap::new(),
        }
    }

    fn call(number: u128, after_s: i64, did: &str) -> Candidate {
        Candidate {
            call: id(number),
            account: "pbx".into(),
            started_at: Timestamp::from_seconds(AT + after_s),
            client: Some(CLIENT.to_owned()),
            did: Some(did.to_owned()),
            by_key: false,
        }
    }

    fn id(number: u128) -> CallId {
        CallId(uuid::Uuid::from_u128(number))
    }

    #[test]
    fn the_nearest_call_of_client_and_line_is_it() {
        let calls = [
            call(1, 3, DID),
            call(2, 40, DID),
            call(3, 1, "+74950000002"),
        ];
        let wanted = Found::Call(id(1), Confidence::Line);
        assert_eq!(choose(&visit(), &calls), wanted);
        let turned: Vec<_> = calls.into_iter().rev().collect();
        assert_eq!(choose(&visit(), &turned), wanted);
        assert_eq!(choose(&visit(), &[]), Found::Nothing);
        assert_eq!(choose(&visit(), &[call(1, 121, DID)]), Found::Nothing);
    }

    #[test]
    fn what_fits_two_calls_alike_is_told_of_none() {
        let alike = [call(1, -3, DID), call(2, 4, DID)];
        assert_eq!(choose(&visit(), &alike), Found::Ambiguous);
        let apart = [call(1, -3, DID), call(2, 8, DID)];
        assert_eq!(
            choose(&visit(), &apart),
            Found::Call(id(1), Confidence::Line)
        );
    }

    #[test]
    fn without_the_line_only_a_single_call_is_believed() {
        let other = [call(1, 3, "+74950000002")];
        assert_eq!(
            choose(&visit(), &other),
            Found::Call(id(1), Confidence::Client)
        );
        let two = [call(1, 3, "+74950000002"), call(2, 90, "+74950000003")];
        assert_eq!(choose(&visit(), &two), Found::Ambiguous);
        let mut stranger = call(1, 3, DID);
        stranger.client = Some("+74950000012".to_owned());
        assert_eq!(choose(&visit(), &[stranger]), Found::Nothing);
        let mut withheld = visit();
        withheld.client = None;
        let mut nobody = call(1, 3, DID);
        nobody.client = None;
        assert_eq!(choose(&withheld, &[nobody]), Found::Nothing);
    }

    #[test]
    fn a_name_of_the_call_beats_numbers_and_grows_old() {
        let named = Candidate {
            by_key: true,
            client: None,
            ..call(1, 600, "+74950000002")
        };
        let calls = [named.clone(), call(2, 1, DID)];
        assert_eq!(
            choose(&visit(), &calls),
            Found::Call(id(1), Confidence::Key)
        );
        let old = Candidate {
            started_at: Timestamp::from_seconds(AT - 90_000),
            ..named.clone()
        };
        let calls = [old, call(2, 1, DID)];
        assert_eq!(
            choose(&visit(), &calls),
            Found::Call(id(2), Confidence::Line)
        );
        let twice = [
            named.clone(),
            Candidate {
                call: id(3),
                ..named
            },
        ];
        assert_eq!(choose(&visit(), &twice), Found::Ambiguous);
    }

    #[test]
    fn only_calls_of_the_accounts_named_count() {
        let mut picky = visit();
        picky.hints.of = vec!["branch".into()];
        let branch = Candidate {
            account: "branch".into(),
            ..call(2, 60, DID)
        };
        let calls = [call(1, 1, DID), branch];
        assert_eq!(choose(&picky, &calls), Found::Call(id(2), Confidence::Line));
    }

    #[test]
    fn ranks_are_read_back() {
        for one in Confidence::ALL {
            assert_eq!(Confidence::of_rank(one.rank()), Some(one));
            assert_eq!(Confidence::parse(one.as_str()), Some(one));
        }
        assert_eq!(Confidence::of_rank(0), None);
        assert!(Confidence::ALL.is_sorted_by_key(|one| one.rank()));
    }
}
