//! Stories that go the same way with every cloud, whatever its words.

use ringcard::{
    model::{call::CallResult, event::TransferKind},
    simulator::{
        dice::Dice,
        ledger::Ledger,
        message::{Post, Sent},
        story::{Plot, Story, Tempo, World},
    },
};

use super::{
    anna_clicks, calls,
    host::{self, Emulator, Fault, Host},
    trouble::{fails_and_comes_right, past_call},
};
use crate::pages::office::Office;

/// Orders that meet these faults make no call, and the person who clicked is told.
pub async fn orders_are_not_taken(
    at: (&Office, &str),
    host: &Host,
    kind: &'static str,
    faults: &[Fault],
) {
    let (office, account) = at;
    for fault in faults {
        host.fail(kind, &[*fault]);
        let status = anna_clicks(office, account).await;
        assert!([422, 503].contains(&status), "{fault:?}: {status}");
        office.run("delete from card_phone").await;
    }
    assert!(host.is_well());
    assert_eq!(calls(office).await.len(), 0);
}

/// Past calls come, one after each fault, and the page says what was wrong.
pub async fn past_calls_come(
    at: (&Office, &'static str),
    host: &Host,
    faults: &[(&'static str, Fault)],
    remember: impl Fn(&Story),
) {
    let (office, account) = at;
    for (n, (kind, fault)) in faults.iter().enumerate() {
        remember(&past_call(n as u64));
        host.fail(kind, &[*fault]);
        fails_and_comes_right(office, account, *fault, 1).await;
        assert_eq!(calls(office).await.len(), n + 1);
    }
    assert!(host.is_well());
    assert_eq!(host.wrong(), Vec::<String>::new());
}

/// A call that is answered, one that nobody answers, and one that is passed on, as each happens.
pub async fn calls_as_they_happen<P: Clone, R, O>(
    office: &Office,
    cloud: &Emulator<P, R, O>,
    tell: impl Fn(&P, &Story) -> Vec<Sent<Post>>,
    ledger: impl Fn(&P, &Story) -> Ledger,
) {
    let world = World::company(6, 20);
    for (plot, result) in [
        (Plot::Answered, CallResult::Answered),
        (Plot::Missed, CallResult::Missed),
        (Plot::BlindTransfer, CallResult::Answered),
    ] {
        let number = plot as u64;
        let start = ringcard::flow::now().plus_millis(-600_000);
        let mut dice = Dice::new(number);
        let mut story = Story::draw(&mut dice, &world, plot, number, start, Tempo::DEMO);
        story.client = world.clients.first().cloned();
        for sent in tell(&cloud.product(), &story) {
            cloud.deliver(&sent.what).await;
        }
        let ledger = ledger(&cloud.product(), &story);
        let all = calls(office).await;
        let (_, call) = all
            .iter()
            .find(|(key, _)| *key == ledger.call_key)
            .expect("the call is in the journal");
        assert_eq!(call.result, Some(result), "{plot:?}");
        let late_ms = call.started_at.millis_since(ledger.started_at);
        assert!(
            (0..=ledger.tolerance_ms).contains(&late_ms),
            "{plot:?}: {late_ms}"
        );
        assert_eq!(call.ended_at, Some(ledger.ended_at), "{plot:?}");
        let by = call.answered_by.as_ref().map(ToString::to_string);
        assert_eq!(by, ledger.answered_by, "{plot:?}");
        let passed: Vec<_> = call
            .transfers
            .iter()
            .map(|passed| (passed.kind, passed.from.clone(), passed.to.clone()))
            .collect();
        let wanted: Vec<_> = story
            .passing
            .iter()
            .map(|passing| {
                let (from, to) = (passing.from.as_str().into(), passing.to.as_str().into());
                (TransferKind::Blind, Some(from), Some(to))
            })
            .collect();
        assert_eq!(passed, wanted, "{plot:?}");
    }
    assert_eq!(calls(office).await.len(), 3);
}

/// A story that is told all at once, now.
pub fn told_at_once(plot: Plot, number: u64) -> Story {
    let world = World::company(6, 20);
    let start = ringcard::flow::now().plus_millis(-1_000);
    let mut dice = Dice::new(number);
    Story::draw(&mut dice, &world, plot, number, start, Tempo::DEMO)
}

/// Stories of each kind, told at once by a PBX whose messages have no times: who answered, and how it turned out.
pub async fn told_without_times(
    at: (&Office, &str),
    plots: &[Plot],
    tell: impl Fn(&Story) -> Vec<Sent<Post>>,
    ledger: impl Fn(&Story) -> Ledger,
) {
    let (office, account) = at;
    let (hook, client) = (
        office.gateway.url(&format!("/hooks/{account}")),
        host::client(),
    );
    for (number, plot) in (1..).zip(plots) {
        let told = told_at_once(*plot, number);
        for sent in tell(&told) {
            host::post(&client, &hook, &sent.what).await;
        }
        let ledger = ledger(&told);
        let all = calls(office).await;
        let own = all.iter().find(|(key, _)| *key == ledger.call_key);
        let (_, call) = own.expect("the call is in the journal");
        let by = call.answered_by.as_ref().map(ToString::to_string);
        assert_eq!(
            (call.direction, by),
            (Some(ledger.direction), ledger.answered_by)
        );
        assert_eq!(call.transfers.len(), ledger.transfers.len(), "{plot:?}");
        // All is told at once, so whoever is missed has not stayed for long.
        let gave_up = |result| matches!(result, CallResult::Missed | CallResult::Abandoned);
        let found = call.result.expect("it is over");
        let is_same = found == ledger.result || gave_up(found) && gave_up(ledger.result);
        assert!(is_same && call.is_over(), "{plot:?}: {found:?}");
    }
    assert_eq!(calls(office).await.len(), plots.len());
}
