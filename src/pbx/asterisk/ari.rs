//! The REST interface (ARI) as another way of hearing the same Asterisk: events come over a WebSocket, our
//! questions go over it, and calls stay in the dialplan (no Stasis). Either side may have dialled: we do
//! by default, Asterisk 22 can (`type = outbound_websocket`).
//!
//! Nothing a call's facts depend on is kept here: a decoder made in the middle of a connection tells
//! the same. What is not told by ARI at all stands in `deploy/asterisk/README.md`.

mod asking;
mod socket;
#[cfg(test)]
mod tests;
mod words;

use std::{collections::HashMap, sync::Arc};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;

pub use self::{asking::click_to_call, socket::Side};
use self::{
    asking::{Question, variable},
    socket::{Heard, Socket},
    words::{
        Bridge, Channel, Endpoint, LINKED, LINKED_VARIABLE, LISTED, Listed, TIE, Told, moment,
    },
};
use super::{
    Account,
    events::{HOLDING, Told as Meant},
    session::{PING_EVERY_MS, READY, dead},
    states,
    wire::Block,
};
use crate::{
    model::{ids::LegKey, time::Timestamp},
    pbx::{Alive, DecodeError, Decoded, Decoder, Fault, Input, Message, PbxError},
};

const CLOCK: &str = "ringcard/clock";
const INFO: &str = "ringcard/info";
const BRIDGES: &str = "ringcard/bridges";
const LIST: &str = "ringcard/list";
const PHONES: &str = "ringcard/phones";
/// How long the first answer may take: an Asterisk without REST over WebSocket never gives it.
const FIRST_ANSWER_MS: i64 = 10_000;
/// What takes questions over a WebSocket.
const SPOKEN_SINCE: &str = "Asterisk 20.14, 22.4";
/// Note: channels come without the name of their call, so it has to be asked for.
const NO_LINKED: &str = "missing_right_channelvars";

/// The decoder of a connection.
pub struct Session {
    account: Arc<Account>,
    socket: Socket,
    /// Asterisk has been asked the first question.
    has_begun: bool,
    /// The PBX has answered: whatever is needed for hearing it is there.
    is_ready: bool,
    /// When the lists were asked for, in the PBX's words.
    asked_at: String,
    booted_at: Option<Timestamp>,
    /// Bridges of the list that is being told, by channel.
    bridges: HashMap<String, Bridge>,
    /// Has been said once.
    said_no_linked: bool,
}

impl Session {
    /// A decoder of this account.
    pub fn new(account: Arc<Account>) -> Self {
        Self {
            socket: Socket::open(account.side()),
            account,
            has_begun: true,
            is_ready: false,
            asked_at: String::new(),
            booted_at: None,
            bridges: HashMap::new(),
            said_no_linked: false,
        }
    }

    fn opened(&mut self, now: Timestamp, out: &mut Decoded) -> Result<(), DecodeError> {
        *self = Self::new(Arc::clone(&self.account));
        self.account.commands.disconnected();
        out.wake_at = Some(now.plus_millis(FIRST_ANSWER_MS));
        self.has_begun = false;
        self.socket = match self.account.side() {
            Side::IsDialled => Socket::listen(self.login()),
            Side::Dials => Socket::dial(&self.url(), &self.login())?,
        };
        self.heard(now, out)
    }

    fn url(&self) -> String {
        let (address, application) = (&self.account.settings.address, self.account.application());
        format!("ws://{address}/ari/events?app={application}&subscribeAll=true")
    }

    /// What the side that dials shows.
    fn login(&self) -> String {
        let settings = &self.account.settings;
        let login = STANDARD.encode(format!("{}:{}", settings.user, settings.secret));
        format!("Basic {login}")
    }

    /// Everything that has come.
    fn heard(&mut self, now: Timestamp, out: &mut Decoded) -> Result<(), DecodeError> {
        while let Some(heard) = self.socket.next(&mut out.send)? {
            match heard {
                // Asterisk 22.10 loses what follows a handshake of its own at once, and speaks first.
                Heard::Met if self.account.side() == Side::IsDialled => {}
                Heard::Met => self.begin(out),
                Heard::Text(raw) => {
                    self.begin(out);
                    self.message(&raw, now, out)?;
                }
                Heard::Close => {
                    return Err(DecodeError::Down(Fault::Closed));
                }
            }
        }
        Ok(())
    }

