//! How channels become legs and parties, and how facts of Asterisk get their identities.
//!
//! A leg is a channel, named by its Uniqueid; a call is named by the Linkedid of its channels. A
//! Linkedid can change in the middle of a call, so every identity begins with the channel alone, and
//! every channel that is not the first of its call tells that its own name is the call's as well
//! ([`Fact::SameCall`]): calls that grow together are joined by the channel that was in both.
//!
//! The same moment is told by events, by the list of channels and by the event log (CEL), with times
//! that differ by a few hundred microseconds. What can happen only once to a channel has its name
//! alone as identity; what can happen again (a bridge entered) has the second in it.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use crate::model::{
    event::{CallEvent, Cause, Clock, Fact, Party, RecordingSource, RecordingStage, Side},
    ids::{AccountName, CallKey, Extension, FactId, LegKey},
    phone::{Number, NumberingPlan},
    time::Timestamp,
};

/// Longest name of an endpoint that is an extension when nobody has said which are trunks.
const SHORT_NUMBER: usize = 6;
/// Uniqueids of channels that we have asked for begin so; the id of our command follows.
pub const OWN: &str = "ringcard-";
/// And the other channel of such a pair ends so.
pub const OWN_PEER: &str = "-peer";

/// Who is who at one PBX.
#[derive(Clone, Debug, Default)]
pub struct Directory {
    /// Endpoints that lead outside; empty: every one that is not named by a short number.
    pub trunks: Vec<String>,
    /// Endpoints whose name is not their extension.
    pub extensions: BTreeMap<String, String>,
    /// How numbers are written.
    pub plan: NumberingPlan,
    /// Where MixMonitor puts files whose name is not absolute.
    pub recordings: PathBuf,
}

/// What stands at the far end of a channel, as its name says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// An employee's phone.
    Phone(Extension),
    /// A line to the world.
    Trunk,
    /// A helper of the PBX.
    Helper,
}

impl Directory {
    /// Reads the name of a channel, `PJSIP/101-0000001f`.
    pub fn end(&self, channel: &str) -> End {
        let Some((technology, rest)) = channel.split_once('/') else {
            return End::Helper;
        };
        // Channels of conferences, announcements and messages belong to nobody.
        const PEOPLE: &[&str] = &[
            "PJSIP",
            "SIP",
            "IAX2",
            "DAHDI",
            "SCCP",
            "OOH323",
            "Motif",
            "WebSocket",
        ];
        if !PEOPLE
            .iter()
            .any(|known| known.eq_ignore_ascii_case(technology))
        {
            return End::Helper;
        }
        let endpoint = rest.rsplit_once('-').map_or(rest, |(endpoint, _)| endpoint);
        let endpoint = endpoint.split('/').next().unwrap_or(endpoint);
        if let Some(extension) = self.extensions.get(endpoint) {
            return End::Phone(Extension::from(extension.as_str()));
        }
        let is_trunk = match self.trunks.is_empty() {
            true => !is_short_number(endpoint),
            false => self.trunks.iter().any(|trunk| trunk == endpoint),
        };
        match is_trunk {
            true => End::Trunk,
            false => End::Phone(Extension::from(endpoint)),
        }
    }

    /// The extension of a device, named as a channel without its number (`PJSIP/101`), or of what is
    /// dialled for it (`Local/101@from-queue/n`).
    pub fn device(&self, name: &str) -> Option<Extension> {
        if name.starts_with("Local/") {
            return self.transfer_target(name);
        }
        match self.end(&format!("{name}-0")) {
            End::Phone(extension) => Some(extension),
            End::Trunk | End::Helper => None,
        }
    }

    /// The endpoint that rings an extension.
    pub fn endpoint<'a>(&'a self, extension: &'a str) -> &'a str {
        self.extensions
            .iter()
            .find(|(_, known)| *known == extension)
            .map_or(extension, |(endpoint, _)| endpoint)
    }

    /// The party at the far end, if the channel's name and this number say it.
    pub fn party(&self, channel: &str, number: Option<&str>) -> Option<Party> {
        match self.end(channel) {
            End::Phone(extension) => Some(Party::Person(extension)),
            End::Helper => Some(Party::Glue),
            End::Trunk => number.map(|number| Party::Client(self.plan.read(number))),
        }
    }

    /// Which side the person at a channel is on.
    pub fn side(&self, channel: &str) -> Option<Side> {
        match self.end(channel) {
            End::Phone(_) => Some(Side::Employee),
            End::Trunk => Some(Side::Client),
            End::Helper => None,
        }
    }

