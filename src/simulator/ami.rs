//! Tells a story as Asterisk 22 does: manager events in the order a real one sends them, and the CEL
//! rows that its log keeps of the same moments.
//!
//! Written after recorded conversations with chan_pjsip; events that say nothing about a call
//! (queue member states, music) are left out. Ring groups are one Dial to several phones, attended
//! transfers are those of a phone (REFER with Replaces), so two linked ids become one call.

use super::{
    dice::Dice,
    ledger::{Ledger, Phone},
    message::Sent,
    story::{Outcome, Plot, Ring, Story},
};
use crate::model::{
    call::LegResult,
    event::{Cause, TransferKind},
};

/// An Asterisk and our account at it.
#[derive(Clone, Debug)]
pub struct Asterisk {
    /// Our name of the account.
    pub account: String,
    /// Name of the trunk's endpoint.
    pub trunk: String,
    /// Where the PBX says it puts recordings.
    pub recordings: String,
    /// Put into every id, so that runs do not meet.
    pub run: u64,
}

/// What leaves the PBX.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// One block of the manager interface, with the empty line at its end.
    Ami(String),
    /// One row of the CEL file, with the line end.
    Cel(String),
}

/// Kinds of stories this PBX has words for.
pub const PLOTS: [Plot; 16] = Plot::ALL;

impl Asterisk {
    /// The linked id of a call.
    pub fn call_key(&self, story: &Story) -> String {
        self.unique(story, 0)
    }

    fn unique(&self, story: &Story, n: usize) -> String {
        let counter = (self.run % 100_000) * 1_000_000 + story.number * 100 + n as u64;
        format!("{}.{counter}", story.start.as_seconds())
    }

    /// The path of a call's recording, as the PBX tells it.
    pub fn recording(&self, call_key: &str) -> String {
        format!("{}/{call_key}.wav", self.recordings)
    }

    /// What must be found after the story was told.
    pub fn ledger(&self, story: &Story) -> Ledger {
        let mut ledger = story.ledger(&self.account, &self.call_key(story), 1);
        // Each thing said gets a moment of its own: see `Teller::moment`.
        ledger.tolerance_ms = 1;
        if story.plot == Plot::BlindTransfer {
            // The client hears the second phone ring, not music.
            ledger.hold_ms = Some(0);
            ledger.talk_ms = story.answered_ms.map(|answer| story.end_ms - answer);
        }
        // A busy phone does not ring here.
        let busy = LegResult::Failed(Cause::Busy);
        for phone in ledger
            .phones
            .iter_mut()
            .filter(|phone| phone.result == busy)
        {
            phone.rang_at = None;
        }
        ledger.phones.extend(second_phone(story));
        if story.caller.is_some() {
            ledger.did = None; // the trunk's number is not told on the way out
            ledger.phones.extend(own_phone(story));
        }
        ledger
    }

    /// Everything the story makes the PBX say, in the order of its times.
    pub fn tell(&self, story: &Story) -> Vec<Sent<Said>> {
        self.tell_as(story, self.call_key(story))
    }

    /// [`Asterisk::tell`] with the id of the first channel given, as an Originate gives it.
    pub fn tell_as(&self, story: &Story, first: String) -> Vec<Sent<Said>> {
        let mut teller = Teller {
            asterisk: self,
            story,
            first,
            sent: Vec::new(),
            uniques: 0,
            tick: 0,
            bridges: 0,
            dice: Dice::new(self.run).fork(story.number),
        };
        if story.caller.is_some() {
            teller.outgoing();
        } else {
            teller.incoming();
        }
        teller.sent.sort_by_key(|sent| sent.at);
        teller.sent
    }
}

/// The second call of an employee who asks a colleague before passing the client on.
fn second_phone(story: &Story) -> Option<Phone> {
    let passing = story.passing.as_ref()?;
    (passing.kind == TransferKind::Attended).then(|| Phone {
        extension: passing.from.clone(),
        rang_at: None,
        answered_at: Some(story.at(passing.picks_up_ms)),
        ended_at: story.at(passing.at_ms),
        result: LegResult::Answered,
    })
}

