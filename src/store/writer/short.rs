//! A call as column `derived` holds it: the JSON of [`Call`] without what is not known or empty, which
//! reading fills in again. It is written with every event, and should be short.

use serde::{Serialize, Serializer, ser::SerializeMap};

use crate::model::call::Call;

pub(super) struct Short<'a>(pub(super) &'a Call);

impl Serialize for Short<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Named one by one, so that a new field is not forgotten.
        let Call {
            direction,
            phase,
            result,
            ended,
            hangup_by,
            client,
            client_name,
            did,
            started_at,
            rang_at,
            answered_at,
            ended_at,
            wait_ms,
            ring_ms,
            talk_ms,
            hold_ms,
            answered_by,
            legs,
            transfers,
            recordings,
            consent,
            recording_pauses,
            ringing,
            talking,
            route_reason,
            digits,
            tracking,
            heard_at,
            silent,
        } = self.0;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("phase", phase)?;
        map.serialize_entry("started_at", started_at)?;
        map.serialize_entry("heard_at", heard_at)?;
        macro_rules! known {
            ($($field:ident)*) => {
                $(if let Some(known) = $field {
                    map.serialize_entry(stringify!($field), known)?;
                })*
            };
        }
        macro_rules! filled {
            ($($field:ident)*) => {
                $(if !$field.is_empty() {
                    map.serialize_entry(stringify!($field), $field)?;
                })*
            };
        }
        known!(direction result ended hangup_by client client_name did rang_at answered_at ended_at);
        known!(wait_ms ring_ms talk_ms hold_ms answered_by route_reason consent);
        filled!(legs transfers recordings recording_pauses ringing talking digits tracking);
        if *silent {
            map.serialize_entry("silent", silent)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{
        call::{CallResult, Ended, Leg, Phase, RecordingNews, RecordingPause, Transfer},
        event::{ConsentSaid, Direction, Party, RecordingStage, Side, TransferKind},
        phone::Number,
        time::Timestamp,
    };

    fn read_back(call: &Call) -> (String, Call) {
        let text = serde_json::to_string(&Short(call)).unwrap();
        let read = serde_json::from_str(&text).unwrap();
        (text, read)
    }

    #[test]
    fn what_is_not_known_is_left_out_and_read_back() {
        let call = Call::default();
        let (text, read) = read_back(&call);
        assert_eq!(read, call);
        assert_eq!(text, r#"{"phase":"waiting","started_at":0,"heard_at":0}"#);
    }

    #[test]
    fn a_full_call_is_read_back_whole() {
        let at = Timestamp::from_seconds;
        let number = |e164: &str| Number::E164 {
            e164: e164.to_owned(),
            ext: None,
        };
        let call = Call {
            direction: Some(Direction::In),
            phase: Phase::Ended,
            result: Some(CallResult::Answered),
            ended: Some(Ended::HungUp),
            hangup_by: Some(Side::Client),
            client: Some(number("+74950000011")),
            client_name: Some("Somebody".to_owned()),
            did: Some(number("+74950000001")),
            started_at: at(1),
            rang_at: Some(at(2)),
            answered_at: Some(at(3)),
            ended_at: Some(at(9)),
            wait_ms: Some(2_000),
            ring_ms: Some(1_000),
            talk_ms: Some(6_000),
            hold_ms: Some(0),
            answered_by: Some("201".into()),
            legs: vec![Leg {
                key: "l".into(),
                party: Some(Party::Person("201".into())),
                caller: None,
                rang_at: Some(at(2)),
                answered_at: Some(at(3)),
                ended_at: Some(at(9)),
                result: None,
                initiator: true,
            }],
            transfers: vec![Transfer {
                kind: TransferKind::Blind,
                from: Some("201".into()),
                to: None,
                at: at(5),
            }],
            recordings: vec![RecordingNews {
                recording: "r".to_owned(),
                stage: RecordingStage::Completed,
                source: None,
            }],
            consent: Some(ConsentSaid::Given),
            recording_pauses: vec![RecordingPause {
                from: at(4),
                to: None,
            }],
            ringing: vec!["202".into()],
            talking: vec!["201".into()],
            route_reason: Some("owner".to_owned()),
            digits: "1".to_owned(),
            tracking: vec![("utm_source".to_owned(), "site".to_owned())],
            heard_at: at(9),
            silent: true,
        };
        let (text, read) = read_back(&call);
        assert_eq!(read, call);
        // Rows of earlier versions hold the same with nothing left out.
        let long = serde_json::to_string(&call).unwrap();
        assert_eq!(serde_json::from_str::<Call>(&long).unwrap(), call);
        let keys = |text: &str| match serde_json::from_str(text).unwrap() {
            serde_json::Value::Object(map) => map.len(),
            other => panic!("{other}"),
        };
        assert_eq!(keys(&text), keys(&long));
    }
}