    /// Asks the first question, once: what comes before its answer is heard all the same.
    fn begin(&mut self, out: &mut Decoded) {
        if !std::mem::replace(&mut self.has_begun, true) {
            self.ask(Question::get(CLOCK, "asterisk/ping").text(), out);
        }
    }

    fn message(
        &mut self,
        raw: &Bytes,
        now: Timestamp,
        out: &mut Decoded,
    ) -> Result<(), DecodeError> {
        let told = match words::read(raw) {
            Ok(told) => told,
            Err(error) => {
                out.messages.push(dead(raw.clone(), error));
                return Ok(());
            }
        };
        self.tell(raw.clone(), &told, now, out);
        self.manage(&told, now, out)
    }

    /// What one message says of calls and phones.
    fn tell(&self, raw: Bytes, told: &Told, now: Timestamp, out: &mut Decoded) {
        let device = told.device();
        let device = device.and_then(|words| self.device(&words));
        out.devices.extend(device);
        let mut events = Vec::new();
        match self.facts(told, now, &mut events) {
            Err(error) => out.messages.push(dead(raw, error)),
            Ok(Meant::Nothing(kind)) => out.ignored.push(kind),
            Ok(Meant::Facts) => out.messages.push(Message {
                raw,
                events,
                error: None,
            }),
        }
    }

    fn device(&self, words: &str) -> Option<crate::model::device::DeviceNews> {
        states::news(&Block::new(words.as_bytes()), &self.account.directory)
    }

    fn facts(
        &self,
        told: &Told,
        now: Timestamp,
        events: &mut Vec<crate::model::event::CallEvent>,
    ) -> Result<Meant, DecodeError> {
        let mut meant = Meant::Nothing("event_without_use");
        for block in told.blocks() {
            let mut more = Vec::new();
            let reader = self.account.reader();
            let of_block = reader.read(&Block::new(block.as_bytes()), now, &mut more)?;
            events.append(&mut more);
            if meant != Meant::Facts {
                meant = of_block;
            }
        }
        Ok(meant)
    }

    /// What the connection itself needs; calls are told elsewhere.
    fn manage(
        &mut self,
        told: &Told,
        now: Timestamp,
        out: &mut Decoded,
    ) -> Result<(), DecodeError> {
        match told.kind.as_str() {
            "RESTResponse" => self.answered(told, now, out),
            "ChannelCreated" | "ChannelEnteredBridge" => {
                if let Some(channel) = &told.channel {
                    self.ask_about(channel, told.kind == "ChannelCreated", out);
                }
                Ok(())
            }
            "ApplicationReplaced" => Err(DecodeError::Down(Fault::Replaced)),
            _ => Ok(()),
        }
    }

    /// What is not told of a channel and must be known.
    fn ask_about(&mut self, channel: &Channel, is_new: bool, out: &mut Decoded) {
        if channel.linked().is_none() {
            if !std::mem::replace(&mut self.said_no_linked, true) {
                out.notes.push(NO_LINKED);
            }
            let id = format!("{LINKED}{}", channel.id);
            self.ask(variable(&id, &channel.id, LINKED_VARIABLE), out);
        }
        if is_new && channel.is_second_half() {
            let linked = channel.linked().unwrap_or(&channel.id);
            let id = format!("{TIE}{} {linked}", channel.id);
            let first = format!("{}1", channel.name.trim_end_matches('2'));
            self.ask(variable(&id, &first, "CHANNEL(uniqueid)"), out);
        }
    }

