//! What is written of a call in its row, and by which statement: the fewer columns an update names, the
//! cheaper it is.

use super::{
    apply::Work,
    known::{Known, Stand},
    statements as sql,
};
use crate::{
    model::{call::Call, event::Direction, phone::Number, time::Timestamp},
    rules::matching::MatchReason,
    store::rows::{Engine, Rows, ScriptRows, Statement},
};

/// Fills in a call of a batch.
pub(super) fn write(writes: &mut ScriptRows, engine: Engine, work: &Work) {
    let (known, shows) = (&work.known, work.shows_recordings());
    let Some(before) = &work.before else {
        return write_call(writes.of(&sql::ADD_CALLS), known, shows);
    };
    // PostgreSQL sees by itself which columns change, every statement costs, and of one all rows are locked
    // in order.
    if known.sealed || known.strange || engine == Engine::Pg {
        write_call(writes.of(&sql::CHANGE_CALLS), known, shows);
    } else if !work.renamed && is_only_noted(before, &known.stand) {
        note_call(writes.of(&sql::NOTE_CALLS), known, shows);
    } else {
        write_call(writes.of(statement_for(before, &known.stand)), known, shows);
    }
}

/// The statement that names the columns of indexes that change.
fn statement_for(before: &Stand, after: &Stand) -> &'static Statement {
    let (b, a) = (&before.call, &after.call);
    fn client(call: &Call) -> Option<&str> {
        call.client.as_ref().and_then(|client| client.e164())
    }
    let others = before.card != after.card || before.line != after.line || client(b) != client(a);
    let started = b.started_at != a.started_at;
    let answered = before.answered_by != after.answered_by;
    let ended = b.ended != a.ended || b.ended_at != a.ended_at;
    match (others, started, answered, ended) {
        (false, false, false, false) => &sql::TOUCH_CALLS,
        (false, true, false, false) => &sql::START_CALLS,
        (false, false, true, false) => &sql::ANSWER_CALLS,
        (false, false, false, true) => &sql::END_CALLS,
        _ => &sql::CHANGE_CALLS,
    }
}

/// Whether nothing has changed that stands in a column of its own, but phase and time.
fn is_only_noted(before: &Stand, after: &Stand) -> bool {
    fn columns(call: &Call) -> impl PartialEq + '_ {
        // Named one by one, so that a new field is not forgotten here either.
        let Call {
            direction,
            result,
            ended,
            hangup_by,
            client,
            client_name,
            did,
            started_at,
            rang_at,
            answered_at,
            ended_at,
            wait_ms,
            ring_ms,
            talk_ms,
            hold_ms,
            answered_by,
            route_reason,
            // Written whatever changes, or in no column: it follows from the facts.
            phase: _,
            heard_at: _,
            legs: _,
            transfers: _,
            recordings: _,
            consent: _,
            recording_pauses: _,
            ringing: _,
            talking: _,
            digits: _,
            tracking: _,
            silent: _,
        } = call;
        (
            (direction, result, ended, hangup_by),
            (started_at, rang_at, answered_at, ended_at),
            (wait_ms, ring_ms, talk_ms, hold_ms),
            (client, client_name, did, answered_by, route_reason),
        )
    }
    columns(&before.call) == columns(&after.call)
        && (before.card, before.line, before.answered_by)
            == (after.card, after.line, after.answered_by)
        && before.reason == after.reason
}

fn note_call(rows: &mut Rows, known: &Known, shows: bool) {
    let call = &*known.stand.call;
    rows.id(known.id.0)
        .bytes(&known.facts.pack())
        .int(known.version)
        .text(call.phase.as_str())
        .int(call.heard_at.as_micros())
        .int(i64::from(shows));
}

