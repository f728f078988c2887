//! Routes calls at PBXes that do not ask who should ring but can be told: while the client hears a menu or
//! waits in a queue, the question is asked on the PBX's behalf ([`Desk`]) and the answer sent as a command.
//! Some can be told later, too: a client who hears somebody's phone ring is sent on to the responsible
//! manager, if it is none of those whom the PBX has chosen to ring.
//!
//! Only what is durable is acted on: the task hears of calls after their commit. A command that comes too
//! late, or that the PBX has no room for, leaves the call to the PBX's own scheme.

use std::{collections::HashSet, sync::Arc, time::Duration};

use tokio::{sync::broadcast::error::RecvError, time::timeout};

use super::{
    Flow,
    enquiry::{Answered, Desk},
};
use crate::{
    model::{
        call::{Call, Change, Leg},
        event::{CallEvent, Clock, Direction, Fact, Party},
        ids::{CallId, Extension, FactId, LegKey},
    },
    pbx::{Accounts, Enquiry, Pbx},
};

/// A client does not hear a menu for long: later than this the command is of no use.
const PATIENCE: Duration = Duration::from_secs(1);
/// Calls remembered as asked about.
const REMEMBERED: usize = 10_000;

/// Routes calls of the accounts that want it, until the writer ends.
pub async fn run(accounts: Accounts, flow: Flow, desk: Arc<Desk>) {
    let mut changes = flow.writer().changes();
    let mut asked: HashSet<CallId> = HashSet::new();
    loop {
        let change = match changes.recv().await {
            Ok(change) => change,
            Err(RecvError::Lagged(_)) => continue, // those calls go by the PBX's own scheme
            Err(RecvError::Closed) => return,
        };
        if !is_new(&change.call) {
            continue; // most of what happens
        }
        let pbx = accounts.get(&change.account);
        let Some(pbx) = pbx.filter(|pbx| pbx.routes_by_command()) else {
            continue;
        };
        let Some((leg, rung)) = way(&change.call) else {
            continue;
        };
        if pbx.sends_on_what_rings() == rung.is_empty() {
            continue;
        }
        if !rung.is_empty() && desk.was_asked(&change.account, &change.key) {
            continue; // the answer is on its way into the call
        }
        if asked.len() >= REMEMBERED {
            asked.clear();
        }
        if asked.insert(change.id) {
            let (flow, desk, pbx, leg) = (flow.clone(), Arc::clone(&desk), pbx, leg.clone());
            tokio::spawn(async move {
                let way = Way { leg, rung };
                let routed = timeout(PATIENCE, one(&flow, &desk, pbx.as_ref(), &change, &way));
                if routed.await.is_err() {
                    tracing::info!(account = %change.account, "a call could not be routed in time");
                }
            });
        }
    }
}

/// How a call can be routed now.
struct Way {
    /// The client's leg.
    leg: LegKey,
    /// Phones that the PBX has rung for it.
    rung: Vec<Extension>,
}

/// The client's leg, and the phones that have rung for it so far: none while the client waits.
fn way(call: &Call) -> Option<(&LegKey, Vec<Extension>)> {
    ringing_leg(call).or_else(|| Some((waiting_leg(call)?, Vec::new())))
}

/// Whether a call came in and nobody has answered or routed it.
fn is_new(call: &Call) -> bool {
    call.direction == Some(Direction::In)
        && !call.is_over()
        && call.answered_at.is_none()
        && call.route_reason.is_none()
}

fn person_of(leg: &Leg) -> Option<&Extension> {
    match &leg.party {
        Some(Party::Person(extension)) => Some(extension),
        _ => None,
    }
}

/// The client's own leg in a call that rings somebody, and every phone that was called for it.
fn ringing_leg(call: &Call) -> Option<(&LegKey, Vec<Extension>)> {
    if !is_new(call) || call.ringing.is_empty() {
        return None;
    }
    let is_clients = |leg: &&Leg| {
        matches!(leg.party, Some(Party::Client(_))) && leg.ended_at.is_none() && !leg.initiator
    };
    let leg = call.legs.iter().find(is_clients)?;
    let rung = call.legs.iter().filter_map(person_of).cloned();
    Some((&leg.key, rung.collect()))
}

