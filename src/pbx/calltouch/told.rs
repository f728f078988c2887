//! What a webhook, or a record of the log, says of a visit.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;

use super::unconfirmed;
use crate::{
    model::{
        ids::{AccountName, CallKey},
        time::Timestamp,
        visit::{Hints, Visit},
    },
    pbx::{DecodeError, facts::told_at, fields::Fields, numbers::Numbers, wall},
};

/// Longest name and longest value that are believed.
const LONGEST_ID: usize = 128;
const LONGEST_VALUE: usize = 500;
/// Longest call that is believed, in seconds.
const LONGEST_S: i64 = 86_400;
/// Of two tellings that of the end knows more.
pub const BEGUN: i64 = 0;
pub const OVER: i64 = 1;

/// Names under which a visit's data come, and ours. Not kept: the address of the machine, its browser's
/// line, and the link of the recording, which opens it to whoever has it.
const FIELDS: [(&str, &str); 24] = [
    ("attribution", "attribution_model"),
    ("browser", "browser"),
    ("callTags", "tags"),
    ("city", "city"),
    ("clientId", "google_client_id"),
    ("ctCallerId", "caller_id"),
    ("ctClientId", "visitor_id"),
    ("ctGlobalId", "visitor_global_id"),
    ("device", "device"),
    ("hostname", "site"),
    ("keyword", "keyword"),
    ("manager", "manager"),
    ("medium", "medium"),
    ("os", "os"),
    ("ref", "referrer"),
    ("sessionId", "visitor_session_id"),
    ("source", "source"),
    ("subPoolName", "number_pool"),
    ("url", "entrance_page"),
    ("utmCampaign", "utm_campaign"),
    ("utmContent", "utm_content"),
    ("utmMedium", "utm_medium"),
    ("utmSource", "utm_source"),
    ("utmTerm", "utm_term"),
];
/// The same of what is true or false.
const MARKS: [(&str, &str); 3] = [
    ("targetCall", "target_call"),
    ("uniqTargetCall", "unique_target_call"),
    ("uniqueCall", "unique_call"),
];
/// The visitor's id at Yandex, and what this service says where it has nothing to say.
const YANDEX: (&str, &str) = ("yaClientId", "yandex_client_id");
const NOTHING: [&str; 5] = [
    "(not set)",
    "<не указано>",
    "<не заполнено>",
    "null",
    "undefined",
];

/// How one account reads.
pub struct Words {
    pub account: AccountName,
    pub numbers: Numbers,
    /// The clock of the cabinet.
    pub zone: TimeZone,
    /// Accounts whose calls it tells of.
    pub of: Vec<AccountName>,
    /// How far a call may be.
    pub within_ms: i64,
}

impl Words {
    /// Reads the visit of a message or record that arrived now.
    pub fn visit(&self, fields: &Fields, now: Timestamp) -> Result<Visit, DecodeError> {
        let key = id(fields, "callId").ok_or(DecodeError::Field("callId"))?;
        let number = |name| {
            let read = fields.get(name).map(|raw| self.numbers.read(raw));
            read.and_then(|number| number.e164().map(str::to_owned))
        };
        let over = unconfirmed::is_over(fields);
        let names = ["sipCallId", "callReferenceId", "callClientUniqueId"];
        Ok(Visit {
            account: self.account.clone(),
            key: key.to_owned(),
            at: self.at(fields, now),
            client: number("callerNumber"),
            hints: Hints {
                dids: ["phoneNumber", "redirectNumber"]
                    .into_iter()
                    .filter_map(number)
                    .collect(),
                calls: names
                    .into_iter()
                    .filter_map(|name| id(fields, name).map(CallKey::from))
                    .collect(),
                of: self.of.clone(),
                within_ms: self.within_ms,
            },
            stage: if over { OVER } else { BEGUN },
            fields: said(fields),
        })
    }

    /// When the call began: an impossible time is that of the arrival.
    fn at(&self, fields: &Fields, now: Timestamp) -> Timestamp {
        let number = |name: &str| fields.get(name)?.parse::<i64>().ok();
        let stamp = number("timestamp").map(told_at);
        let wall = || {
            let text = fields.get("date")?;
            wall::parsed(text, &self.zone, unconfirmed::DATE)
                .or_else(|| wall::read_iso(text, &self.zone))
        };
        let Some(told) = stamp.or_else(wall).filter(|at| at.is_plausible(now)) else {
            return now;
        };
        let lengths = ["duration", "waitingConnect"].map(|name| number(name).unwrap_or_default());
        let length_s = lengths.into_iter().fold(0, i64::saturating_add);
        match unconfirmed::is_over(fields) && (1..=LONGEST_S).contains(&length_s) {
            true => unconfirmed::started(told, length_s, now),
            false => told,
        }
    }