    fn answered(
        &mut self,
        told: &Told,
        now: Timestamp,
        out: &mut Decoded,
    ) -> Result<(), DecodeError> {
        match told.transaction_id.as_str() {
            CLOCK => {
                if !told.is_good() {
                    return Err(refused(&told.why_not()));
                }
                let pong: Pong = body(told).unwrap_or_default();
                self.asked_at = pong.timestamp;
                self.is_ready = true;
                self.account.commands.connected();
                out.notes.push(READY);
                out.wake_at = Some(now.plus_millis(PING_EVERY_MS));
                let info = Question::get(INFO, "asterisk/info").with("only", "status");
                self.ask(info.text(), out);
                for (id, list) in [
                    (BRIDGES, "bridges"),
                    (LIST, "channels"),
                    (PHONES, "endpoints"),
                ] {
                    self.ask(Question::get(id, list).text(), out);
                }
            }
            INFO => {
                let info: Info = body(told).unwrap_or_default();
                self.booted_at = moment(&info.status.startup_time);
            }
            BRIDGES => {
                let bridges: Vec<Bridge> = body(told).unwrap_or_default();
                for bridge in bridges.iter().filter(|bridge| bridge.technology != HOLDING) {
                    let of = bridge.channels.iter();
                    self.bridges
                        .extend(of.map(|channel| (channel.clone(), bridge.clone())));
                }
            }
            LIST => return self.list(told, now, out),
            PHONES => {
                let endpoints: Vec<Endpoint> = body(told).unwrap_or_default();
                let news = endpoints
                    .iter()
                    .filter_map(|of| self.device(&of.as_device()));
                out.devices.extend(news);
            }
            id => {
                let answer = match told.is_good() {
                    true => Ok(String::new()),
                    false => Err(PbxError::Refused(told.why_not())),
                };
                self.account.commands.answered(id, answer);
            }
        }
        Ok(())
    }

    /// Every channel that lives.
    fn list(&mut self, told: &Told, now: Timestamp, out: &mut Decoded) -> Result<(), DecodeError> {
        let channels: Option<Vec<Channel>> = body(told);
        let channels = channels.ok_or_else(|| refused(&told.why_not()))?;
        for channel in &channels {
            let listed = Listed {
                kind: LISTED,
                timestamp: &self.asked_at,
                channel,
                bridge: self.bridges.get(&channel.id),
            };
            let raw = serde_json::to_vec(&listed).expect("texts in a struct always make JSON");
            let told = words::read(&raw)?;
            self.tell(raw.into(), &told, now, out);
            self.ask_about(channel, true, out);
        }
        self.bridges.clear();
        out.alive = Some(Alive {
            legs: channels
                .iter()
                .map(|channel| LegKey::from(channel.id.as_str()))
                .collect(),
            at: moment(&self.asked_at)
                .filter(|at| at.is_plausible(now))
                .unwrap_or(now),
            booted_at: self.booted_at,
        });
        Ok(())
    }

    fn ask(&self, question: String, out: &mut Decoded) {
        out.send.extend(self.account.side().text(&question));
    }
}

impl Decoder for Session {
    fn feed(
        &mut self,
        input: Input<'_>,
        now: Timestamp,
        out: &mut Decoded,
    ) -> Result<(), DecodeError> {
        match input {
            Input::Opened => return self.opened(now, out),
            Input::Bytes(bytes) => {
                self.socket.push(bytes);
                return self.heard(now, out);
            }
            Input::Message(raw) => {
                let told = words::read(raw)?;
                if let Meant::Nothing(kind) = self.facts(&told, now, &mut out.events)? {
                    out.ignored.push(kind);
                }
            }
            // Nobody has shown that a WebSocket is spoken there at all. Asterisk 22.10 was seen to answer
            // none any more after one had broken (deploy/asterisk/README.md).
            Input::Timer if !self.has_begun => {
                return Err(DecodeError::Down(match self.account.side() {
                    Side::Dials => Fault::Hung,
                    Side::IsDialled => Fault::Late,
                }));
            }
            Input::Timer if !self.is_ready => {
                return Err(DecodeError::Down(Fault::Mute(SPOKEN_SINCE)));
            }
            Input::Timer => {
                out.send.extend(self.account.side().ping());
                out.wake_at = Some(now.plus_millis(PING_EVERY_MS));
            }
            Input::Closed => self.account.commands.disconnected(),
            Input::Records(raw) => return self.account.records(raw, now, out),
            Input::Request(request) => return self.account.question(request, now, out),
        }
        Ok(())
    }
}

/// What an answer carries, if it is what was asked for.
fn body<T: serde::de::DeserializeOwned>(told: &Told) -> Option<T> {
    told.is_good()
        .then(|| serde_json::from_str(&told.message_body).ok())?
}

#[derive(Default, serde::Deserialize)]
#[serde(default)]
struct Pong {
    timestamp: String,
}

#[derive(Default, serde::Deserialize)]
#[serde(default)]
struct Info {
    status: Status,
}

#[derive(Default, serde::Deserialize)]
#[serde(default)]
struct Status {
    startup_time: String,
}

fn refused(why: &str) -> DecodeError {
    DecodeError::Down(Fault::Refused(why.to_owned()))
}
