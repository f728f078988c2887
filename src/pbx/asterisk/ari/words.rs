//! What the REST interface tells, in the words of the manager interface: one PBX, one reader of its
//! events, so the same moment gives the same facts whichever way it was heard.
//!
//! Stateless: each message stands for itself. Documentation: `rest-api/api-docs/events.json` of Asterisk,
//! <https://docs.asterisk.org/Asterisk_22_Documentation/API_Documentation/Asterisk_REST_Interface/>.
//!
//! | Told here | Becomes |
//! |---|---|
//! | a channel | its snapshot; `CHANNEL(linkedid)` of `channelvars` is the Linkedid, `protocol_id` the SIP Call-ID |
//! | `Dial` | DialBegin, DialState or DialEnd, as its status says |
//! | `ChannelDialplan` with Queue | QueueCallerJoin, which has no event of its own here |
//! | a parking lot's bridge | ParkedCall and UnParkedCall, which have none either |
//! | answers to our own questions | LocalBridge, CoreShowChannel, OriginateResponse |

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::{
    model::time::Timestamp,
    pbx::{
        DecodeError,
        asterisk::{
            events::{CHANNELS, COMMAND, HOLDING, SIP_CALL_ID},
            wire::UNKNOWN,
        },
        fields::from_json,
    },
};

/// Of a question for the other half of a Local channel: Uniqueid, a space and Linkedid of the second half
/// follow.
pub const TIE: &str = "ringcard/tie/";
/// Of a question for the Linkedid of a channel: its Uniqueid follows.
pub const LINKED: &str = "ringcard/linked/";
/// The channel variable that names the call.
pub const LINKED_VARIABLE: &str = "CHANNEL(linkedid)";
/// What each channel of the list that we ask for becomes.
pub const LISTED: &str = "ChannelListed";
/// Who makes the bridges of parking lots (res/parking/parking_bridge.c names its class so).
const PARKING: &str = "parking";

/// One message. Whatever kind it is of, it has some of these.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Told {
    #[serde(rename = "type")]
    pub kind: String,
    timestamp: String,
    pub channel: Option<Channel>,
    caller: Option<Channel>,
    peer: Option<Channel>,
    dialstring: String,
    dialstatus: String,
    bridge: Option<Bridge>,
    cause: Option<i64>,
    tech_cause: Option<i64>,
    soft: bool,
    variable: String,
    value: String,
    dialplan_app: String,
    dialplan_app_data: String,
    result: String,
    exten: String,
    transferee: Option<Channel>,
    transferer_first_leg: Option<Channel>,
    transferer_second_leg: Option<Channel>,
    transfer_target: Option<Channel>,
    pub device_state: Option<Device>,
    pub endpoint: Option<Endpoint>,
    pub transaction_id: String,
    pub status_code: u16,
    pub message_body: String,
}

/// A channel as it stands at the moment of a message.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Channel {
    pub id: String,
    pub name: String,
    state: String,
    protocol_id: String,
    caller: Caller,
    dialplan: Place,
    channelvars: HashMap<String, Option<String>>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Caller {
    name: String,
    number: String,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Place {
    context: String,
    exten: String,
}

/// A bridge as it stands at the moment of a message.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Bridge {
    pub id: String,
    pub technology: String,
    bridge_class: String,
    pub channels: Vec<String>,
}

/// A device and how it stands.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Device {
    name: String,
    state: String,
}

/// An endpoint and how it stands.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Endpoint {
    technology: String,
    resource: String,
    state: String,
    channel_ids: Vec<String>,
}

/// One channel of the list, as the journal keeps it: a message that stands for itself.
#[derive(Serialize)]
pub struct Listed<'a> {
    /// [`LISTED`].
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// When the list was asked for, by the PBX's clock.
    pub timestamp: &'a str,
    /// The channel.
    pub channel: &'a Channel,
    /// The bridge it is in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bridge: Option<&'a Bridge>,
}

