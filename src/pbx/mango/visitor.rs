//! Who the visitor of the site is to whom a dynamic number was shown (`queries/user_info_by_dct_number`).
//!
//! Events only say that a number is dynamic (`dct`), and the number is soon shown to somebody else: so Mango
//! is asked when the call begins, and what it answers is kept as a record of the call and read like one.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    model::{
        event::{Clock, Fact},
        ids::{AccountName, CallKey},
        time::Timestamp,
    },
    pbx::{DecodeError, Decoded, Message, PbxError, VisitorOf, facts::Facts},
};

/// Where Mango is asked.
pub const PATH: &str = "queries/user_info_by_dct_number/";
/// Longest value that is kept.
const LONGEST: usize = 500;
/// What is not kept: the address of the visitor's machine.
const SECRET: &str = "ip";

/// Where the answer says what, and our names; in the order of ours.
const FIELDS: [(&str, &str); 12] = [
    ("/channel/campaign", "campaign"),
    ("/location/city", "city"),
    ("/device", "device"),
    ("/current_page/url", "entrance_page"),
    ("/ga_cid", "google_client_id"),
    ("/channel/term", "keyword"),
    ("/channel/medium", "medium"),
    ("/rs_cid", "roistat"),
    ("/channel/source", "source"),
    ("/channel/content", "utm_content"),
    ("/uid", "visitor_id"),
    ("/ya_cid", "yandex_client_id"),
];

/// What was answered of one call, as it is journalled.
#[derive(Deserialize, Serialize)]
pub struct Record {
    /// The call.
    visitor_of: CallKey,
    /// When the call was there, in milliseconds.
    at: i64,
    /// The visitor, as Mango says it.
    data: Value,
}

/// Makes a record of an answer; `None`: the number is nobody's any more.
pub fn record(
    account: &AccountName,
    of: &VisitorOf,
    answer: &[u8],
) -> Result<Option<Message>, PbxError> {
    const WRONG: PbxError = PbxError::Unreadable("it is no visitor");
    let mut answer: Value = serde_json::from_slice(answer).map_err(|_| WRONG)?;
    let mut data = match answer.as_object_mut() {
        // One text shows the object within `data`, and an empty one for nobody.
        Some(whole) => whole.remove("data").unwrap_or(Value::Null),
        None => return Err(WRONG),
    };
    match &mut data {
        Value::Object(visitor) => drop(visitor.remove(SECRET)),
        Value::Null => return Ok(None),
        Value::Array(none) if none.is_empty() => return Ok(None),
        _ => return Err(WRONG),
    }
    let record = Record {
        visitor_of: of.call.clone(),
        at: of.at.as_millis(),
        data,
    };
    let mut told = Decoded::default();
    record.tell(account, &mut told);
    if told.events.is_empty() {
        return Ok(None);
    }
    let raw = serde_json::to_vec(&record).map_err(|_| WRONG)?;
    Ok(Some(Message {
        raw: raw.into(),
        events: told.events,
        error: None,
    }))
}

impl Record {
    /// Reads one back; `None`: it is a record of something else.
    pub fn read(json: &str) -> Result<Option<Self>, DecodeError> {
        #[derive(Deserialize)]
        struct Probe {
            visitor_of: Option<serde::de::IgnoredAny>,
        }
        match super::wire::parse::<Probe>(json)?.visitor_of {
            Some(_) => super::wire::parse(json).map(Some),
            None => Ok(None),
        }
    }

    /// The facts of the call.
    pub fn tell(&self, account: &AccountName, out: &mut Decoded) {
        let said = |(place, own): &(&str, &str)| {
            let value = match self.data.pointer(place)? {
                Value::String(text) => text.trim().to_owned(),
                Value::Number(number) => number.to_string(),
                _ => return None,
            };
            let value: String = value.chars().take(LONGEST).collect();
            (!value.is_empty()).then(|| ((*own).to_owned(), value))
        };
        let fields: Vec<(String, String)> = FIELDS.iter().filter_map(said).collect();
        if fields.is_empty() {
            return;
        }
        let mut facts = Facts {
            account,
            call: self.visitor_of.clone(),
            at: Timestamp::from_millis(self.at),
            clock: Clock::Exact,
            out,
        };
        facts.is_so(None, "tracking", Fact::Tracking { fields });
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn asked() -> VisitorOf {
        VisitorOf {
            call: "e1".into(),
            number: "74950000003".to_owned(),
            at: Timestamp::from_seconds(1_775_458_800),
        }
    }

    fn answer(said: &Value) -> Result<Option<Message>, PbxError> {
        record(&"office".into(), &asked(), said.to_string().as_bytes())
    }

    #[test]
    fn a_visitor_is_a_record_of_the_call_and_read_like_one() {
        let said = json!({"result": 1000, "data": {
            "uid": 77, "ip": "192.0.2.7", "ya_cid": "16900",
            "channel": {"source": "larch-ads", "medium": "cpc", "campaign": null, "term": " desk "},
            "location": {"city": "Pskov"}, "device": {"os": "x"},
        }});
        let told = answer(&said).unwrap().unwrap();
        let raw = std::str::from_utf8(&told.raw).unwrap();
        assert!(!raw.contains("192.0.2.7"), "{raw}");
        let mut again = Decoded::default();
        let record = Record::read(raw).unwrap().unwrap();
        record.tell(&"office".into(), &mut again);
        assert_eq!(again.events, told.events);
        let fields = [
            ("city", "Pskov"),
            ("keyword", "desk"),
            ("medium", "cpc"),
            ("source", "larch-ads"),
            ("visitor_id", "77"),
            ("yandex_client_id", "16900"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
        let wanted = Fact::Tracking {
            fields: fields.into(),
        };
        assert_eq!(again.events[0].fact, wanted);
        assert!(FIELDS.is_sorted_by_key(|(_, own)| own));
    }

    #[test]
    fn nobody_is_no_record_and_nonsense_is_said_to_be() {
        for nobody in [json!({}), json!({"data": {}}), json!({"data": []})] {
            assert_eq!(answer(&nobody).unwrap(), None, "{nobody}");
        }
        for wrong in [json!([]), json!("x"), json!({"data": 7})] {
            assert!(
                matches!(answer(&wrong), Err(PbxError::Unreadable(_))),
                "{wrong}"
            );
        }
        assert!(Record::read(r#"{"entry_id": "e1"}"#).unwrap().is_none());
        assert!(Record::read(r#"{"visitor_of": "e1"}"#).is_err());
    }
}
