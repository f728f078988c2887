//! One connection to the manager interface: logging in, asking for what is alive, staying awake, and
//! handing every block to the reader of events.
//!
//! Nothing a call's facts depend on is kept here: a decoder made in the middle of a stream that is
//! already logged in tells the same.

use std::sync::Arc;

use bytes::Bytes;
use md5::{Digest, Md5};

use super::{
    Account,
    events::{CHANNELS, SIP_CALL_ID, Told},
    states,
    wire::{Action, Block, Frame, Framer, KEPT_OF_TOO_LONG, LONGEST_BLOCK},
};
use crate::{
    model::{ids::LegKey, time::Timestamp},
    pbx::{Alive, DecodeError, Decoded, Decoder, Fault, Input, Message, PbxError},
};

const CHALLENGE: &str = "ringcard/challenge";
const LOGIN: &str = "ringcard/login";
const CLOCK: &str = "ringcard/clock";
const RIGHTS: &str = "ringcard/rights";
const PING: &str = "ringcard/ping";
/// A sign of life is asked for this often; the connection is given up after three times as long.
pub const PING_EVERY_MS: i64 = 20_000;

/// Note: logged in, events flow.
pub const READY: &str = "ready";

/// Actions we need, and what the note says when the manager user may not use one.
const NEEDED: [(&str, &str); 4] = [
    ("Originate", "missing_right_originate"),
    ("Redirect", "missing_right_call"),
    ("Getvar", "missing_right_call_or_reporting"),
    ("CoreShowChannels", "missing_right_reporting"),
];

/// The decoder of a connection, and of the dialplan's questions.
pub struct Session {
    account: Arc<Account>,
    framer: Framer,
    /// Channels of the list that is being told.
    alive: Vec<LegKey>,
    /// When the PBX has started, as it said at login.
    booted_at: Option<Timestamp>,
}

impl Session {
    /// A decoder of this account.
    pub fn new(account: Arc<Account>) -> Self {
        Self {
            account,
            framer: Framer::default(),
            alive: Vec::new(),
            booted_at: None,
        }
    }

    fn opened(&mut self, now: Timestamp, out: &mut Decoded) {
        self.framer = Framer::default();
        self.alive.clear();
        self.account.commands.disconnected();
        send(
            Action::new("Challenge", CHALLENGE).with("AuthType", "MD5"),
            out,
        );
        out.wake_at = Some(now.plus_millis(PING_EVERY_MS));
    }

    fn frame(
        &mut self,
        frame: Frame,
        now: Timestamp,
        out: &mut Decoded,
    ) -> Result<(), DecodeError> {
        let raw = match frame {
            Frame::Block(raw) => raw,
            Frame::TooLong(raw) => {
                let error = DecodeError::TooLarge {
                    limit: LONGEST_BLOCK,
                };
                out.messages.push(dead(raw, error));
                return Ok(());
            }
        };
        let block = Block::new(&raw);
        let mut events = Vec::new();
        match self.account.reader().read(&block, now, &mut events) {
            Err(error) => out.messages.push(dead(raw.clone(), error)),
            Ok(Told::Nothing(kind)) => out.ignored.push(kind),
            Ok(Told::Facts) => out.messages.push(Message {
                raw: raw.clone(),
                events,
                error: None,
            }),
        }
        self.manage(&block, now, out)
    }

    /// One block that came before; the connection hears nothing of it.
    fn again(&self, raw: &[u8], now: Timestamp, out: &mut Decoded) -> Result<(), DecodeError> {
        // What is exactly so long was cut: half a block says something else than the whole.
        if raw.len() == KEPT_OF_TOO_LONG {
            let limit = LONGEST_BLOCK;
            return Err(DecodeError::TooLarge { limit });
        }
        let told = self
            .account
            .reader()
            .read(&Block::new(raw), now, &mut out.events)?;
        if let Told::Nothing(kind) = told {
            out.ignored.push(kind);
        }
        Ok(())
    }

    /// What the connection itself needs; calls are told elsewhere.
    fn manage(
        &mut self,
        block: &Block<'_>,
        now: Timestamp,
        out: &mut Decoded,
    ) -> Result<(), DecodeError> {
        out.devices
            .extend(states::news(block, &self.account.directory));
        match block.get("Event").unwrap_or_default() {
            "" => return self.response(block, now, out),
            event if event.eq_ignore_ascii_case("FullyBooted") => {
                // The PBX's own time first: what is alive will be alive "no later than" that.
                send(Action::new("Ping", CLOCK), out);
                let uptime = block
                    .get("Uptime")
                    .and_then(|seconds| seconds.parse::<u32>().ok());
                self.booted_at = uptime.map(|s| now.plus_millis(-1_000 * i64::from(s)));
                out.notes.push(READY);
            }
            event if event.eq_ignore_ascii_case("Newchannel") => ask_sip_call_id(block, out),
            event if event.eq_ignore_ascii_case("CoreShowChannel") => {
                self.alive.extend(block.get("Uniqueid").map(LegKey::from));
            }
            event if event.eq_ignore_ascii_case("CoreShowChannelsComplete") => {
                let asked_at = block
                    .get("ActionID")
                    .and_then(|id| super::wire::seconds(id.strip_prefix(CHANNELS)?))
                    .filter(|at| at.is_plausible(now));
                out.alive = Some(Alive {
                    legs: std::mem::take(&mut self.alive),
                    at: asked_at.unwrap_or(now),
                    booted_at: self.booted_at,
                });
            }
            _ => {}
        }
        Ok(())
    }