impl Channel {
    /// The name of its call, if the PBX tells it with every channel.
    pub fn linked(&self) -> Option<&str> {
        let linked = self.channelvars.get(LINKED_VARIABLE)?.as_deref();
        linked.filter(|linked| !linked.is_empty())
    }

    /// The second half of a Local channel, made after the first.
    pub fn is_second_half(&self) -> bool {
        self.name.starts_with("Local/") && self.name.ends_with(";2")
    }
}

/// Reads one message.
pub fn read(raw: &[u8]) -> Result<Told, DecodeError> {
    let told: Told = from_json(raw)?;
    match told.kind.is_empty() {
        true => Err(DecodeError::Field("type")),
        false => Ok(told),
    }
}

/// A moment as the REST interface writes it, `2026-03-17T09:15:00.120+0300`.
pub fn moment(text: &str) -> Option<Timestamp> {
    let (rest, minutes) = text.split_at_checked(text.len().checked_sub(2)?)?;
    Timestamp::parse_rfc3339(text)
        .or_else(|| Timestamp::parse_rfc3339(&format!("{rest}:{minutes}")))
}

/// `seconds.microseconds`, as the manager interface writes a moment.
fn seconds(at: Timestamp) -> String {
    let micros = at.as_micros();
    format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000)
}

/// One block of the manager interface.
#[derive(Default)]
struct Words(String);

impl Words {
    fn event(name: &str) -> Self {
        Self::default().with("Event", name)
    }

    /// Adds a line, which no value can leave.
    fn with(mut self, key: &str, value: &str) -> Self {
        let clean = value.chars().filter(|letter| !letter.is_control());
        self.0.push_str(key);
        self.0.push_str(": ");
        self.0.extend(clean);
        self.0.push_str("\r\n");
        self
    }

    fn with_number(self, key: &str, value: Option<i64>) -> Self {
        match value {
            Some(value) => self.with(key, &value.to_string()),
            None => self,
        }
    }

    /// Adds a channel, every key with this prefix.
    fn with_channel(self, prefix: &str, channel: &Channel) -> Self {
        let known = |text: &str| match text {
            "" => UNKNOWN.to_owned(),
            text => text.to_owned(),
        };
        let key = |name: &str| format!("{prefix}{name}");
        let words = self
            .with(&key("Channel"), &channel.name)
            .with(&key("ChannelState"), state(&channel.state))
            .with(&key("CallerIDNum"), &known(&channel.caller.number))
            .with(&key("CallerIDName"), &known(&channel.caller.name))
            .with(&key("Context"), &channel.dialplan.context)
            .with(&key("Exten"), &channel.dialplan.exten)
            .with(&key("Uniqueid"), &channel.id);
        match channel.linked() {
            Some(linked) => words.with(&key("Linkedid"), linked),
            None => words,
        }
    }

    fn with_some(self, prefix: &str, channel: Option<&Channel>) -> Self {
        match channel {
            Some(channel) => self.with_channel(prefix, channel),
            None => self,
        }
    }

    fn with_bridge(self, bridge: Option<&Bridge>) -> Self {
        match bridge {
            Some(bridge) => self
                .with("BridgeUniqueid", &bridge.id)
                .with("BridgeTechnology", &bridge.technology),
            None => self,
        }
    }
}

impl Told {
    /// The same in blocks of the manager interface; none: it has no use for us.
    pub fn blocks(&self) -> Vec<String> {
        let blocks = match self.kind.as_str() {
            "Dial" => self.dial(),
            "RESTResponse" => self.answer().into_iter().collect(),
            LISTED => self.listed(),
            _ => self.of_channel(),
        };
        let at = moment(&self.timestamp).map(seconds);
        let stamped = blocks.into_iter().map(|words| match &at {
            Some(at) => words.with("Timestamp", at).0,
            None => words.0,
        });
        stamped.collect()
    }

