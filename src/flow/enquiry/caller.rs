//! Whose card a question is about, and the fact that its answer makes.

use crate::{
    model::{
        event::{CallEvent, Clock, Fact},
        ids::FactId,
        time::Timestamp,
    },
    pbx::{Enquiry, RouteAnswer},
    rules::matching::{Candidate, PhoneKind, rank},
    store::routing::KnownBy,
};

/// The caller's card, as the commit of the same call will choose it.
pub(super) fn caller_of<'a>(known: &'a [KnownBy], enquiry: &Enquiry) -> Option<&'a KnownBy> {
    let ext = enquiry
        .client
        .as_ref()
        .and_then(|number| number.ext())
        .unwrap_or_default();
    let candidates: Vec<Candidate> = known.iter().filter_map(candidate).collect();
    let (_, best) = rank(ext, &candidates).into_iter().next()?;
    known.iter().find(|known| known.card == best)
}

fn candidate(known: &KnownBy) -> Option<Candidate> {
    Some(Candidate {
        card: known.card,
        kind: PhoneKind::parse(&known.kind)?,
        ext: known.ext.clone(),
    })
}

/// The answer as a fact, where the question named its call.
pub(super) fn fact_of(enquiry: &Enquiry, answer: &RouteAnswer, at: Timestamp) -> Option<CallEvent> {
    let call = enquiry.call.clone()?;
    Some(CallEvent {
        account: enquiry.account.clone(),
        leg: None,
        at,
        clock: Clock::Exact,
        // A call can be asked about in several rounds: the time tells them apart.
        id: FactId::from(format!(
            "{call}/route/{}/{}",
            at.as_millis(),
            enquiry.attempt
        )),
        fact: Fact::RouteAnswered {
            targets: answer.targets.clone(),
            ring_ms: answer.ring_ms,
            attempt: enquiry.attempt,
            reason: answer.reason.clone(),
        },
        call,
    })
}
