//! Calls that ended while nobody listened and whose end no history will ever tell: the PBX was killed.
//!
//! After each login the PBX lists every leg that lives. A call of which nothing was heard since, and
//! none of whose legs is on that list, is over. The end is a bound: if history tells the moment, that
//! counts.

use std::{collections::HashSet, sync::Arc};

use bytes::Bytes;

use super::Line;
use crate::{
    model::{
        call::Call,
        event::{CallEvent, Cause, Clock, Fact},
        ids::{AccountName, CallKey, FactId, LegKey},
        time::Timestamp,
    },
    pbx::{Alive, Message},
    store::open,
};

/// Tells the end of every open call that is gone.
pub(super) async fn end_the_gone(line: Arc<Line>, alive: Alive) {
    let calls = match open::calls(&line.db).await {
        Ok(calls) => calls,
        Err(error) => {
            tracing::warn!(account = %line.account, %error, "open calls could not be compared with the PBX");
            return;
        }
    };
    let living: HashSet<&LegKey> = alive.legs.iter().collect();
    for open::OpenCall { account, call, .. } in &calls {
        if *account != line.account || !is_gone(call, &living, alive.at) {
            continue;
        }
        let message = Message {
            raw: Bytes::new(),
            events: ends(account, call, gone_at(call, &alive)),
            error: None,
        };
        if let Err(error) = line.submit("alive", message).await {
            tracing::warn!(account = %line.account, %error, "the end of a call that is gone was not kept");
        }
    }
}

/// A call heard of since the list was made has its own events; a call without legs is none of ours.
fn is_gone(call: &Call, living: &HashSet<&LegKey>, at: Timestamp) -> bool {
    call.heard_at < at
        && !call.legs.is_empty()
        && call.legs.iter().all(|leg| !living.contains(&leg.key))
}

/// At the latest when the list was made, or when the PBX started anew after the call was heard.
fn gone_at(call: &Call, alive: &Alive) -> Timestamp {
    alive
        .booted_at
        .filter(|booted_at| *booted_at > call.heard_at)
        .map_or(alive.at, |booted_at| booted_at.min(alive.at))
}

/// PBXes that list their legs know a call by the name of each of its legs too.
fn ends(account: &AccountName, call: &Call, at: Timestamp) -> Vec<CallEvent> {
    let open = call.legs.iter().filter(|leg| leg.ended_at.is_none());
    let fact = |leg: &LegKey, what: &str, of_leg: bool, fact: Fact| CallEvent {
        account: account.clone(),
        call: CallKey::from(leg.as_str()),
        leg: of_leg.then(|| leg.clone()),
        at,
        clock: Clock::NoLaterThan,
        id: FactId::from(format!("{leg}/{what}")),
        fact,
    };
    let cause = Cause::Unknown;
    let mut events: Vec<CallEvent> = open
        .map(|leg| fact(&leg.key, "ends", true, Fact::Ends { cause, by: None }))
        .collect();
    let first = call.legs.first().map(|leg| &leg.key);
    events.extend(first.map(|leg| fact(leg, "gone", false, Fact::Over { by: None })));
    events
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::call::Leg;

    const AT: Timestamp = Timestamp::from_seconds(1_773_728_100);

    fn call() -> Call {
        let leg = |key: &str, ended_at| Leg {
            key: LegKey::from(key),
            party: None,
            caller: None,
            rang_at: None,
            answered_at: None,
            ended_at,
            result: None,
            initiator: false,
        };
        Call {
            legs: vec![leg("7.1", None), leg("7.2", Some(AT)), leg("7.3", None)],
            heard_at: AT,
            ..Call::default()
        }
    }

    #[test]
    fn a_call_is_gone_when_none_of_its_legs_is_listed() {
        let (third, other) = (LegKey::from("7.3"), LegKey::from("8.1"));
        let later = AT.plus_millis(5_000);
        assert!(is_gone(&call(), &HashSet::from([&other]), later));
        assert!(!is_gone(&call(), &HashSet::from([&third]), later));
        assert!(!is_gone(&call(), &HashSet::new(), AT), "heard of since");
        assert!(!is_gone(&Call::default(), &HashSet::new(), later));
    }

    #[test]
    fn its_open_legs_end_no_later_than_the_restart() {
        let alive = Alive {
            legs: Vec::new(),
            at: AT.plus_millis(60_000),
            booted_at: Some(AT.plus_millis(20_000)),
        };
        let call = call();
        let events = ends(&"office".into(), &call, gone_at(&call, &alive));
        let names: Vec<&str> = events.iter().map(|event| event.id.as_str()).collect();
        assert_eq!(names, ["7.1/ends", "7.3/ends", "7.1/gone"]);
        assert!(
            events.iter().all(
                |event| event.at == AT.plus_millis(20_000) && event.clock == Clock::NoLaterThan
            )
        );
        let still_up = Alive {
            booted_at: Some(AT.plus_millis(-1)),
            ..alive
        };
        assert_eq!(gone_at(&call, &still_up), still_up.at);
    }
}
