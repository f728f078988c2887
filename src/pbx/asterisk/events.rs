//! What events of the manager interface say about calls. Stateless: each block stands for itself.
//!
//! <https://docs.asterisk.org/Asterisk_22_Documentation/API_Documentation/AMI_Events/>.

use super::{
    facts::{Directory, End, Leg, Teller, cause, own_command},
    wire::{Block, seconds},
};
use crate::{
    model::{
        event::{Cause, Clock, Direction, Fact, Party},
        ids::{AccountName, LegKey},
        time::Timestamp,
    },
    pbx::DecodeError,
};

/// ActionID of a list of channels begins so; the PBX's time when it was asked for follows.
pub const CHANNELS: &str = "ringcard/channels/";
/// ActionID of a question for a SIP Call-ID; Uniqueid, a space and Linkedid follow.
pub const SIP_CALL_ID: &str = "ringcard/sip/";
/// ActionIDs of what sends a call on begin so.
pub const SEND_ON: &str = "ringcard/send-on/";
/// ActionID of a click-to-call; our command's id follows.
pub const COMMAND: &str = "ringcard/command/";

/// `ChannelState` of a channel whose phone rings.
const RINGING: &str = "5";
const UP: &str = "6";
/// `ChannelState` of a channel that calls us.
const CALLING: &str = "4";

/// Technology of bridges in which nobody hears anybody: parking, music for those who wait.
pub const HOLDING: &str = "holding_bridge";

/// Technology of bridges for many: whoever is in one is in one call, which Asterisk's own names do not say
/// of a conference.
pub const ROOM: &str = "softmix";

/// What became of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// It told something of a call.
    Facts,
    /// It carries nothing for us; its kind, for counting.
    Nothing(&'static str),
}

/// Reads blocks.
#[derive(Clone, Copy)]
pub struct Reader<'a> {
    /// The account.
    pub account: &'a AccountName,
    /// Who is who.
    pub directory: &'a Directory,
}

impl Reader<'_> {
    /// Puts the facts of one block into `events`, which are empty before.
    pub fn read(
        &self,
        block: &Block<'_>,
        now: Timestamp,
        events: &mut Vec<crate::model::event::CallEvent>,
    ) -> Result<Told, DecodeError> {
        block.check()?;
        let mut say = Say {
            block,
            directory: self.directory,
            tell: Teller {
                account: self.account,
                at: block.time(now),
                clock: Clock::Exact,
                events,
            },
        };
        let told = match block.get("Event") {
            Some(event) => say.event(event),
            None => say.response(),
        };
        match told {
            Ok(Told::Facts) if events.is_empty() => Ok(Told::Nothing("nothing_told")),
            told => told,
        }
    }
}

/// One block being told.
pub(super) struct Say<'a> {
    pub(super) block: &'a Block<'a>,
    pub(super) directory: &'a Directory,
    pub(super) tell: Teller<'a>,
}

impl<'a> Say<'a> {
    fn event(&mut self, event: &str) -> Result<Told, DecodeError> {
        match event.to_ascii_lowercase().as_str() {
            "newchannel" => self.new_channel(),
            "newstate" => self.state(""),
            "dialbegin" => self.dial_begin(),
            "dialstate" => self.dial_state(),
            "dialend" => self.dial_end(),
            "bridgeenter" => self.bridge(Teller::enters),
            "bridgeleave" => self.bridge(Teller::leaves),
            "localbridge" | "localoptimizationbegin" | "localoptimizationend" => self.local(),
            "hold" => self.hold("holds", Fact::Holds),
            "unhold" => self.hold("resumes", Fact::Resumes),
            "blindtransfer" => self.blind_transfer(),
            "attendedtransfer" => self.attended_transfer(),
            "pickup" => self.pickup(),
            "parkedcall" => self.parking("parked", Fact::Parked),
            "unparkedcall" | "parkedcalltimeout" | "parkedcallgiveup" => {
                self.parking("unparked", Fact::Unparked)
            }
            "hanguprequest" => self.hangup_request(),
            "hangup" => self.hangup(),
            "queuecallerjoin" => self.queue(),
            "newexten" => self.application(),
            "varset" => self.variable(),
            "mixmonitormute" => self.recording_muted(),
            "originateresponse" => self.originate_response(),
            "coreshowchannel" => self.live_channel(),
            "cel" => self.log_row(),
            "ringcardlinked" => self.linked(),
            _ => Ok(Told::Nothing("event_without_use")),
        }
    }