    /// When the call of a record was over, as far as it says.
    pub fn ended(fields: &Fields, started: Timestamp) -> Timestamp {
        let lengths = ["duration", "waitingConnect"].map(|name| {
            let told = fields.get(name).and_then(|text| text.parse().ok());
            told.filter(|length| (0..=LONGEST_S).contains(length))
                .unwrap_or_default()
        });
        started.plus_millis(1_000 * lengths.iter().sum::<i64>())
    }
}

fn id<'a>(fields: &'a Fields, name: &str) -> Option<&'a str> {
    fields
        .get(name)
        .filter(|id| id.len() <= LONGEST_ID && !is_nothing(id))
}

fn is_nothing(value: &str) -> bool {
    // A parameter that the service does not know comes as it was written in the cabinet.
    NOTHING.contains(&value) || (value.starts_with('{') && value.ends_with('}'))
}

fn said(fields: &Fields) -> BTreeMap<String, String> {
    let value = |name: &str| {
        let told = fields.get(name).filter(|value| !is_nothing(value))?;
        Some(told.chars().take(LONGEST_VALUE).collect::<String>())
    };
    let mut said: BTreeMap<String, String> = FIELDS
        .iter()
        .chain([&YANDEX])
        .filter_map(|(theirs, ours)| Some(((*ours).to_owned(), value(theirs)?)))
        .collect();
    said.extend(MARKS.iter().filter_map(|(theirs, ours)| {
        let yes = unconfirmed::is_yes(&value(theirs)?);
        Some(((*ours).to_owned(), yes.to_string()))
    }));
    said
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{model::phone::NumberingPlan, pbx::Request};

    const NOW: Timestamp = Timestamp::from_seconds(1_773_728_200);

    fn visit(form: &str) -> Result<Visit, DecodeError> {
        let words = Words {
            account: "ads".into(),
            numbers: Numbers::new(NumberingPlan::default()),
            zone: TimeZone::get("Europe/Moscow").unwrap(),
            of: vec!["head-office".into()],
            within_ms: 90_000,
        };
        let request = Request {
            method: "POST".to_owned(),
            path: "/t".to_owned(),
            query: String::new(),
            headers: Vec::new(),
            body: form.to_owned().into(),
            remote: String::new(),
        };
        words.visit(&Fields::read(&request)?, NOW)
    }

    #[test]
    fn a_start_and_an_end_tell_of_one_visit() {
        let told = "callId=41&callerNumber=84950000021&phoneNumber=74950000003&redirectNumber=\
            74950000004&sipCallId=b1%40sip.example&utmSource=larch&utmTerm=&keyword=%28not+set%29";
        let begun = visit(&format!(
            "{told}&callphase=callconnected&timestamp=1773728100"
        ))
        .unwrap();
        let over = visit(&format!(
            "{told}&callphase=calldisconnected&timestamp=1773728199&duration=90&waitingConnect=9\
             &targetCall=True&uniqueCall=false"
        ))
        .unwrap();
        assert_eq!((begun.key.as_str(), over.key.as_str()), ("41", "41"));
        assert_eq!((begun.at, over.at), (begun.at, begun.at));
        assert_eq!((begun.stage, over.stage), (BEGUN, OVER));
        assert_eq!(over.client.as_deref(), Some("+74950000021"));
        assert_eq!(over.hints.dids, ["+74950000003", "+74950000004"]);
        assert_eq!(over.hints.calls, [CallKey::from("b1@sip.example")]);
        assert_eq!(over.hints.of, ["head-office".into()]);
        let fields: Vec<_> = over
            .fields
            .iter()
            .map(|(n, v)| (n.as_str(), v.as_str()))
            .collect();
        assert_eq!(
            fields,
            [
                ("target_call", "true"),
                ("unique_call", "false"),
                ("utm_source", "larch")
            ]
        );
    }

    #[test]
    fn times_come_as_seconds_or_by_the_wall_and_may_be_impossible() {
        let at = |more: &str| visit(&format!("callId=1&{more}")).unwrap().at;
        assert_eq!(
            at("date=17%2F03%2F2026+09%3A15%3A00"),
            Timestamp::from_seconds(1_773_728_100)
        );
        assert_eq!(
            at("date=2026-03-17+09%3A15%3A00"),
            Timestamp::from_seconds(1_773_728_100)
        );
        for wrong in ["timestamp=0", "timestamp=x", "date=17.03", ""] {
            assert_eq!(at(wrong), NOW, "{wrong}");
        }
    }

    #[test]
    fn what_was_not_filled_in_is_nothing() {
        assert_eq!(
            visit("callId=%7BcallId%7D"),
            Err(DecodeError::Field("callId"))
        );
        assert_eq!(
            visit("callerNumber=84950000021"),
            Err(DecodeError::Field("callId"))
        );
        let told = visit("callId=1&callerNumber=anonymous&utmSource=null").unwrap();
        assert_eq!((told.client, told.fields.len()), (None, 0));
    }
}