    /// Events with one channel.
    fn of_channel(&self) -> Vec<Words> {
        let event = |name: &str| Words::event(name).with_some("", self.channel.as_ref());
        let told = match self.kind.as_str() {
            "ChannelCreated" => event("Newchannel"),
            "ChannelStateChange" => event("Newstate"),
            "ChannelEnteredBridge" => event("BridgeEnter").with_bridge(self.bridge.as_ref()),
            "ChannelLeftBridge" => event("BridgeLeave").with_bridge(self.bridge.as_ref()),
            "ChannelHold" => event("Hold"),
            "ChannelUnhold" => event("Unhold"),
            "ChannelHangupRequest" if self.soft => event("SoftHangupRequest"),
            "ChannelHangupRequest" => self.caused(event("HangupRequest")),
            "ChannelDestroyed" => self.caused(event("Hangup")),
            "ChannelVarset" => event("VarSet")
                .with("Variable", &self.variable)
                .with("Value", &self.value),
            "ChannelDialplan" => self.application(),
            "BridgeBlindTransfer" => Words::event("BlindTransfer")
                .with("Result", &self.result)
                .with("Extension", &self.exten)
                .with_some("Transferer", self.channel.as_ref())
                .with_some("Transferee", self.transferee.as_ref()),
            "BridgeAttendedTransfer" => Words::event("AttendedTransfer")
                .with("Result", &self.result)
                .with_some("OrigTransferer", self.transferer_first_leg.as_ref())
                .with_some("SecondTransferer", self.transferer_second_leg.as_ref())
                .with_some("Transferee", self.transferee.as_ref())
                .with_some("TransferTarget", self.transfer_target.as_ref()),
            _ => return Vec::new(),
        };
        let mut blocks = vec![told];
        blocks.extend(self.parking());
        blocks.extend(self.sip_call_id());
        blocks
    }

    fn caused(&self, words: Words) -> Words {
        words
            .with_number("Cause", self.cause)
            .with_number("TechCause", self.tech_cause)
    }

    fn application(&self) -> Words {
        let queue = self.dialplan_app.eq_ignore_ascii_case("queue");
        let name = if queue { "QueueCallerJoin" } else { "Newexten" };
        let words = Words::event(name).with_some("", self.channel.as_ref());
        match queue {
            true => words.with(
                "Queue",
                self.dialplan_app_data.split(',').next().unwrap_or(""),
            ),
            false => words
                .with("Application", &self.dialplan_app)
                .with("AppData", &self.dialplan_app_data),
        }
    }

    /// Whoever stands in the bridge of a parking lot is parked.
    fn parking(&self) -> Option<Words> {
        let lot = self.bridge.as_ref().filter(|bridge| {
            bridge.technology == HOLDING && bridge.bridge_class.eq_ignore_ascii_case(PARKING)
        });
        let name = match (lot.is_some(), self.kind.as_str()) {
            (true, "ChannelEnteredBridge") => "ParkedCall",
            (true, "ChannelLeftBridge") => "UnParkedCall",
            _ => return None,
        };
        Some(Words::event(name).with_some("Parkee", self.channel.as_ref()))
    }

    /// A channel is made before it has a dialog, and keeps that as long as it lives.
    fn sip_call_id(&self) -> Option<Words> {
        let tells = matches!(
            self.kind.as_str(),
            "ChannelStateChange" | "ChannelEnteredBridge" | "ChannelDestroyed"
        );
        let channel = self.channel.as_ref().filter(|_| tells)?;
        let is_sip = channel.name.starts_with("PJSIP/") && !channel.protocol_id.is_empty();
        let linked = channel.linked().unwrap_or(&channel.id);
        is_sip.then(|| {
            Words::default()
                .with("Response", "Success")
                .with("ActionID", &format!("{SIP_CALL_ID}{} {linked}", channel.id))
                .with("Value", &channel.protocol_id)
        })
    }

    fn dial(&self) -> Vec<Words> {
        let name = match self.dialstatus.as_str() {
            "" => "DialBegin",
            "RINGING" | "PROGRESS" | "PROCEEDING" => "DialState",
            _ => "DialEnd",
        };
        let words = Words::event(name)
            .with_some("", self.caller.as_ref())
            .with_some("Dest", self.peer.as_ref())
            .with("DialStatus", &self.dialstatus)
            .with("DialString", &self.dialstring);
        vec![words]
    }