fn write_call(rows: &mut Rows, known: &Known, shows: bool) {
    let stand = &known.stand;
    let call = &*stand.call;
    rows.id(known.id.0)
        .bytes(&known.facts.pack())
        .text(known.key.as_str())
        .int(known.version)
        .text(call.phase.as_str())
        .text(call.direction.map(Direction::as_str))
        .text(call.result.map(|result| result.as_str()))
        .text(call.hangup_by.map(|side| side.as_str()))
        .text(client_shown(call))
        .text(call.client_name.as_deref().unwrap_or_default())
        .text(did_text(call))
        .int(micros(call.rang_at))
        .int(micros(call.answered_at))
        .int(call.wait_ms)
        .int(call.ring_ms)
        .int(call.talk_ms)
        .int(call.hold_ms)
        .text(call.answered_by.as_ref().map(|ext| ext.as_str()))
        .text(stand.reason.map(MatchReason::as_str))
        .text(call.route_reason.as_deref())
        .int(call.heard_at.as_micros())
        .text(call.ended.map(|ended| ended.as_str()))
        .int(micros(call.ended_at))
        .int(stand.answered_by.map(|person| person.0))
        .int(call.started_at.as_micros())
        .text(known.account.as_str())
        .text(call.client.as_ref().and_then(|client| client.e164()))
        .int(stand.line.map(|line| line.0))
        .id(stand.card.map(|card| card.0))
        .int(i64::from(shows));
}

/// Our number, as the line table writes it.
pub(super) fn did_text(call: &Call) -> Option<&str> {
    match call.did.as_ref()? {
        Number::E164 { e164, .. } => Some(e164),
        Number::Service(text) | Number::Other(text) => Some(text),
        Number::Withheld => None,
    }
}

/// What to show for a client without a public number.
fn client_shown(call: &Call) -> &str {
    match &call.client {
        Some(Number::Service(text) | Number::Other(text)) => text,
        Some(Number::Withheld) => "withheld",
        Some(Number::E164 { .. }) | None => "",
    }
}

fn micros(at: Option<Timestamp>) -> Option<i64> {
    at.map(Timestamp::as_micros)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::{
        call::{CallResult, Ended, Leg, Phase},
        event::Side,
        ids::{CardId, LineId, PersonId},
    };

    fn changed(change: impl Fn(&mut Call)) -> Stand {
        let mut call = Call::default();
        change(&mut call);
        Stand {
            call: Arc::new(call),
            ..Stand::default()
        }
    }

    #[test]
    fn what_no_column_of_its_own_says_is_only_noted() {
        let leg = Leg {
            key: "l".into(),
            party: None,
            caller: None,
            rang_at: None,
            answered_at: None,
            ended_at: None,
            result: None,
            initiator: false,
        };
        for after in [
            changed(|_| {}),
            changed(|call| call.phase = Phase::Ringing),
            changed(|call| call.heard_at = Timestamp::from_seconds(1)),
            changed(|call| call.legs = vec![leg.clone()]),
            changed(|call| call.digits = "1".to_owned()),
        ] {
            assert!(is_only_noted(&Stand::default(), &after), "{after:?}");
        }
    }

    #[test]
    fn a_change_of_any_column_is_written() {
        let at = Some(Timestamp::from_seconds(1));
        let number = || Some(Number::Other("1".to_owned()));
        let stand = Stand::default;
        for after in [
            changed(|call| call.direction = Some(Direction::In)),
            changed(|call| call.result = Some(CallResult::Missed)),
            changed(|call| call.ended = Some(Ended::Unknown)),
            changed(|call| call.hangup_by = Some(Side::Pbx)),
            changed(|call| call.client = number()),
            changed(|call| call.client_name = Some("A".to_owned())),
            changed(|call| call.did = number()),
            changed(|call| call.started_at = Timestamp::from_seconds(1)),
            changed(|call| call.rang_at = at),
            changed(|call| call.answered_at = at),
            changed(|call| call.ended_at = at),
            changed(|call| call.wait_ms = Some(1)),
            changed(|call| call.ring_ms = Some(1)),
            changed(|call| call.talk_ms = Some(1)),
            changed(|call| call.hold_ms = Some(1)),
            changed(|call| call.answered_by = Some("201".into())),
            changed(|call| call.route_reason = Some("owner".to_owned())),
            Stand {
                card: Some(CardId(uuid::Uuid::nil())),
                ..stand()
            },
            Stand {
                reason: Some(MatchReason::Created),
                ..stand()
            },
            Stand {
                line: Some(LineId(1)),
                ..stand()
            },
            Stand {
                answered_by: Some(PersonId(1)),
                ..stand()
            },
        ] {
            assert!(!is_only_noted(&stand(), &after), "{after:?}");
        }
    }
}
