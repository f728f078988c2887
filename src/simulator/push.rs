//! What the push dialects that CRMs speak have in common (`zammad`, `sipgate`): three events without times, of
//! which the first names everybody whose phone rings.
//!
//! They have no words for phones that ring in turn, menus, queues and holds. What is not told is known by when a
//! message comes: whoever plays faster than life cannot expect waits.

use super::{
    ledger::Ledger,
    story::{Outcome, Plot, Story},
};

/// Kinds of stories these dialects have words for.
pub const PLOTS: [Plot; 9] = [
    Plot::Answered,
    Plot::Group,
    Plot::Missed,
    Plot::Abandoned,
    Plot::Busy,
    Plot::Out,
    Plot::OutMissed,
    Plot::OutBusy,
    Plot::OutAbandoned,
];

/// How far moments may be off that are known by when a message comes.
const TOLD_WITHIN_MS: i64 = 24 * 3_600_000;

/// One event of a story.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event<'s> {
    /// When it is sent.
    pub at_ms: i64,
    /// `newCall`, `answer` or `hangup`.
    pub name: &'static str,
    /// Who calls or rings; who has answered, if it was one of us.
    pub people: Vec<&'s str>,
    /// Why the call has ended; empty before.
    pub cause: &'static str,
}

/// All events of a story, in order.
pub fn events(story: &Story) -> Vec<Event<'_>> {
    let event = |at_ms, name, people| Event {
        at_ms,
        name,
        people,
        cause: "",
    };
    let mut events = vec![match &story.caller {
        Some(caller) => event(0, "newCall", vec![caller.as_str()]),
        None => {
            let rung = story.rings.iter().map(|ring| ring.who.as_str());
            let from_ms = story.rings.first().map_or(0, |ring| ring.from_ms);
            event(from_ms, "newCall", rung.collect())
        }
    }];
    if let Some(answered_ms) = story.answered_ms {
        let ours = story.answered_by().filter(|_| story.caller.is_none());
        events.push(event(answered_ms, "answer", ours.into_iter().collect()));
    }
    events.push(Event {
        cause: cause(story),
        ..event(story.end_ms, "hangup", Vec::new())
    });
    events
}

/// What must be found after the story was told.
pub fn ledger(story: &Story, account: &str, call_key: &str) -> Ledger {
    let mut ledger = story.ledger(account, call_key, 1_000);
    (ledger.wait_ms, ledger.ring_ms) = (None, None);
    (ledger.talk_ms, ledger.hold_ms) = (None, None);
    // Only who gave up before an answer is told, by the word "cancel".
    ledger.hangup_by = (cause(story) == "cancel").then_some(story.hangup);
    ledger.phones.extend(story.callers_leg(1_000));
    ledger.recordings = 0;
    ledger.tolerance_ms = TOLD_WITHIN_MS;
    ledger.by_arrival = true;
    ledger
}

/// The two ends as they are written, and which way the call goes.
pub fn ends(story: &Story) -> (&str, &str, &'static str) {
    let client = story.client.as_deref().unwrap_or("anonymous");
    let (client, ours) = (
        client.trim_start_matches('+'),
        story.did.trim_start_matches('+'),
    );
    match story.caller {
        Some(_) => (ours, client, "out"),
        None => (client, ours, "in"),
    }
}

/// Why the call ended.
fn cause(story: &Story) -> &'static str {
    let last = story.rings.last().map(|ring| ring.outcome);
    match (story.answered_ms, last) {
        (Some(_), _) => "normalClearing",
        (None, Some(Outcome::Busy)) => "busy",
        (None, Some(Outcome::Cancelled)) => "cancel",
        (None, _) => "noAnswer",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulator::drawn::draw;

    #[test]
    fn a_story_begins_once_ends_once_and_is_answered_where_somebody_talks() {
        for plot in PLOTS {
            let story = draw(5, plot);
            let events = events(&story);
            let count = |name| events.iter().filter(|event| event.name == name).count();
            let answers = usize::from(story.answered_ms.is_some());
            let wanted = (1, answers, 1);
            assert_eq!(
                (count("newCall"), count("answer"), count("hangup")),
                wanted,
                "{plot:?}"
            );
            assert!(events.is_sorted_by_key(|event| event.at_ms), "{plot:?}");
            assert!(!events[0].people.is_empty(), "{plot:?}");
        }
    }
}
