//! Stories for tests: facts written down as they happen, one line each.

use super::{Facts, derive};
use crate::model::{
    call::Call,
    event::{CallEvent, Cause, Clock, Direction, Fact, Party, Side, Summary, TransferKind},
    ids::{Extension, FactId, LegKey},
    phone::Number,
    time::Timestamp,
};

/// The client of all stories.
pub const CLIENT: &str = "+74950000011";
/// Our number in all stories.
pub const DID: &str = "+74950000001";
/// Midnight of all stories, in seconds.
const MIDNIGHT_S: i64 = 1_773_700_000;

/// A moment of a story, in seconds after its midnight.
pub fn moment(seconds: f64) -> Timestamp {
    Timestamp::from_seconds(MIDNIGHT_S).plus_millis((seconds * 1_000.0).round() as i64)
}

/// One line of a story: when, which leg (`""`: the whole call), what.
pub type Line = (f64, &'static str, Fact);

/// The facts of a story under one key.
pub fn facts(lines: &[Line]) -> Facts {
    facts_under("call-1", lines)
}

/// The facts of a story under the key given.
pub fn facts_under(key: &str, lines: &[Line]) -> Facts {
    lines
        .iter()
        .map(|(at, leg, fact)| event(key, *at, leg, fact.clone()))
        .collect()
}

/// The call that a story makes.
pub fn call(lines: &[Line]) -> Call {
    derive(&facts(lines))
}

/// One fact; what happened twice at different times are two facts.
pub fn event(key: &str, at: f64, leg: &str, fact: Fact) -> CallEvent {
    CallEvent {
        account: "office".into(),
        call: key.into(),
        leg: (!leg.is_empty()).then(|| LegKey::from(leg)),
        at: moment(at),
        clock: Clock::Exact,
        id: FactId::from(format!("{key}/{leg}/{at}/{fact:?}")),
        fact,
    }
}

pub fn number(e164: &str) -> Number {
    Number::E164 {
        e164: e164.to_owned(),
        ext: None,
    }
}

pub fn client() -> Party {
    Party::Client(number(CLIENT))
}

pub fn person(extension: &str) -> Party {
    Party::Person(extension.into())
}

pub fn ext(extension: &str) -> Extension {
    extension.into()
}

pub fn parties(direction: Direction) -> Fact {
    Fact::Parties {
        direction: Some(direction),
        client: (direction != Direction::Internal).then(|| number(CLIENT)),
        client_name: None,
        did: (direction != Direction::Internal).then(|| number(DID)),
    }
}

/// A channel's party.
pub fn is(party: Party) -> Fact {
    Fact::Leg {
        party,
        with: None,
        initiator: false,
    }
}

/// An attempt of an event PBX: `party` is called by `with`.
pub fn between(party: Party, with: Party) -> Fact {
    Fact::Leg {
        party,
        with: Some(with),
        initiator: false,
    }
}

pub fn initiator(party: Party) -> Fact {
    Fact::Leg {
        party,
        with: Some(client()),
        initiator: true,
    }
}

pub fn rings() -> Fact {
    Fact::Rings
}

pub fn talks(with: Party) -> Fact {
    Fact::Talks { with }
}

pub fn ends(cause: Cause) -> Fact {
    Fact::Ends { cause, by: None }
}

pub fn hangs_up(side: Side) -> Fact {
    Fact::Ends {
        cause: Cause::Normal,
        by: Some(side),
    }
}

pub fn over() -> Fact {
    Fact::Over { by: None }
}

pub fn dialled(by: &str) -> Fact {
    Fact::Dialled {
        by: (!by.is_empty()).then(|| by.into()),
    }
}

pub fn enters(bridge: &str) -> Fact {
    Fact::Enters {
        bridge: bridge.to_owned(),
    }
}

pub fn leaves(bridge: &str) -> Fact {
    Fact::Leaves {
        bridge: bridge.to_owned(),
    }
}

pub fn tied(leg: &str) -> Fact {
    Fact::TiedTo { leg: leg.into() }
}

pub fn runs(what: Party) -> Fact {
    Fact::Runs { what }
}

pub fn transfers(kind: TransferKind, to: &str) -> Fact {
    Fact::Transfers {
        kind,
        to: Some(to.into()),
    }
}

pub fn transferred_from(extension: &str) -> Fact {
    Fact::TransferredFrom {
        from: extension.into(),
    }
}

/// The provider's record: direction, start, answer, end.
pub fn summary(direction: Direction, started: f64, answered: Option<f64>, ended: f64) -> Summary {
    Summary {
        direction: Some(direction),
        client: Some(number(CLIENT)),
        did: Some(number(DID)),
        started: Some(moment(started)),
        answered: answered.map(moment),
        answered_known: true,
        ended: Some(moment(ended)),
        ..Summary::default()
    }
}

pub fn summed(summary: Summary) -> Fact {
    Fact::Summary(Box::new(summary))
}

/// Wait, ring, talk and hold in seconds.
pub fn spans(call: &Call) -> [Option<f64>; 4] {
    [call.wait_ms, call.ring_ms, call.talk_ms, call.hold_ms]
        .map(|ms| ms.map(|ms| ms as f64 / 1_000.0))
}

/// Transfers as (kind, from, to, seconds).
pub fn passings(call: &Call) -> Vec<(TransferKind, &str, &str, f64)> {
    fn name(extension: &Option<Extension>) -> &str {
        extension.as_ref().map_or("", Extension::as_str)
    }
    let seconds = |at: Timestamp| at.millis_since(moment(0.0)) as f64 / 1_000.0;
    call.transfers
        .iter()
        .map(|passing| {
            (
                passing.kind,
                name(&passing.from),
                name(&passing.to),
                seconds(passing.at),
            )
        })
        .collect()
}