    fn response(
        &mut self,
        block: &Block<'_>,
        now: Timestamp,
        out: &mut Decoded,
    ) -> Result<(), DecodeError> {
        let id = block.get("ActionID").unwrap_or_default();
        let ok = !block.raw("Response").eq_ignore_ascii_case("Error");
        match id {
            CHALLENGE => match block.get("Challenge") {
                Some(challenge) => self.log_in(challenge, out),
                None => return Err(refused("no challenge")),
            },
            LOGIN if ok => {
                self.account.commands.connected();
                send(Action::new("ListCommands", RIGHTS), out);
            }
            LOGIN => return Err(refused(block.raw("Message"))),
            CLOCK => {
                let at = block.get("Timestamp").and_then(super::wire::seconds);
                let at = at.filter(|at| at.is_plausible(now)).unwrap_or(now);
                let micros = at.as_micros();
                let asked_at =
                    format!("{CHANNELS}{}.{:06}", micros / 1_000_000, micros % 1_000_000);
                send(Action::new("CoreShowChannels", &asked_at), out);
                states::ask_for_all().for_each(|list| send(list, out));
            }
            RIGHTS => out.notes.extend(missing_rights(block)),
            id if id.starts_with(CHANNELS) && !ok => out.notes.push(NEEDED[3].1),
            id => {
                let answer = match ok {
                    true => Ok(block.raw("Value").to_owned()),
                    false => Err(PbxError::Refused(block.raw("Message").to_owned())),
                };
                self.account.commands.answered(id, answer);
            }
        }
        Ok(())
    }

    fn log_in(&self, challenge: &str, out: &mut Decoded) {
        // asterisk/main/manager.c: the key is MD5 of the challenge directly followed by the secret.
        let mut hash = Md5::new();
        hash.update(challenge.as_bytes());
        hash.update(self.account.settings.secret.as_bytes());
        let action = Action::new("Login", LOGIN)
            .with("AuthType", "MD5")
            .with("Username", &self.account.settings.user)
            .with("Key", &hex::encode(hash.finalize()))
            .with("Events", "on");
        send(action, out);
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
            Input::Opened => self.opened(now, out),
            Input::Bytes(bytes) => {
                self.framer.push(bytes);
                while let Some(frame) = self.framer.next_frame() {
                    self.frame(frame, now, out)?;
                }
            }
            Input::Message(raw) => return self.again(raw, now, out),
            Input::Records(raw) => return self.account.records(raw, now, out),
            Input::Timer => {
                send(Action::new("Ping", PING), out);
                out.wake_at = Some(now.plus_millis(PING_EVERY_MS));
            }
            Input::Closed => self.account.commands.disconnected(),
            Input::Request(request) => return self.account.question(request, now, out),
        }
        Ok(())
    }
}

/// Only chan_pjsip can be asked, and the channel must still be there: a question lost is no harm.
fn ask_sip_call_id(block: &Block<'_>, out: &mut Decoded) {
    let (Some(channel), Some(unique)) = (block.get("Channel"), block.get("Uniqueid")) else {
        return;
    };
    if channel.starts_with("PJSIP/") {
        let linked = block.get("Linkedid").unwrap_or(unique);
        let action = Action::new("Getvar", &format!("{SIP_CALL_ID}{unique} {linked}"))
            .with("Channel", channel)
            .with("Variable", "CHANNEL(pjsip,call-id)");
        send(action, out);
    }
}

/// The list of actions this user may use names each in a line of its own.
fn missing_rights<'b>(block: &'b Block<'_>) -> impl Iterator<Item = &'static str> + 'b {
    NEEDED
        .iter()
        .filter(|(action, _)| block.all(action).next().is_none())
        .map(|(_, note)| *note)
}

fn send(action: Action, out: &mut Decoded) {
    out.send.extend(action.bytes());
}

fn refused(why: &str) -> DecodeError {
    DecodeError::Down(Fault::Refused(why.to_owned()))
}

/// A message that could not be understood.
pub fn dead(raw: Bytes, error: DecodeError) -> Message {
    Message {
        raw,
        events: Vec::new(),
        error: Some(error),
    }
}
