//! Visits of a batch: those told beside calls, which wait for their call, and those that a PBX told with
//! its own call, which is joined already. Who has neither writes nothing here.

use std::collections::BTreeMap;

use super::{Submission, apply::Work, statements as sql};
use crate::{
    model::{
        ids::AccountName,
        time::Timestamp,
        visit::{Hints, Origin, Visit},
    },
    rules::attribution::Confidence,
    store::rows::{Rows, ScriptRows},
};

/// Visits that messages told beside any call.
pub(super) fn told_beside_calls(writes: &mut ScriptRows, batch: &[&Submission]) {
    let mut visits: BTreeMap<(&AccountName, &str), (Visit, Timestamp)> = BTreeMap::new();
    for submission in batch {
        for told in &submission.visits {
            let now = submission.received_at;
            // One statement cannot write a row twice.
            match visits.get_mut(&(&told.account, told.key.as_str())) {
                Some((visit, _)) => visit.unite(told.clone()),
                None => {
                    visits.insert((&told.account, &told.key), (told.clone(), now));
                }
            }
        }
    }
    if visits.is_empty() {
        return;
    }
    let rows = writes.of(&sql::ADD_VISITS);
    for (visit, now) in visits.values() {
        let names = (&visit.account, visit.key.as_str());
        write(rows, names, (visit.at, *now), &Said::of(visit));
        let client = visit.client.is_some() || !visit.hints.calls.is_empty();
        // Nothing could ever be found for what names neither client nor call.
        let (state, due_at) = match client {
            true => ("waiting", Some(now.as_micros())),
            false => ("unmatched", None),
        };
        rows.id(None).int(None).text(state).int(due_at);
    }
}

/// Where the clients of these calls came from, as their own PBX says.
pub(super) fn told_with_calls(writes: &mut ScriptRows, works: &[Work], now: Timestamp) {
    for work in works {
        let call = work.call();
        let was = work.before.as_ref().map(|stand| &stand.call.tracking);
        let merged = !work.losers.is_empty();
        if call.tracking.is_empty() || (!merged && was == Some(&call.tracking)) {
            continue;
        }
        let id = work.known.id;
        let said = Said {
            client: call.client.as_ref().and_then(|client| client.e164()),
            hints: Hints::default(),
            stage: 0,
            origin: Origin::of(|wanted| {
                let mut own = call.tracking.iter().filter(|(name, _)| name == wanted);
                own.next().map(|(_, value)| value.as_str())
            }),
            fields: serde_json::Value::Object(
                call.tracking
                    .iter()
                    .map(|(name, value)| (name.clone(), value.as_str().into()))
                    .collect(),
            )
            .to_string(),
        };
        let key = format!("call/{id}");
        let rows = writes.of(&sql::ADD_VISITS);
        write(
            rows,
            (&work.known.account, &key),
            (call.started_at, now),
            &said,
        );
        rows.id(id.0)
            .int(Confidence::Key.rank())
            .text("joined")
            .int(None);
    }
}

/// What is written of a visit whoever told it.
struct Said<'a> {
    client: Option<&'a str>,
    hints: Hints,
    stage: i64,
    origin: Origin,
    fields: String,
}

impl<'a> Said<'a> {
    fn of(visit: &'a Visit) -> Self {
        Self {
            client: visit.client.as_deref(),
            hints: visit.hints.clone(),
            stage: visit.stage,
            origin: visit.origin(),
            fields: json(&visit.fields),
        }
    }
}

fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("texts and numbers under text keys are JSON")
}

fn write(
    rows: &mut Rows,
    (account, key): (&AccountName, &str),
    (at, now): (Timestamp, Timestamp),
    said: &Said<'_>,
) {
    rows.text(account.as_str())
        .text(key)
        .int(at.as_micros())
        .int(now.as_micros())
        .text(said.client)
        .text(json(&said.hints).as_str())
        .int(said.stage)
        .text(said.origin.source.as_str())
        .text(said.origin.medium.as_str())
        .text(said.origin.campaign.as_str())
        .text(said.origin.term.as_str())
        .text(said.fields.as_str());
}