/// The phone of an employee who calls out; only a click makes it ring.
fn own_phone(story: &Story) -> Option<Phone> {
    let answered_ms = story.click_ms.or(story.answered_ms);
    let busy = story.rings.last().map(|ring| ring.outcome) == Some(Outcome::Busy);
    Some(Phone {
        extension: story.caller.clone()?,
        rang_at: story.click_ms.map(|_| story.start),
        answered_at: answered_ms.map(|ms| story.at(ms)),
        ended_at: story.at(story.end_ms),
        result: match (answered_ms, busy) {
            (Some(_), _) => LegResult::Answered,
            (None, true) => LegResult::Failed(Cause::Busy),
            (None, false) => LegResult::Failed(Cause::Cancelled),
        },
    })
}

/// One channel as it stands.
#[derive(Clone, Debug)]
pub(super) struct Chan {
    pub(super) name: String,
    pub(super) unique: String,
    pub(super) linked: String,
    pub(super) state: u8,
    pub(super) number: String,
    pub(super) connected: String,
    pub(super) context: &'static str,
    pub(super) exten: String,
    /// The application that called it (`AppDial`); empty for a channel that came by itself.
    pub(super) called_by: &'static str,
    /// What its own Dial came to, for the log.
    pub(super) dial_status: &'static str,
}

pub(super) struct Teller<'a> {
    pub(super) asterisk: &'a Asterisk,
    pub(super) story: &'a Story,
    pub(super) first: String,
    pub(super) sent: Vec<Sent<Said>>,
    pub(super) uniques: usize,
    pub(super) tick: i64,
    pub(super) bridges: usize,
    pub(super) dice: Dice,
}

const STATES: [(u8, &str); 4] = [(0, "Down"), (4, "Ring"), (5, "Ringing"), (6, "Up")];
const UNKNOWN: &str = "<unknown>";

pub(super) fn snapshot(prefix: &str, chan: &Chan) -> String {
    let described = STATES
        .iter()
        .find(|(state, _)| *state == chan.state)
        .map_or("Unknown", |(_, text)| text);
    let fields = [
        ("Channel", chan.name.as_str()),
        ("ChannelState", &chan.state.to_string()),
        ("ChannelStateDesc", described),
        ("CallerIDNum", &chan.number),
        ("CallerIDName", UNKNOWN),
        ("ConnectedLineNum", &chan.connected),
        ("ConnectedLineName", UNKNOWN),
        ("Language", "en"),
        ("AccountCode", ""),
        ("Context", chan.context),
        ("Exten", &chan.exten),
        ("Priority", "1"),
        ("Uniqueid", &chan.unique),
        ("Linkedid", &chan.linked),
    ];
    fields
        .iter()
        .map(|(name, value)| format!("{prefix}{name}: {value}\r\n"))
        .collect()
}

