//! How long the client was on hold.
//!
//! Hold is the time after the answer in which nobody talks with the client, but an employee keeps
//! them waiting: has pressed hold, consults a colleague, or has parked them. A hold ends when it is
//! resumed, when the employee's leg ends, or when somebody else talks with the client; that of a parked
//! client ends when they are fetched or rung back, whoever had parked them. A client in a conference is
//! kept waiting while none of ours is in it. The silence between two
//! employees after a blind transfer is not hold.

use super::talks::{Talk, Talks, With};
use crate::model::{ids::Extension, time::Timestamp};

/// A stretch of time.
type Span = (Timestamp, Timestamp);

/// Milliseconds on hold between the answer and the end.
pub(super) fn hold_ms(talks: &Talks<'_>, answered: Timestamp, ended: Timestamp) -> i64 {
    if talks.holds.is_empty() && talks.all.iter().all(Talk::is_conversation) {
        return 0;
    }
    let within = |from: Timestamp, to: Option<Timestamp>| -> Option<Span> {
        let span = (from.max(answered), to.unwrap_or(ended).min(ended));
        (span.0 < span.1).then_some(span)
    };
    let mut held: Vec<Span> = Vec::new();
    let mut talked: Vec<Span> = Vec::new();
    held.extend(
        talks
            .holds
            .iter()
            .filter_map(|hold| within(hold.from, hold.to)),
    );
    for talk in &talks.all {
        match talk.with {
            With::Client => {
                let mut from = talk.from;
                for hold in talks.holds.iter().filter(|hold| hold.leg == talk.leg) {
                    if talk.to.is_none_or(|to| hold.from < to) && hold.from >= from {
                        talked.extend(within(from, Some(hold.from)));
                        from = hold.to.or(talk.to).unwrap_or(ended);
                    }
                }
                talked.extend(within(from, talk.to));
            }
            With::Colleague(other) if keeps_client_waiting(talk, other, &talks.all) => {
                held.extend(within(talk.from, talk.to));
            }
            With::Colleague(_) | With::InDoubt => {}
        }
    }
    without(held, talked)
}

/// Whether one of the two has talked with the client before.
fn keeps_client_waiting(consultation: &Talk<'_>, other: &Extension, talks: &[Talk<'_>]) -> bool {
    talks.iter().any(|talk| {
        talk.is_conversation()
            && talk.from <= consultation.from
            && (talk.person == consultation.person || talk.person == Some(other))
    })
}

/// Milliseconds in `held` that are in no span of `talked`.
fn without(mut held: Vec<Span>, mut talked: Vec<Span>) -> i64 {
    held.sort_unstable();
    talked.sort_unstable();
    let mut sum_ms = 0;
    let mut counted_to = Timestamp::from_micros(i64::MIN);
    for (from, to) in held {
        let mut from = from.max(counted_to);
        for &(talk_from, talk_to) in &talked {
            if talk_from >= to || from >= to {
                break;
            }
            if talk_from > from {
                sum_ms += talk_from.millis_since(from);
            }
            from = from.max(talk_to);
        }
        sum_ms += to.millis_since(from);
        counted_to = counted_to.max(to);
    }
    sum_ms
}
