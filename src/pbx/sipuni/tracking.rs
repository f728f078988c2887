//! Visitor data of Sipuni's call-tracking service: who dialled which number, and from which page of the site.
//! It names no call and tells no time, so it is a visit beside the calls, joined by caller, line and time.

use std::collections::BTreeMap;

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::{
    model::{
        ids::AccountName,
        phone::NumberingPlan,
        time::Timestamp,
        visit::{Hints, Visit, WITHIN_MS},
    },
    pbx::{DecodeError, fields::from_json, form},
};

/// Longest value that is kept.
const LONGEST: usize = 500;
/// What is told again within so long is the same visit: the webhook is repeated at once. A client who calls
/// again is a visit of the next call.
const SAME_S: i64 = 30;

/// Fields, and our names.
const FIELDS: [(&str, &str); 3] = [
    ("ua_client_id", "google_client_id"),
    ("visitor_source", "referrer"),
    ("visitor_target", "entrance_page"),
];
/// Marks of advertising in the address of the page.
const MARKS: [&str; 7] = [
    "gclid",
    "utm_campaign",
    "utm_content",
    "utm_medium",
    "utm_source",
    "utm_term",
    "yclid",
];

/// Reads `{ua_client_id, number, visitor_source, visitor_target, source_id}`: `number` was dialled by
/// `source_id`.
pub fn visit(
    account: &AccountName,
    plan: &NumberingPlan,
    body: &[u8],
    now: Timestamp,
) -> Result<Visit, DecodeError> {
    let said: Value = from_json(body)?;
    let text = |field: &str| match &said[field] {
        Value::String(text) => Some(text.trim().to_owned()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    let number = |field: &'static str| {
        let told = text(field).ok_or(DecodeError::Field(field))?;
        Ok(plan.read(&told).e164().map(str::to_owned))
    };
    let (did, client) = (number("number")?, number("source_id")?);
    let mut fields = BTreeMap::new();
    let mut keep = |name: &str, value: &str| {
        let value: String = value.trim().chars().take(LONGEST).collect();
        if !value.is_empty() {
            fields.insert(name.to_owned(), value);
        }
    };
    for (theirs, own) in FIELDS {
        keep(own, &text(theirs).unwrap_or_default());
    }
    let page = text("visitor_target").unwrap_or_default();
    let page = page.split('#').next().unwrap_or_default();
    if let Some((_, query)) = page.split_once('?') {
        // An address that cannot be read tells no marks; the rest is still true.
        for (name, value) in form::texts(query.as_bytes()).unwrap_or_default() {
            if MARKS.contains(&name.as_str()) {
                keep(&name, &value);
            }
        }
    }
    Ok(Visit {
        account: account.clone(),
        key: key(&[&did, &client], &fields, now),
        at: now,
        client,
        hints: Hints {
            dids: did.into_iter().collect(),
            of: vec![account.clone()],
            within_ms: WITHIN_MS,
            ..Hints::default()
        },
        stage: 0,
        fields,
    })
}

/// A name, since the service gives none: what was told, and when about.
fn key(numbers: &[&Option<String>], fields: &BTreeMap<String, String>, now: Timestamp) -> String {
    let mut hash = Sha256::new();
    let told = numbers.iter().map(|number| number.as_deref());
    let told = told.chain(
        fields
            .iter()
            .flat_map(|(name, value)| [Some(name.as_str()), Some(value)]),
    );
    for part in told {
        hash.update(part.unwrap_or_default());
        hash.update([0]);
    }
    let when = now.as_seconds().div_euclid(SAME_S);
    format!("{when}/{}", hex::encode(&hash.finalize()[..8]))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_775_458_800);

    fn read(body: &str, now: Timestamp) -> Result<Visit, DecodeError> {
        visit(
            &"lossy".into(),
            &NumberingPlan::default(),
            body.as_bytes(),
            now,
        )
    }

    #[test]
    fn the_page_of_the_site_says_which_advertisement_it_was() {
        let told = r#"{"ua_client_id": 77.88, "number": 74950000003, "source_id": "74950000021",
            "visitor_source": "https://search.example/", "visitor_target":
            "https://larch.example/?utm_source=Larch&utm_term=oak+desk&page=2&yclid=#utm_medium=x"}"#;
        let visit = read(told, NOW).unwrap();
        assert_eq!(visit.client.as_deref(), Some("+74950000021"));
        assert_eq!(visit.hints.dids, ["+74950000003"]);
        assert_eq!(
            (visit.origin().source.as_str(), visit.origin().term.as_str()),
            ("larch", "oak desk")
        );
        let names: Vec<_> = visit.fields.keys().map(String::as_str).collect();
        let wanted = [
            "entrance_page",
            "google_client_id",
            "referrer",
            "utm_source",
            "utm_term",
        ];
        assert_eq!(names, wanted);
        assert_eq!(visit.origin().medium, "");
        assert_eq!(visit.hints.of, [AccountName::from("lossy")]);
        // Told again it is the same visit; a client who calls again is another one.
        assert_eq!(read(told, NOW.plus_millis(1_000)).unwrap().key, visit.key);
        for later_ms in [60_000, 300_000, 86_400_000] {
            let again = read(told, NOW.plus_millis(later_ms)).unwrap();
            assert_ne!(again.key, visit.key, "{later_ms}");
        }
        let other = told.replace("0021", "0022");
        assert_ne!(read(&other, NOW).unwrap().key, visit.key);
    }

    #[test]
    fn without_numbers_it_is_nothing() {
        for broken in [
            "",
            "{",
            "{}",
            "[1]",
            r#"{"number": "7", "source_id": null}"#,
        ] {
            assert!(read(broken, NOW).is_err(), "{broken}");
        }
        let withheld =
            r#"{"number": "74950000003", "source_id": "anonymous", "visitor_target": "?%zz"}"#;
        let visit = read(withheld, NOW).unwrap();
        assert_eq!((visit.client, visit.fields.len()), (None, 1));
    }
}
