//! Accounts: when each last spoke, what it was refused, and whether its clock agrees with ours.

use std::collections::BTreeMap;

use super::{Finding, Patient, Value, Verdict};
use crate::{
    model::{ids::AccountName, time::Timestamp},
    store::{StoreError, arrivals, checkup, raw::RawMessage},
    web::hooks::read_again,
};

/// A PBX that says nothing for so long has nobody calling, or does not reach us.
const SILENT_MS: i64 = 24 * 3_600_000;
/// A refusal is news for so long.
const NEWS_MS: i64 = 24 * 3_600_000;
/// Messages of one account that are read for its clock.
const READ: usize = 40;
/// An event cannot come before it happens: so much earlier, and the other clock is ahead.
const AHEAD_MS: i64 = 2_000;
/// The quickest of many messages is not so slow: the other clock is behind.
const BEHIND_MS: i64 = 10_000;
/// Times are no use any more.
const USELESS_MS: i64 = 60_000;

pub(super) async fn look(patient: &Patient, now: Timestamp) -> Result<Vec<Finding>, StoreError> {
    let heard = arrivals::last_heard(&patient.db).await?;
    let heard: BTreeMap<String, i64> = heard.into_iter().map(|(name, at, _)| (name, at)).collect();
    let mut found = Vec::new();
    for account in &patient.accounts {
        let name = account.name.as_str();
        let ago = heard
            .get(name)
            .map(|at| now.millis_since(Timestamp::from_micros(*at)));
        found.push(match ago {
            None => Finding::new("account", name, Verdict::Remark, Value::None),
            Some(ms) => {
                let is_silent = ms > SILENT_MS;
                let verdict = if is_silent {
                    Verdict::Remark
                } else {
                    Verdict::Good
                };
                Finding::new("account", name, verdict, Value::AgoMs(ms))
            }
        });
        match &account.link {
            None => {}
            Some(Ok(())) => found.push(Finding::new("link", name, Verdict::Good, Value::None)),
            Some(Err(why)) => {
                let value = Value::Fault(why.clone());
                found.push(Finding::new("link", name, Verdict::Wrong, value));
            }
        }
    }
    for refusal in checkup::refusals(&patient.db).await? {
        let age_ms = now.millis_since(Timestamp::from_micros(refusal.last_at));
        let verdict = if age_ms < NEWS_MS {
            Verdict::Remark
        } else {
            Verdict::Good
        };
        let subject = format!("{}/{}", refusal.account, refusal.reason);
        let value = Value::CountSince(refusal.times, age_ms);
        found.push(Finding::new("refused", &subject, verdict, value));
    }
    found.extend(clocks(patient, now).await?);
    Ok(found)
}

/// Our clock against those of the PBXes and of the database.
async fn clocks(patient: &Patient, now: Timestamp) -> Result<Vec<Finding>, StoreError> {
    let mut found = Vec::new();
    let messages = checkup::latest_messages(&patient.db).await?;
    for account in &patient.accounts {
        let own = messages.iter().filter(|one| one.account == account.name);
        if let Some(skew_ms) = own.take(READ).filter_map(|one| skew(patient, one)).min() {
            found.push(clock(account.name.as_str(), skew_ms));
        }
    }
    if let Some(theirs) = checkup::clock(&patient.db).await? {
        let skew_ms = (now.as_micros() - theirs.as_micros()) / 1_000;
        found.push(clock("database", skew_ms));
    }
    Ok(found)
}

fn clock(subject: &str, skew_ms: i64) -> Finding {
    let verdict = match skew_ms {
        _ if skew_ms.abs() > USELESS_MS => Verdict::Wrong,
        _ if (-AHEAD_MS..=BEHIND_MS).contains(&skew_ms) => Verdict::Good,
        _ => Verdict::Remark,
    };
    Finding::new("clock", subject, verdict, Value::SkewMs(skew_ms))
}

/// By how much a message came after what it tells of; records of the past say nothing about clocks.
fn skew(patient: &Patient, message: &RawMessage) -> Option<i64> {
    if matches!(message.source.as_str(), "history" | "visitor" | "cel") {
        return None;
    }
    let account = patient
        .accounts
        .iter()
        .find(|one| one.name == message.account)?;
    let (decoded, _) = read_again(Some(account.pbx.as_ref()), message);
    let told = decoded.events.iter().filter(|event| event.clock.is_exact());
    let of = |name: &AccountName| *name == message.account;
    let latest = told
        .filter(|event| of(&event.account))
        .map(|event| event.at)
        .max()?;
    Some((message.received_at.as_micros() - latest.as_micros()) / 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_that_differ_are_told_by_how_much() {
        for (skew_ms, verdict) in [
            (0, Verdict::Good),
            (900, Verdict::Good),
            (-1_500, Verdict::Good),
            (-2_500, Verdict::Remark),
            (12_000, Verdict::Remark),
            (-61_000, Verdict::Wrong),
            (3_600_000, Verdict::Wrong),
        ] {
            assert_eq!(clock("office", skew_ms).verdict, verdict, "{skew_ms}");
        }
    }
}