    /// The number in a dial string that leads outside: `74950000077@trunk`,
    /// `trunk/sip:74950000077@host`.
    pub fn dialled(&self, dial_string: &str) -> Option<Number> {
        let text = dial_string.rsplit('/').next()?;
        let text = text.strip_prefix("sip:").unwrap_or(text);
        let (number, _) = text.split_once('@')?;
        let number = self.plan.read(number);
        matches!(number, Number::E164 { .. } | Number::Service(_)).then_some(number)
    }

    /// A recording's file as named in this account: below the PBX's folder of recordings, where it is.
    ///
    /// AMI tells the whole path, CEL what the dialplan wrote; both must give one name, also where the
    /// PBX keeps its spool elsewhere than we were told: it always calls the folder `monitor`.
    pub fn recording(&self, file: &str) -> String {
        let path = Path::new(file);
        let below = path.strip_prefix(&self.recordings).ok();
        let below = below.or_else(|| {
            let (_, below) = file.strip_prefix('/')?.split_once("/monitor/")?;
            Some(Path::new(below)).filter(|below| below.is_relative())
        });
        below.unwrap_or(path).to_string_lossy().into_owned()
    }

    /// Who gets a transferred call: the extension in a channel's or Local channel's name.
    pub fn transfer_target(&self, channel: &str) -> Option<Extension> {
        if let Some(local) = channel.strip_prefix("Local/") {
            let extension = local.split('@').next()?;
            return is_short_number(extension).then(|| Extension::from(extension));
        }
        match self.end(channel) {
            End::Phone(extension) => Some(extension),
            _ => None,
        }
    }
}

/// Whether a text looks like an extension.
pub fn is_short_number(text: &str) -> bool {
    !text.is_empty() && text.len() <= SHORT_NUMBER && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The id of our command that asked for this channel, and whether it is the first of the pair.
pub fn own_command(uniqueid: &str) -> Option<(&str, bool)> {
    let command = uniqueid.strip_prefix(OWN)?;
    Some(match command.strip_suffix(OWN_PEER) {
        Some(command) => (command, false),
        None => (command, true),
    })
}

/// Why a channel ended: Q.850 cause, with what else is known.
///
/// `rang` is whether its phone was ringing when it went; `None` where that is not told.
pub fn cause(code: Option<u16>, sip_status: Option<&str>, rang: Option<bool>) -> Cause {
    match code {
        Some(16 | 31) => Cause::Normal,
        Some(17) => Cause::Busy,
        Some(18 | 19) => Cause::NoAnswer,
        Some(21) => Cause::Rejected,
        Some(26) => Cause::AnsweredElsewhere,
        Some(1 | 2 | 3 | 28) => Cause::NoRoute,
        Some(20 | 27) => Cause::Unreachable,
        // Dial() that runs out of time hangs up without a cause.
        None | Some(0) => match rang {
            Some(true) => Cause::NoAnswer,
            Some(false) => Cause::Normal,
            None => Cause::Unknown,
        },
        Some(127) => match (sip_status, rang) {
            (Some("487"), _) | (_, Some(true)) => Cause::Cancelled,
            (_, Some(false)) => Cause::Normal,
            (_, None) => Cause::Unknown,
        },
        Some(_) => Cause::Failed,
    }
}

/// Collects the facts of one message.
pub struct Teller<'a> {
    /// Who tells.
    pub account: &'a AccountName,
    /// The time of the message.
    pub at: Timestamp,
    /// How far the time can be trusted.
    pub clock: Clock,
    /// Where the facts go.
    pub events: &'a mut Vec<CallEvent>,
}