    /// The channel of an event; `prefix` names which of several.
    pub(super) fn leg(&self, prefix: &str) -> Option<Leg<'a>> {
        let unique = self.block.of(prefix, "Uniqueid")?;
        Some(Leg {
            unique,
            linked: self.block.of(prefix, "Linkedid").unwrap_or(unique),
            channel: self.block.of(prefix, "Channel").unwrap_or_default(),
        })
    }

    pub(super) fn need(&self, prefix: &str) -> Result<Leg<'a>, DecodeError> {
        self.leg(prefix).ok_or(DecodeError::Field("Uniqueid"))
    }

    fn state_is(&self, prefix: &str, state: &str) -> bool {
        self.block.of(prefix, "ChannelState") == Some(state)
    }

    /// Tells who is at the end of this channel, with the number that the message gives for it.
    pub(super) fn party(&mut self, leg: &Leg<'_>, number: Option<&str>, initiator: bool) {
        if let Some(party) = self.directory.party(leg.channel, number) {
            let with = None;
            self.tell.once(
                leg,
                "leg",
                Fact::Leg {
                    party,
                    with,
                    initiator,
                },
            );
        }
    }

    fn new_channel(&mut self) -> Result<Told, DecodeError> {
        let leg = self.need("")?;
        let calls_us = self.state_is("", CALLING);
        // A channel that we dial has no number of its own yet; DialBegin tells it.
        let number = calls_us.then(|| self.block.raw("CallerIDNum"));
        let initiator = own_command(leg.unique).is_some_and(|(_, first)| first);
        self.party(&leg, number, initiator);
        self.tell.belongs(&leg);
        if calls_us && leg.unique == leg.linked {
            // Nobody in the PBX has dialled it: it is the beginning of a call.
            self.tell.once(&leg, "dialled", Fact::Dialled { by: None });
            self.incoming(&leg);
        }
        Ok(Told::Facts)
    }

    /// The parties of a call that comes in on a trunk.
    fn incoming(&mut self, leg: &Leg<'_>) {
        if self.directory.end(leg.channel) != End::Trunk {
            return;
        }
        let plan = &self.directory.plan;
        let dialled = self.block.get("Exten").filter(|exten| *exten != "s");
        let parties = Fact::Parties {
            direction: Some(Direction::In),
            client: Some(plan.read(self.block.raw("CallerIDNum"))),
            client_name: self.block.get("CallerIDName").map(visible),
            did: dialled.map(|exten| plan.read(exten)),
        };
        self.tell.of_call(leg, "parties", parties);
    }

    /// Ringing or up, as a channel's state says.
    fn state(&mut self, prefix: &str) -> Result<Told, DecodeError> {
        let leg = self.need(prefix)?;
        if self.directory.end(leg.channel) == End::Helper {
            return Ok(Told::Nothing("state_of_helper"));
        }
        match self.block.of(prefix, "ChannelState") {
            Some(RINGING) => self.tell.once(&leg, "rings", Fact::Rings),
            Some(UP) => self.tell.once(&leg, "up", Fact::Up),
            _ => return Ok(Told::Nothing("state_between")),
        }
        Ok(Told::Facts)
    }

    /// A channel is dialled, by another one or (Originate, some transfers) by the PBX itself.
    fn dial_begin(&mut self) -> Result<Told, DecodeError> {
        let leg = self.need("Dest")?;
        let caller = self.leg("");
        let by = caller.map(|caller| LegKey::from(caller.unique));
        let asked_for_by_us = caller
            .and_then(|caller| own_command(caller.unique))
            .is_some_and(|(_, first)| !first);
        // Without a caller and with a call of its own it was originated: this phone rings first.
        let initiator = asked_for_by_us || caller.is_none() && leg.unique == leg.linked;
        if let Some(party) = self.dialled_party(&leg) {
            let with = None;
            self.tell.once(
                &leg,
                "leg",
                Fact::Leg {
                    party,
                    with,
                    initiator,
                },
            );
        }
        self.tell.once(&leg, "dialled", Fact::Dialled { by });
        self.tell.belongs(&leg);
        if let Some(caller) = caller {
            self.party(&caller, None, false);
            self.tell.belongs(&caller);
        }
        if self.state_is("Dest", RINGING) {
            self.state("Dest")?;
        }
        Ok(Told::Facts)
    }

    fn dialled_party(&self, leg: &Leg<'_>) -> Option<Party> {
        let dialled = || {
            let text = self.block.get("DialString")?;
            self.directory.dialled(text)
        };
        match self.directory.end(leg.channel) {
            End::Trunk => {
                let told = || {
                    Some(
                        self.directory
                            .plan
                            .read(self.block.of("Dest", "CallerIDNum")?),
                    )
                };
                dialled().or_else(told).map(Party::Client)
            }
            _ => self.directory.party(leg.channel, None),
        }
    }

    fn dial_state(&mut self) -> Result<Told, DecodeError> {
        let leg = self.need("Dest")?;
        if self.block.get("DialStatus") != Some("RINGING")
            || self.directory.end(leg.channel) == End::Helper
        {
            return Ok(Told::Nothing("dial_state_between"));
        }
        self.tell.once(&leg, "rings", Fact::Rings);
        Ok(Told::Facts)
    }

    /// Why an unanswered dial ended is said better by the channel's Hangup.
    fn dial_end(&mut self) -> Result<Told, DecodeError> {
        let leg = self.need("Dest")?;
        if self.block.get("DialStatus") != Some("ANSWER")
            || self.directory.end(leg.channel) == End::Helper
        {
            return Ok(Told::Nothing("dial_end_unanswered"));
        }
        self.tell.once(&leg, "up", Fact::Up);
        Ok(Told::Facts)
    }

    fn bridge(&mut self, tell: fn(&mut Teller<'a>, &Leg<'_>, &str)) -> Result<Told, DecodeError> {
        let leg = self.need("")?;
        let bridge = self.block.get("BridgeUniqueid");
        let bridge = bridge.ok_or(DecodeError::Field("BridgeUniqueid"))?;
        self.tell.belongs(&leg);
        match self.block.get("BridgeTechnology") {
            Some(HOLDING) => return Ok(Told::Facts),
            Some(ROOM) => self.tell.same_call(leg.linked, bridge),
            _ => {}
        }
        tell(&mut self.tell, &leg, bridge);
        Ok(Told::Facts)
    }

    fn hold(&mut self, what: &str, fact: Fact) -> Result<Told, DecodeError> {
        let leg = self.need("")?;
        self.tell.again(&leg, what, fact);
        Ok(Told::Facts)
    }

    /// The device at this channel hangs up; the end itself follows at once.
    fn hangup_request(&mut self) -> Result<Told, DecodeError> {
        let leg = self.need("")?;
        let Some(side) = self.directory.side(leg.channel) else {
            return Ok(Told::Nothing("hangup_of_helper"));
        };
        let cause = self.cause("");
        self.tell.once(
            &leg,
            "hung-up-by",
            Fact::Ends {
                cause,
                by: Some(side),
            },
        );
        Ok(Told::Facts)
    }

    fn hangup(&mut self) -> Result<Told, DecodeError> {
        let leg = self.need("")?;
        let cause = self.cause("");
        self.tell.belongs(&leg);
        self.tell.once(&leg, "ends", Fact::Ends { cause, by: None });
        Ok(Told::Facts)
    }

    fn cause(&self, prefix: &str) -> Cause {
        let code = self.block.get("Cause").and_then(|code| code.parse().ok());
        // A channel that was neither up nor ringing tells nothing by going without a cause.
        let rang = match self.block.of(prefix, "ChannelState") {
            Some(RINGING) => Some(true),
            Some(UP) => Some(false),
            _ => None,
        };
        cause(code, self.block.get("TechCause"), rang)
    }

    fn queue(&mut self) -> Result<Told, DecodeError> {
        let leg = self.need("")?;
        let queue = self.block.get("Queue").ok_or(DecodeError::Field("Queue"))?;
        self.tell.runs(&leg, Party::Queue(queue.to_owned()));
        Ok(Told::Facts)
    }

    /// The dialplan runs an application: only machines that talk to people matter.
    fn application(&mut self) -> Result<Told, DecodeError> {
        let leg = self.need("")?;
        let application = self.block.get("Application").unwrap_or_default();
        match machine(application, self.block.raw("AppData")) {
            Some(what) => {
                self.tell.runs(&leg, what);
                Ok(Told::Facts)
            }
            None => Ok(Told::Nothing("application_without_use")),
        }
    }

    fn variable(&mut self) -> Result<Told, DecodeError> {
        if self.block.get("Variable") == Some("RINGCARD_CONSENT") {
            return self.consent();
        }
        if self.block.get("Variable") != Some("MIXMONITOR_FILENAME") {
            return Ok(Told::Nothing("variable_without_use"));
        }
        let Some(file) = self.block.get("Value") else {
            return Ok(Told::Nothing("variable_without_use"));
        };
        let leg = self.need("")?;
        self.tell.records(&leg, self.directory.recording(file));
        Ok(Told::Facts)
    }

    fn originate_response(&mut self) -> Result<Told, DecodeError> {
        let Some(command) = self
            .block
            .get("ActionID")
            .and_then(|id| id.strip_prefix(COMMAND))
        else {
            return Ok(Told::Nothing("originate_of_others"));
        };
        let unique = format!("{}{command}", super::facts::OWN);
        let leg = Leg {
            unique: &unique,
            linked: &unique,
            channel: "",
        };
        let fact = Fact::CommandResult {
            command: command.to_owned(),
            ok: self.block.get("Response") == Some("Success"),
            detail: self.block.get("Reason").unwrap_or_default().to_owned(),
        };
        self.tell.of_call(&leg, "command", fact);
        self.tell.belongs(&leg);
        Ok(Told::Facts)
    }

    /// One channel of the list that we ask for after every login.
    fn live_channel(&mut self) -> Result<Told, DecodeError> {
        let asked_at = self
            .block
            .get("ActionID")
            .and_then(|id| id.strip_prefix(CHANNELS));
        let now = self.tell.at;
        self.tell.clock = Clock::NoLaterThan;
        self.tell.at = asked_at
            .and_then(seconds)
            .filter(|at| at.is_plausible(now))
            .unwrap_or(now);
        let leg = self.need("")?;
        let initiator = own_command(leg.unique).is_some_and(|(_, first)| first);
        self.party(&leg, self.block.get("CallerIDNum"), initiator);
        self.tell.belongs(&leg);
        self.tell.once(&leg, "alive", Fact::Dialled { by: None });
        if leg.unique == leg.linked && self.directory.end(leg.channel) == End::Trunk {
            // Whatever its dialplan has done since, it began the call.
            let parties = Fact::Parties {
                direction: Some(Direction::In),
                client: self
                    .block
                    .get("CallerIDNum")
                    .map(|number| self.directory.plan.read(number)),
                client_name: None,
                did: None,
            };
            self.tell.of_call(&leg, "parties", parties);
        }
        self.state("")?;
        if let Some(bridge) = self.block.get("BridgeId") {
            let fact = Fact::Enters {
                bridge: bridge.to_owned(),
            };
            self.tell.once(&leg, &format!("enters/{bridge}/seen"), fact);
        }
        Ok(Told::Facts)
    }

    /// The event log told live (`cel.conf`, `[manager]`): it alone says when the last channel is gone.
    fn log_row(&mut self) -> Result<Told, DecodeError> {
        if self.block.get("EventName") != Some("LINKEDID_END") {
            return Ok(Told::Nothing("log_row"));
        }
        let leg = self.need("")?;
        self.tell
            .of_call(&leg, &over(leg.linked), Fact::Over { by: None });
        Ok(Told::Facts)
    }

    /// The only response that tells of a call: the SIP Call-ID of a channel.
    fn response(&mut self) -> Result<Told, DecodeError> {
        let about = self
            .block
            .get("ActionID")
            .and_then(|id| id.strip_prefix(SIP_CALL_ID));
        let Some((unique, linked)) = about.and_then(|about| about.split_once(' ')) else {
            return Ok(Told::Nothing("response"));
        };
        let Some(value) = self.block.get("Value").filter(|value| *value != "(null)") else {
            return Ok(Told::Nothing("channel_gone"));
        };
        let leg = Leg {
            unique,
            linked,
            channel: "",
        };
        let sip_call_id = value.to_owned();
        self.tell.once(&leg, "sip", Fact::SipCallId { sip_call_id });
        Ok(Told::Facts)
    }
}

/// Name of the fact that a call's last channel is gone.
pub fn over(linked: &str) -> String {
    format!("over/{linked}")
}

/// The machine behind a dialplan application.
pub fn machine(application: &str, data: &str) -> Option<Party> {
    let first = || data.split(',').next().unwrap_or_default().to_owned();
    Some(match application.to_ascii_lowercase().as_str() {
        "voicemail" | "minivmrecord" => Party::Voicemail,
        "background" | "read" | "ivrdemo" => Party::Menu,
        "confbridge" | "meetme" => Party::Conference(first()),
        "queue" => Party::Queue(first()),
        _ => return None,
    })
}

/// A caller's name without control characters and of a bearable length.
pub fn visible(name: &str) -> String {
    const LONGEST: usize = 128;
    name.chars()
        .filter(|letter| !letter.is_control())
        .take(LONGEST)
        .collect()
}