    fn listed(&self) -> Vec<Words> {
        let asked_at = moment(&self.timestamp).map(seconds).unwrap_or_default();
        let words = Words::event("CoreShowChannel")
            .with("ActionID", &format!("{CHANNELS}{asked_at}"))
            .with_some("", self.channel.as_ref());
        vec![match &self.bridge {
            Some(bridge) => words.with("BridgeId", &bridge.id),
            None => words,
        }]
    }

    /// What the PBX answers to a question of ours that tells of a call.
    fn answer(&self) -> Option<Words> {
        let id = self.transaction_id.as_str();
        if let Some(command) = id.strip_prefix(COMMAND).filter(|_| !self.is_good()) {
            let words = Words::event("OriginateResponse")
                .with("ActionID", &format!("{COMMAND}{command}"))
                .with("Response", "Failure")
                .with("Reason", &self.why_not());
            return Some(words);
        }
        let value = self.variable()?;
        if let Some((unique, linked)) = id.strip_prefix(TIE).and_then(|id| id.split_once(' ')) {
            let tie = Words::event("LocalBridge")
                .with("LocalOneChannel", "Local/;1")
                .with("LocalOneUniqueid", &value)
                .with("LocalOneLinkedid", linked)
                .with("LocalTwoChannel", "Local/;2")
                .with("LocalTwoUniqueid", unique)
                .with("LocalTwoLinkedid", linked);
            return Some(tie);
        }
        let unique = id.strip_prefix(LINKED)?;
        let words = Words::event("RingcardLinked")
            .with("Uniqueid", unique)
            .with("Linkedid", &value);
        Some(words)
    }

    /// Whether the PBX did what it was asked.
    pub fn is_good(&self) -> bool {
        (200..300).contains(&self.status_code)
    }

    /// The value of the variable that was asked for.
    fn variable(&self) -> Option<String> {
        let answer: Variable = serde_json::from_str(&self.message_body).ok()?;
        Some(answer.value).filter(|value| self.is_good() && !value.is_empty())
    }

    /// Why it did not, in its words.
    pub fn why_not(&self) -> String {
        let said: Refusal = serde_json::from_str(&self.message_body).unwrap_or_default();
        match said.message.is_empty() {
            true => format!("status {}", self.status_code),
            false => said.message,
        }
    }

    /// What it says of a device, as the manager interface says it.
    pub fn device(&self) -> Option<String> {
        if let Some(device) = &self.device_state {
            return Some(device_state(&device.name, &device.state));
        }
        let endpoint = self.endpoint.as_ref();
        endpoint
            .filter(|_| self.kind == "EndpointStateChange")
            .map(Endpoint::as_device)
    }
}

impl Endpoint {
    /// How the device behind it stands.
    pub fn as_device(&self) -> String {
        let name = format!("{}/{}", self.technology, self.resource);
        let state = match (self.state.as_str(), self.channel_ids.is_empty()) {
            ("offline", _) => "UNAVAILABLE",
            ("online", true) => "NOT_INUSE",
            ("online", false) => "INUSE",
            _ => "UNKNOWN",
        };
        device_state(&name, state)
    }
}

fn device_state(name: &str, state: &str) -> String {
    Words::event("DeviceStateChange")
        .with("Device", name)
        .with("State", state)
        .0
}

#[derive(Deserialize)]
struct Variable {
    value: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Refusal {
    message: String,
}

/// asterisk/main/channel.c, `ast_state2str`: the numbers of these words.
fn state(word: &str) -> &'static str {
    match word {
        "Down" => "0",
        "Rsrvd" => "1",
        "OffHook" => "2",
        "Dialing" => "3",
        "Ring" => "4",
        "Ringing" => "5",
        "Up" => "6",
        "Busy" => "7",
        "Dialing Offhook" => "8",
        "Pre-ring" => "9",
        _ => "",
    }
}