impl Teller<'_> {
    /// What can happen, or be so, only once to this channel.
    pub fn once(&mut self, leg: &Leg<'_>, what: &str, fact: Fact) {
        let id = format!("{}/{what}", leg.unique);
        self.push(leg.linked, Some(leg.unique), id, fact);
    }

    /// What can happen again to this channel.
    pub fn again(&mut self, leg: &Leg<'_>, what: &str, fact: Fact) {
        let id = format!("{}/{what}/{}", leg.unique, self.at.as_seconds());
        self.push(leg.linked, Some(leg.unique), id, fact);
    }

    /// What is so of the whole call; the channel that told it names the fact.
    pub fn of_call(&mut self, leg: &Leg<'_>, what: &str, fact: Fact) {
        let id = format!("{}/{what}", leg.unique);
        self.push(leg.linked, None, id, fact);
    }

    /// The channel enters a bridge.
    pub fn enters(&mut self, leg: &Leg<'_>, bridge: &str) {
        let fact = Fact::Enters {
            bridge: bridge.to_owned(),
        };
        self.again(leg, &format!("enters/{bridge}"), fact);
    }

    /// The channel leaves a bridge.
    pub fn leaves(&mut self, leg: &Leg<'_>, bridge: &str) {
        let fact = Fact::Leaves {
            bridge: bridge.to_owned(),
        };
        self.again(leg, &format!("leaves/{bridge}"), fact);
    }

    /// A machine of the PBX takes the channel.
    pub fn runs(&mut self, leg: &Leg<'_>, what: Party) {
        let name = match &what {
            Party::Queue(name) => format!("queue/{name}"),
            Party::Conference(name) => format!("conference/{name}"),
            Party::Voicemail => "voicemail".to_owned(),
            _ => "menu".to_owned(),
        };
        self.once(leg, &name, Fact::Runs { what });
    }

    /// The channel is being recorded into this file.
    pub fn records(&mut self, leg: &Leg<'_>, file: String) {
        let fact = Fact::Recording {
            recording: file.clone(),
            stage: RecordingStage::Started,
            source: Some(RecordingSource::File(file.clone())),
        };
        self.once(leg, &format!("recording/{file}"), fact);
    }

    /// These two names are of one call.
    pub fn same_call(&mut self, one: &str, other: &str) {
        if one != other && !one.is_empty() && !other.is_empty() {
            let with = CallKey::from(other);
            self.push(
                one,
                None,
                format!("{other}/in/{one}"),
                Fact::SameCall { with },
            );
        }
    }

    /// The channel belongs to the call it says; what we asked for belongs to our command.
    pub fn belongs(&mut self, leg: &Leg<'_>) {
        self.same_call(leg.linked, leg.unique);
        if let Some((command, _)) = own_command(leg.unique) {
            self.same_call(leg.linked, command);
        }
    }

    fn push(&mut self, call: &str, leg: Option<&str>, id: String, fact: Fact) {
        self.events.push(CallEvent {
            account: self.account.clone(),
            call: CallKey::from(call),
            leg: leg.map(LegKey::from),
            at: self.at,
            clock: self.clock,
            id: FactId::from(id),
            fact,
        });
    }
}

/// A channel as named in one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leg<'a> {
    /// Uniqueid.
    pub unique: &'a str,
    /// Linkedid at that moment.
    pub linked: &'a str,
    /// Name of the channel.
    pub channel: &'a str,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn phone(extension: &str) -> End {
        End::Phone(Extension::from(extension))
    }

    #[test]
    fn a_short_number_is_a_phone_and_any_other_endpoint_a_trunk() {
        let directory = Directory::default();
        assert_eq!(directory.end("PJSIP/101-0000001f"), phone("101"));
        assert_eq!(directory.end("SIP/2001-1"), phone("2001"));
        assert_eq!(directory.end("PJSIP/provider-east-00000001"), End::Trunk);
        assert_eq!(directory.end("PJSIP/74950000001-00000001"), End::Trunk);
        assert_eq!(directory.end("DAHDI/i1/74950000001-2"), End::Trunk);
        assert_eq!(
            directory.end("Local/101@from-internal-00000001;2"),
            End::Helper
        );
        assert_eq!(directory.end("CBAnn/600-00000001;1"), End::Helper);
        assert_eq!(directory.end("nonsense"), End::Helper);
    }

    #[test]
    fn declared_trunks_and_extensions_win() {
        let directory = Directory {
            trunks: vec!["100".into()],
            extensions: [("anna-desk".into(), "201".into())].into(),
            ..Directory::default()
        };
        assert_eq!(directory.end("PJSIP/100-00000001"), End::Trunk);
        assert_eq!(directory.end("PJSIP/anna-desk-00000001"), phone("201"));
        assert_eq!(directory.endpoint("201"), "anna-desk");
        assert_eq!(directory.endpoint("202"), "202");
    }

    #[test]
    fn dial_strings_hold_numbers() {
        let directory = Directory::default();
        let number = Some(directory.plan.read("+74950000077"));
        assert_eq!(directory.dialled("74950000077@trunk"), number);
        assert_eq!(
            directory.dialled("trunk/sip:+74950000077@198.51.100.7"),
            number
        );
        assert_eq!(directory.dialled("101"), None);
        assert_eq!(directory.dialled(""), None);
    }

    #[test]
    fn causes_have_their_words() {
        assert_eq!(cause(Some(16), None, Some(false)), Cause::Normal);
        assert_eq!(cause(Some(0), None, Some(true)), Cause::NoAnswer);
        assert_eq!(cause(Some(127), Some("487"), Some(false)), Cause::Cancelled);
        assert_eq!(cause(Some(127), None, None), Cause::Unknown);
        assert_eq!(cause(Some(38), None, None), Cause::Failed);
    }

    #[test]
    fn our_own_channels_name_our_command() {
        assert_eq!(own_command("ringcard-7f"), Some(("7f", true)));
        assert_eq!(own_command("ringcard-7f-peer"), Some(("7f", false)));
        assert_eq!(own_command("1773728100.7"), None);
    }
}