/// The leg on which a client waits for somebody, in a call that has not been routed and rings nobody.
fn waiting_leg(call: &Call) -> Option<&LegKey> {
    if !is_new(call) || call.legs.iter().any(|leg| person_of(leg).is_some()) {
        return None;
    }
    let waits = |leg: &&Leg| {
        leg.ended_at.is_none() && matches!(leg.party, Some(Party::Menu | Party::Queue(_)))
    };
    call.legs.iter().rfind(waits).map(|leg| &leg.key)
}

async fn one(flow: &Flow, desk: &Desk, pbx: &dyn Pbx, change: &Change, way: &Way) {
    let now = super::now();
    let enquiry = Enquiry {
        account: change.account.clone(),
        call: Some(change.key.clone()),
        client: change.call.client.clone(),
        did: change.call.did.clone(),
        attempt: 1,
        is_it: None,
        digits: change.call.digits.clone(),
        rung: way.rung.clone(),
        at: now,
    };
    let Answered { answer, event, .. } = desk.enquire(&enquiry).await;
    let Some(target) = answer.targets.first() else {
        return; // nobody in particular: the PBX's own scheme goes on
    };
    let command = uuid::Uuid::now_v7().simple().to_string();
    if let Err(error) = pbx.route(&way.leg, target, &answer, &command).await {
        tracing::info!(account = %change.account, %error, "a call was not routed");
        return;
    }
    let events = event
        .into_iter()
        .chain([sent(change, target, command)])
        .collect();
    let told = flow
        .tell(change.account.clone(), "route", events, now)
        .await;
    if let Err(error) = told {
        tracing::warn!(account = %change.account, %error, "a call was routed and that could not be noted");
    }
}

fn sent(change: &Change, target: &Extension, command: String) -> CallEvent {
    CallEvent {
        account: change.account.clone(),
        call: change.key.clone(),
        leg: None,
        at: super::now(),
        clock: Clock::Exact,
        id: FactId::from(format!("{}/route/{command}", change.key)),
        fact: Fact::CommandSent {
            command,
            what: "route".to_owned(),
            extension: Some(target.clone()),
            client: None,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{phone::Number, time::Timestamp};

    fn leg(key: &str, party: Party) -> Leg {
        Leg {
            key: key.into(),
            party: Some(party),
            caller: None,
            rang_at: None,
            answered_at: None,
            ended_at: None,
            result: None,
            initiator: false,
        }
    }

    fn call(legs: Vec<Leg>) -> Call {
        Call {
            direction: Some(Direction::In),
            legs,
            ..Call::default()
        }
    }

    #[test]
    fn a_call_that_rings_is_sent_on_by_the_clients_leg() {
        let number = Number::Withheld;
        let mut ringing = call(vec![
            leg("t", Party::Client(number)),
            leg("l", Party::Glue),
            leg("p", Party::Person("101".into())),
            leg("q", Party::Person("102".into())),
        ]);
        assert_eq!(ringing_leg(&ringing), None, "nobody's phone rings yet");
        ringing.ringing = vec!["102".into()];
        let all = vec!["101".into(), "102".into()];
        assert_eq!(ringing_leg(&ringing), Some((&"t".into(), all)));
        let mut answered = ringing.clone();
        answered.answered_at = Some(Timestamp::from_seconds(1));
        assert_eq!(ringing_leg(&answered), None);
        let mut out = ringing.clone();
        out.direction = Some(Direction::Out);
        assert_eq!(ringing_leg(&out), None);
        ringing.route_reason = Some("owner".to_owned());
        assert_eq!(ringing_leg(&ringing), None, "the PBX has asked");
    }

    #[test]
    fn a_call_is_routed_once_while_nobody_rings() {
        let waits = call(vec![leg("a", Party::Menu)]);
        assert_eq!(waiting_leg(&waits), Some(&"a".into()));
        let person = || leg("b", Party::Person("201".into()));
        assert_eq!(
            waiting_leg(&call(vec![leg("a", Party::Menu), person()])),
            None
        );
        let mut over = leg("a", Party::Menu);
        over.ended_at = Some(Timestamp::from_seconds(1));
        let queue = leg("q", Party::Queue("700".to_owned()));
        assert_eq!(
            waiting_leg(&call(vec![over.clone(), queue])),
            Some(&"q".into())
        );
        assert_eq!(waiting_leg(&call(vec![over])), None);
        let mut routed = call(vec![leg("a", Party::Menu)]);
        routed.route_reason = Some("owner".to_owned());
        assert_eq!(waiting_leg(&routed), None);
    }
}