impl Teller<'_> {
    /// Each thing said gets a moment of its own, a few microseconds after the one before.
    pub(super) fn moment(&mut self, ms: i64) -> i64 {
        self.tick += 1;
        self.story.at(ms).as_micros() + self.tick * 7
    }

    pub(super) fn say(&mut self, micros: i64, what: Said) {
        self.sent.push(Sent {
            at: crate::model::time::Timestamp::from_micros(micros),
            story: self.story.number,
            what,
        });
    }

    pub(super) fn event(&mut self, ms: i64, name: &str, class: &str, fields: &str) {
        let micros = self.moment(ms);
        let stamp = format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000);
        let block = format!(
            "Event: {name}\r\nPrivilege: {class},all\r\nTimestamp: {stamp}\r\n{fields}\r\n"
        );
        self.say(micros, Said::Ami(block));
    }

    pub(super) fn of(&mut self, ms: i64, name: &str, chan: &Chan, more: &str) {
        let fields = format!("{}{more}", snapshot("", chan));
        self.event(ms, name, "call", &fields);
    }

    pub(super) fn cel(&mut self, ms: i64, kind: &str, chan: &Chan, app: (&str, &str), extra: &str) {
        let micros = self.moment(ms);
        let stamp = format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000);
        let number = if chan.number == UNKNOWN {
            ""
        } else {
            &chan.number
        };
        let application = match app.0 {
            "" if kind != "CHAN_START" => chan.called_by,
            given => given,
        };
        let columns = [
            kind,
            &stamp,
            "",
            number,
            "",
            "",
            "",
            &chan.exten,
            chan.context,
            &chan.name,
            application,
            app.1,
            "3",
            "",
            &chan.unique,
            &chan.linked,
            "",
            "",
            "",
            extra,
        ];
        let row: Vec<String> = columns
            .iter()
            .map(|text| format!("\"{}\"", text.replace('"', "\"\"")))
            .collect();
        self.say(micros, Said::Cel(row.join(",") + "\n"));
    }

    pub(super) fn channel(&mut self, endpoint: &str, linked: Option<&str>) -> Chan {
        let unique = match self.uniques {
            0 => self.first.clone(),
            n => self.asterisk.unique(self.story, n),
        };
        self.uniques += 1;
        let tail = self.dice.below(1 << 32);
        Chan {
            name: format!("PJSIP/{endpoint}-{tail:08x}"),
            linked: linked.unwrap_or(&unique).to_owned(),
            unique,
            state: 0,
            number: UNKNOWN.to_owned(),
            connected: UNKNOWN.to_owned(),
            context: "from-internal",
            exten: "s".to_owned(),
            called_by: "",
            dial_status: "",
        }
    }

    pub(super) fn bridge(&mut self) -> String {
        self.bridges += 1;
        format!(
            "{:08x}-{:04x}-4000-8000-{:012x}",
            self.asterisk.run as u32, self.bridges, self.story.number
        )
    }

    pub(super) fn machine_answers(&mut self, ms: i64, client: &mut Chan, app: (&str, &str)) {
        client.state = 6;
        self.of(ms, "Newstate", client, "");
        self.cel(ms, "ANSWER", client, app, "");
    }

    pub(super) fn phone_rings(
        &mut self,
        caller: &mut Chan,
        extension: &str,
        ms: i64,
        how: Outcome,
    ) -> Chan {
        let dial = format!("PJSIP/{extension},30,t");
        if self.story.queue.is_none() {
            self.cel(ms, "APP_START", caller, ("Dial", &dial), "");
        }
        let mut phone = self.channel(extension, Some(&caller.linked));
        phone.number = extension.to_owned();
        phone.called_by = match self.story.queue {
            Some(_) => "AppQueue",
            None => "AppDial",
        };
        self.of(ms, "Newchannel", &phone, "");
        self.cel(ms, "CHAN_START", &phone, ("", ""), "");
        phone.connected = caller.number.clone();
        phone.exten = caller.exten.clone();
        if how != Outcome::Busy {
            phone.state = 5;
            self.of(ms, "Newstate", &phone, "");
        }
        let two = format!(
            "{}{}DialString: {extension}\r\n",
            snapshot("", caller),
            snapshot("Dest", &phone)
        );
        self.event(ms, "DialBegin", "call", &two);
        if let Some((queue, _)) = &self.story.queue {
            let more = format!("Queue: {queue}\r\nInterface: PJSIP/{extension}\r\n");
            let two = format!("{}{}{more}", snapshot("", caller), snapshot("Dest", &phone));
            self.event(ms, "AgentCalled", "agent", &two);
        }
        caller.connected = extension.to_owned();
        phone
    }

    pub(super) fn dial_ends(&mut self, ms: i64, caller: &Chan, phone: &Chan, status: &str) {
        let two = format!(
            "{}{}DialStatus: {status}\r\n",
            snapshot("", caller),
            snapshot("Dest", phone)
        );
        self.event(ms, "DialEnd", "call", &two);
    }

    pub(super) fn rings_out(&mut self, caller: &Chan, phone: &Chan, ring: &Ring) {
        let (status, cause) = match ring.outcome {
            Outcome::Busy => ("BUSY", 17),
            Outcome::Elsewhere => ("CANCEL", 26),
            Outcome::Cancelled => ("CANCEL", 127),
            _ => ("NOANSWER", 0),
        };
        self.dial_ends(ring.to_ms, caller, phone, status);
        self.hangs_up(ring.to_ms, phone, cause, "");
    }

    pub(super) fn hangs_up(&mut self, ms: i64, chan: &Chan, cause: u8, by: &str) {
        let more = format!("Cause: {cause}\r\nCause-txt: -\r\n");
        self.of(ms, "Hangup", chan, &more);
        let status = chan.dial_status;
        let extra = format!(
            "{{\"hangupcause\":{cause},\"hangupsource\":\"{by}\",\"dialstatus\":\"{status}\"}}"
        );
        self.cel(ms, "HANGUP", chan, ("", ""), &extra);
        self.cel(ms, "CHAN_END", chan, ("", ""), "");
    }

    pub(super) fn enters(&mut self, ms: i64, chan: &Chan, bridge: &str) {
        self.bridge_event(ms, "BridgeEnter", "BRIDGE_ENTER", chan, bridge);
    }

    pub(super) fn leaves(&mut self, ms: i64, chan: &Chan, bridge: &str) {
        self.bridge_event(ms, "BridgeLeave", "BRIDGE_EXIT", chan, bridge);
    }

    pub(super) fn bridge_event(
        &mut self,
        ms: i64,
        name: &str,
        kind: &str,
        chan: &Chan,
        bridge: &str,
    ) {
        let head = format!("BridgeUniqueid: {bridge}\r\nBridgeType: basic\r\n");
        let fields = format!("{head}{}", snapshot("", chan));
        self.event(ms, name, "call", &fields);
        let extra =
            format!("{{\"bridge_id\":\"{bridge}\",\"bridge_technology\":\"simple_bridge\"}}");
        self.cel(ms, kind, chan, ("", ""), &extra);
    }

    pub(super) fn picks_up(&mut self, ms: i64, caller: &mut Chan, phone: &mut Chan) {
        phone.state = 6;
        self.of(ms, "Newstate", phone, "");
        self.cel(ms, "ANSWER", phone, ("", "(Outgoing Line)"), "");
        caller.dial_status = "ANSWER";
        self.dial_ends(ms, caller, phone, "ANSWER");
        if caller.state != 6 {
            caller.state = 6;
            self.of(ms, "Newstate", caller, "");
            self.cel(ms, "ANSWER", caller, ("Dial", ""), "");
        }
    }

    pub(super) fn recording_starts(&mut self, ms: i64, chan: &Chan) {
        if !self.story.recorded {
            return;
        }
        let file = self.asterisk.recording(&self.first);
        let more = format!("Variable: MIXMONITOR_FILENAME\r\nValue: {file}\r\n");
        let fields = format!("{}{more}", snapshot("", chan));
        self.event(ms, "VarSet", "dialplan", &fields);
        self.cel(ms, "APP_START", chan, ("MixMonitor", &file), "");
        self.of(ms, "MixMonitorStart", chan, "");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::time::Timestamp;
    use crate::simulator::story::{Tempo, World};

    fn tell(plot: Plot, seed: u64) -> (Story, Vec<Sent<Said>>) {
        let world = World::company(6, 20);
        let start = Timestamp::from_seconds(1_773_728_100);
        let story = Story::draw(&mut Dice::new(seed), &world, plot, 1, start, Tempo::NATURAL);
        let asterisk = Asterisk {
            account: "office".to_owned(),
            trunk: "trunk".to_owned(),
            recordings: "/var/spool/asterisk/monitor".to_owned(),
            run: 3,
        };
        let told = asterisk.tell(&story);
        (story, told)
    }

    fn count(told: &[Sent<Said>], head: &str) -> usize {
        told.iter()
            .filter(|sent| match &sent.what {
                Said::Ami(text) | Said::Cel(text) => text.starts_with(head),
            })
            .count()
    }

    #[test]
    fn every_channel_is_hung_up_and_every_bridge_left() {
        for plot in PLOTS {
            let (_, told) = tell(plot, 4);
            let born = count(&told, "Event: Newchannel\r\n");
            assert_eq!(born, count(&told, "Event: Hangup\r\n"), "{plot:?}");
            assert_eq!(born, count(&told, "\"CHAN_END\""), "{plot:?}");
            let entered = count(&told, "Event: BridgeEnter\r\n");
            assert_eq!(entered, count(&told, "Event: BridgeLeave\r\n"), "{plot:?}");
            assert_eq!(count(&told, "\"LINKEDID_END\""), 1, "{plot:?}");
        }
    }

    #[test]
    fn blocks_end_with_an_empty_line_and_times_grow() {
        for plot in PLOTS {
            let (story, told) = tell(plot, 9);
            assert!(told.windows(2).all(|pair| pair[0].at <= pair[1].at));
            assert!(told[0].at >= story.start);
            for sent in &told {
                match &sent.what {
                    Said::Ami(block) => assert!(block.ends_with("\r\n\r\n"), "{block}"),
                    Said::Cel(row) => {
                        let mut rows = csv::ReaderBuilder::new();
                        let mut rows = rows.has_headers(false).from_reader(row.as_bytes());
                        assert_eq!(rows.records().next().unwrap().unwrap().len(), 20);
                    }
                }
            }
        }
    }
}
