//! Under which keys a call is known, and which of two calls that are one keeps its name.

use super::Facts;
use crate::model::{event::Fact, ids::CallKey, time::Timestamp};

/// Every key of the call that the set knows: those the facts were told under and those that
/// [`Fact::SameCall`] ties to them; each once, in order. A call stored under any of them is the same call.
pub fn keys(facts: &Facts) -> Vec<&CallKey> {
    let mut keys: Vec<&CallKey> = Vec::new();
    for event in facts {
        if keys.last() != Some(&&event.call) {
            keys.push(&event.call);
        }
        if let Fact::SameCall { with } = &event.fact {
            keys.push(with);
        }
    }
    keys.sort_unstable();
    keys.dedup();
    keys
}

/// The key that names the call: the one with the earliest fact told under it, then the lesser key.
pub fn main_key(facts: &Facts) -> Option<&CallKey> {
    winner(facts.iter().map(|event| (event.at, &event.call)))
}

/// Of several calls that turn out to be one, the key that stays: the least (start, key).
pub fn winner<'a>(
    calls: impl IntoIterator<Item = (Timestamp, &'a CallKey)>,
) -> Option<&'a CallKey> {
    calls.into_iter().min().map(|(_, key)| key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tracker::story::*;

    fn same_as(key: &str) -> Fact {
        Fact::SameCall { with: key.into() }
    }

    fn texts(keys: Vec<&CallKey>) -> Vec<&str> {
        keys.into_iter().map(CallKey::as_str).collect()
    }

    #[test]
    fn a_call_is_known_by_every_key_that_was_told() {
        let mut facts = facts_under("b", &[(5.0, "", same_as("c")), (5.0, "x", rings())]);
        facts.unite(facts_under(
            "a",
            &[(9.0, "", same_as("b")), (9.0, "y", rings())],
        ));
        assert_eq!(texts(keys(&facts)), ["a", "b", "c"]);
        assert_eq!(texts(keys(&Facts::new())), Vec::<&str>::new());
    }

    #[test]
    fn the_earliest_key_names_the_call() {
        let mut facts = facts_under("a", &[(9.0, "y", rings()), (9.0, "", same_as("b"))]);
        assert_eq!(
            main_key(&facts),
            Some(&"a".into()),
            "nothing was told under b"
        );
        facts.unite(facts_under("b", &[(5.0, "x", rings())]));
        assert_eq!(main_key(&facts), Some(&"b".into()));
        assert_eq!(main_key(&Facts::new()), None);
    }

    #[test]
    fn of_two_calls_the_earlier_wins_and_of_two_as_early_the_lesser_key() {
        let (a, b) = (CallKey::from("a"), CallKey::from("b"));
        assert_eq!(winner([(moment(2.0), &a), (moment(1.0), &b)]), Some(&b));
        assert_eq!(winner([(moment(1.0), &b), (moment(1.0), &a)]), Some(&a));
        assert_eq!(winner([]), None);
    }
}
