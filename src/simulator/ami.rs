//! Tells a story as Asterisk 22 does: manager events in the order a real one sends them, and the CEL
//! rows that its log keeps of the same moments.
//!
//! Written after recorded conversations with chan_pjsip; events that say nothing about a call
//! (queue member states, music) are left out. Ring groups are one Dial to several phones, attended
//! transfers are those of a phone (REFER with Replaces), so two linked ids become one call.

use super::{
    dice::Dice,
    message::Sent,
    story::{Ledger, Outcome, Passing, Plot, Ring, Story},
};
use crate::model::event::{Side, TransferKind};

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
    /// The linked id of a call. A click has the channel id that the Originate asked for, or `click`.
    pub fn call_key(&self, story: &Story) -> String {
        self.unique(story, 0)
    }

    fn unique(&self, story: &Story, n: usize) -> String {
        let counter = (self.run % 100_000) * 1_000_000 + story.number * 100 + n as u64;
        format!("{}.{counter}", story.start.as_seconds())
    }

    /// The path of the recording, as the PBX tells it.
    pub fn recording(&self, story: &Story) -> String {
        format!("{}/{}.wav", self.recordings, self.call_key(story))
    }

    /// What must be found after the story was told.
    pub fn ledger(&self, story: &Story) -> Ledger {
        let mut ledger = story.ledger(&self.account, &self.call_key(story));
        ledger.tolerance_ms = 20;
        if story.plot == Plot::BlindTransfer {
            // The client hears the second phone ring, not music.
            ledger.hold_ms = Some(0);
            ledger.talk_ms = story.answered_ms.map(|answer| story.end_ms - answer);
        }
        if story.caller.is_some() {
            ledger.did = None; // the trunk's number is not told on the way out
        }
        ledger
    }

    /// Everything the story makes the PBX say, in the order of its times.
    pub fn tell(&self, story: &Story) -> Vec<Sent<Said>> {
        let mut teller = Teller {
            asterisk: self,
            story,
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

/// One channel as it stands.
#[derive(Clone, Debug)]
struct Chan {
    name: String,
    unique: String,
    linked: String,
    state: u8,
    number: String,
    connected: String,
    context: &'static str,
    exten: String,
}

struct Teller<'a> {
    asterisk: &'a Asterisk,
    story: &'a Story,
    sent: Vec<Sent<Said>>,
    uniques: usize,
    tick: i64,
    bridges: usize,
    dice: Dice,
}

const STATES: [(u8, &str); 4] = [(0, "Down"), (4, "Ring"), (5, "Ringing"), (6, "Up")];
const UNKNOWN: &str = "<unknown>";

fn snapshot(prefix: &str, chan: &Chan) -> String {
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
    fn moment(&mut self, ms: i64) -> i64 {
        self.tick += 1;
        self.story.at(ms).as_micros() + self.tick * 7
    }

    fn say(&mut self, micros: i64, what: Said) {
        self.sent.push(Sent {
            at: crate::model::time::Timestamp::from_micros(micros),
            story: self.story.number,
            what,
        });
    }

    fn event(&mut self, ms: i64, name: &str, class: &str, fields: &str) {
        let micros = self.moment(ms);
        let stamp = format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000);
        let block = format!(
            "Event: {name}\r\nPrivilege: {class},all\r\nTimestamp: {stamp}\r\n{fields}\r\n"
        );
        self.say(micros, Said::Ami(block));
    }

    fn of(&mut self, ms: i64, name: &str, chan: &Chan, more: &str) {
        let fields = format!("{}{more}", snapshot("", chan));
        self.event(ms, name, "call", &fields);
    }

    fn cel(&mut self, ms: i64, kind: &str, chan: &Chan, app: (&str, &str), extra: &str) {
        let micros = self.moment(ms);
        let stamp = format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000);
        let number = if chan.number == UNKNOWN {
            ""
        } else {
            &chan.number
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
            app.0,
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

    fn channel(&mut self, endpoint: &str, linked: Option<&str>) -> Chan {
        let unique = self.asterisk.unique(self.story, self.uniques);
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
        }
    }

    fn bridge(&mut self) -> String {
        self.bridges += 1;
        format!(
            "{:08x}-{:04x}-4000-8000-{:012x}",
            self.asterisk.run as u32, self.bridges, self.story.number
        )
    }

    /// The client's channel of an incoming call, up to the moment when phones ring.
    fn incoming(&mut self) {
        let story = self.story;
        let trunk = self.asterisk.trunk.clone();
        let mut client = self.channel(&trunk, None);
        client.context = "from-trunk";
        client.exten = story.did.trim_start_matches('+').to_owned();
        client.number = story
            .client
            .clone()
            .unwrap_or_else(|| "anonymous".to_owned());
        client.state = 4;
        self.of(0, "Newchannel", &client, "");
        if story.client.is_none() {
            let more = "CID-CallingPres: 32 (Presentation Prohibited, Not Screened)\r\n";
            self.of(0, "NewCallerid", &client, more);
        }
        self.cel(0, "CHAN_START", &client, ("", ""), "");
        if story.menu_ms.is_some() {
            self.machine_answers(0, &mut client, ("BackGround", "menu"));
        }
        if let Some((queue, from_ms)) = &story.queue {
            if story.menu_ms.is_none() {
                self.machine_answers(*from_ms, &mut client, ("Answer", ""));
            }
            let more = format!("Queue: {queue}\r\nPosition: 1\r\nCount: 1\r\n");
            self.cel(*from_ms, "APP_START", &client, ("Queue", queue), "");
            let fields = format!("{}{more}", snapshot("", &client));
            self.event(*from_ms, "QueueCallerJoin", "agent", &fields);
        }
        if story.plot == Plot::MenuOnly {
            return self.over(&client, &[], "", 16);
        }
        self.phones_ring(client);
    }

    fn machine_answers(&mut self, ms: i64, client: &mut Chan, app: (&str, &str)) {
        client.state = 6;
        self.of(ms, "Newstate", client, "");
        self.cel(ms, "ANSWER", client, app, "");
        self.cel(ms, "APP_START", client, app, "");
    }

    fn phones_ring(&mut self, mut client: Chan) {
        let story = self.story;
        let mut rung: Vec<(Chan, &Ring)> = Vec::new();
        for ring in &story.rings {
            let phone = self.phone_rings(&mut client, &ring.who, ring.from_ms, ring.outcome);
            rung.push((phone, ring));
        }
        let mut answering = None;
        for (phone, ring) in rung {
            if ring.outcome == Outcome::Answered {
                answering = Some(phone);
            } else {
                self.rings_out(&client, &phone, ring);
            }
        }
        match answering {
            Some(phone) => self.conversation(client, phone),
            None => {
                let busy = story.plot == Plot::Busy;
                let cause = if busy { 17 } else { 16 };
                self.over(&client, &[], "", cause);
            }
        }
    }

    fn phone_rings(&mut self, caller: &mut Chan, extension: &str, ms: i64, how: Outcome) -> Chan {
        let mut phone = self.channel(extension, Some(&caller.linked));
        phone.number = extension.to_owned();
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

    fn dial_ends(&mut self, ms: i64, caller: &Chan, phone: &Chan, status: &str) {
        let two = format!(
            "{}{}DialStatus: {status}\r\n",
            snapshot("", caller),
            snapshot("Dest", phone)
        );
        self.event(ms, "DialEnd", "call", &two);
    }

    fn rings_out(&mut self, caller: &Chan, phone: &Chan, ring: &Ring) {
        let (status, cause) = match ring.outcome {
            Outcome::Busy => ("BUSY", 17),
            Outcome::Elsewhere => ("CANCEL", 26),
            Outcome::Cancelled => ("CANCEL", 127),
            _ => ("NOANSWER", 0),
        };
        self.dial_ends(ring.to_ms, caller, phone, status);
        self.hangs_up(ring.to_ms, phone, cause, "");
    }

    fn hangs_up(&mut self, ms: i64, chan: &Chan, cause: u8, by: &str) {
        let more = format!("Cause: {cause}\r\nCause-txt: -\r\n");
        self.of(ms, "Hangup", chan, &more);
        let extra =
            format!("{{\"hangupcause\":{cause},\"hangupsource\":\"{by}\",\"dialstatus\":\"\"}}");
        self.cel(ms, "HANGUP", chan, ("", ""), &extra);
        self.cel(ms, "CHAN_END", chan, ("", ""), "");
    }

    fn enters(&mut self, ms: i64, chan: &Chan, bridge: &str) {
        self.bridge_event(ms, "BridgeEnter", "BRIDGE_ENTER", chan, bridge);
    }

    fn leaves(&mut self, ms: i64, chan: &Chan, bridge: &str) {
        self.bridge_event(ms, "BridgeLeave", "BRIDGE_EXIT", chan, bridge);
    }

    fn bridge_event(&mut self, ms: i64, name: &str, kind: &str, chan: &Chan, bridge: &str) {
        let head = format!("BridgeUniqueid: {bridge}\r\nBridgeType: basic\r\n");
        let fields = format!("{head}{}", snapshot("", chan));
        self.event(ms, name, "call", &fields);
        let extra =
            format!("{{\"bridge_id\":\"{bridge}\",\"bridge_technology\":\"simple_bridge\"}}");
        self.cel(ms, kind, chan, ("", ""), &extra);
    }

    fn picks_up(&mut self, ms: i64, caller: &mut Chan, phone: &mut Chan) {
        phone.state = 6;
        self.of(ms, "Newstate", phone, "");
        self.cel(ms, "ANSWER", phone, ("AppDial", "(Outgoing Line)"), "");
        self.dial_ends(ms, caller, phone, "ANSWER");
        if caller.state != 6 {
            caller.state = 6;
            self.of(ms, "Newstate", caller, "");
            self.cel(ms, "ANSWER", caller, ("Dial", ""), "");
        }
    }

    fn recording_starts(&mut self, ms: i64, chan: &Chan) {
        if !self.story.recorded {
            return;
        }
        let file = self.asterisk.recording(self.story);
        let more = format!("Variable: MIXMONITOR_FILENAME\r\nValue: {file}\r\n");
        let fields = format!("{}{more}", snapshot("", chan));
        self.event(ms, "VarSet", "dialplan", &fields);
        self.cel(ms, "APP_START", chan, ("MixMonitor", &file), "");
        self.of(ms, "MixMonitorStart", chan, "");
    }

    /// From the answer of `phone` to the end of the call; `client` is whoever was there before.
    fn conversation(&mut self, mut client: Chan, mut phone: Chan) {
        let story = self.story;
        let answered = story.answered_ms.unwrap_or(story.end_ms);
        self.picks_up(answered, &mut client, &mut phone);
        if let Some((queue, _)) = &story.queue {
            let more = format!("Queue: {queue}\r\nCount: 0\r\nPosition: 1\r\n");
            let fields = format!("{}{more}", snapshot("", &client));
            self.event(answered, "QueueCallerLeave", "agent", &fields);
        }
        let bridge = self.bridge();
        let head = format!("BridgeUniqueid: {bridge}\r\nBridgeType: basic\r\n");
        self.event(answered, "BridgeCreate", "call", &head);
        self.enters(answered, &phone, &bridge);
        self.enters(answered, &client, &bridge);
        self.recording_starts(answered, &client);
        if let Some((from_ms, to_ms)) = story.hold {
            let holder = if story.caller.is_some() {
                &client
            } else {
                &phone
            };
            self.of(from_ms, "Hold", holder, "");
            self.of(to_ms, "Unhold", holder, "");
        }
        match &story.passing {
            Some(passing) if passing.kind == TransferKind::Blind => {
                self.blind(client, phone, &bridge, passing);
            }
            Some(passing) => self.attended(client, phone, &bridge, passing),
            None => self.over(&client, &[&phone], &bridge, 16),
        }
    }

    fn blind(&mut self, mut client: Chan, first: Chan, bridge: &str, passing: &Passing) {
        let ms = passing.rings_ms;
        let fields = format!(
            "Result: Success\r\n{}{}BridgeUniqueid: {bridge}\r\nIsExternal: No\r\n\
             Context: from-internal\r\nExtension: {}\r\n",
            snapshot("Transferer", &first),
            snapshot("Transferee", &client),
            passing.to
        );
        self.event(ms, "BlindTransfer", "call", &fields);
        let extra = format!(
            "{{\"extension\":\"{}\",\"context\":\"from-internal\",\"bridge_id\":\"{bridge}\",\
             \"transferee_channel_name\":\"{}\",\"transferee_channel_uniqueid\":\"{}\"}}",
            passing.to, client.name, client.unique
        );
        self.cel(ms, "BLINDTRANSFER", &first, ("", ""), &extra);
        self.leaves(ms, &first, bridge);
        client.context = "from-internal";
        client.exten = passing.to.clone();
        self.leaves(ms, &client, bridge);
        self.hangs_up(ms, &first, 16, "");
        let mut second = self.phone_rings(&mut client, &passing.to, ms, Outcome::Answered);
        self.picks_up(passing.at_ms, &mut client, &mut second);
        let bridge = self.bridge();
        self.enters(passing.at_ms, &second, &bridge);
        self.enters(passing.at_ms, &client, &bridge);
        self.over(&client, &[&second], &bridge, 16);
    }

    /// The first employee's phone holds the client, makes a call of its own and joins the two.
    fn attended(&mut self, client: Chan, first: Chan, bridge: &str, passing: &Passing) {
        self.of(passing.hold_ms, "Hold", &first, "");
        let mut own = self.channel(&passing.from, None);
        own.number = passing.from.clone();
        own.exten = passing.to.clone();
        own.state = 4;
        self.of(passing.rings_ms, "Newchannel", &own, "");
        self.cel(passing.rings_ms, "CHAN_START", &own, ("", ""), "");
        let mut second =
            self.phone_rings(&mut own, &passing.to, passing.rings_ms, Outcome::Answered);
        self.picks_up(passing.picks_up_ms, &mut own, &mut second);
        let consultation = self.bridge();
        self.enters(passing.picks_up_ms, &second, &consultation);
        self.enters(passing.picks_up_ms, &own, &consultation);
        let ms = passing.at_ms;
        let fields = format!(
            "Result: Success\r\n{}OrigBridgeUniqueid: {bridge}\r\n{}\
             SecondBridgeUniqueid: {consultation}\r\nDestType: Bridge\r\n\
             DestBridgeUniqueid: {consultation}\r\n{}{}IsExternal: No\r\n",
            snapshot("OrigTransferer", &first),
            snapshot("SecondTransferer", &own),
            snapshot("Transferee", &client),
            snapshot("TransferTarget", &second)
        );
        self.event(ms, "AttendedTransfer", "call", &fields);
        let extra = format!(
            "{{\"bridge1_id\":\"{bridge}\",\"channel2_name\":\"{}\",\"channel2_uniqueid\":\"{}\",\
             \"bridge2_id\":\"{consultation}\",\"transferee_channel_name\":\"{}\",\
             \"transferee_channel_uniqueid\":\"{}\",\"transfer_target_channel_name\":\"{}\",\
             \"transfer_target_channel_uniqueid\":\"{}\"}}",
            own.name, own.unique, client.name, client.unique, second.name, second.unique
        );
        self.cel(ms, "ATTENDEDTRANSFER", &first, ("", ""), &extra);
        self.leaves(ms, &client, bridge);
        self.leaves(ms, &own, &consultation);
        // Everyone in a bridge takes the oldest linked id of those in it.
        own.linked.clone_from(&client.linked);
        second.linked.clone_from(&client.linked);
        self.enters(ms, &client, &consultation);
        self.leaves(ms, &first, bridge);
        self.hangs_up(ms, &own, 16, "");
        self.hangs_up(ms, &first, 16, "");
        self.over(&client, &[&second], &consultation, 16);
    }

    /// The end of a call: whoever hangs up goes first.
    fn over(&mut self, caller: &Chan, phones: &[&Chan], bridge: &str, cause: u8) {
        let story = self.story;
        let ms = story.end_ms;
        let outgoing = story.caller.is_some();
        let leaver = match (story.hangup, outgoing, phones.first()) {
            (Side::Client, false, _) | (Side::Employee, true, _) => Some(caller),
            (Side::Client, true, Some(phone)) | (Side::Employee, false, Some(phone)) => {
                Some(*phone)
            }
            _ => None,
        };
        let by = leaver.map_or("", |chan| chan.name.as_str());
        if let Some(leaver) = leaver {
            let cause = if phones.is_empty() && story.menu_ms.is_none() {
                127
            } else {
                16
            };
            self.of(ms, "HangupRequest", leaver, &format!("Cause: {cause}\r\n"));
        }
        if !bridge.is_empty() {
            self.leaves(ms, caller, bridge);
            for phone in phones {
                self.leaves(ms, phone, bridge);
            }
        }
        for phone in phones {
            self.hangs_up(ms, phone, cause, by);
        }
        self.hangs_up(ms, caller, cause, by);
        self.cel(ms, "LINKEDID_END", caller, ("", ""), "");
    }

    fn outgoing(&mut self) {
        let story = self.story;
        let extension = story.caller.clone().unwrap_or_default();
        let client_number = story.client.clone().unwrap_or_default();
        let dialled = client_number.trim_start_matches('+').to_owned();
        let mut own = self.channel(&extension, None);
        own.number = extension.clone();
        if let Some(click_ms) = story.click_ms {
            self.own_phone_first(&mut own, &dialled, click_ms);
        } else {
            own.state = 4;
            own.exten = dialled.clone();
            self.of(0, "Newchannel", &own, "");
            self.cel(0, "CHAN_START", &own, ("", ""), "");
        }
        let trunk = self.asterisk.trunk.clone();
        for ring in &story.rings {
            let mut client = self.channel(&trunk, Some(&own.linked));
            client.context = "from-trunk";
            self.of(ring.from_ms, "Newchannel", &client, "");
            self.cel(ring.from_ms, "CHAN_START", &client, ("", ""), "");
            client.number = dialled.clone();
            client.exten = dialled.clone();
            client.connected = own.number.clone();
            let two = format!(
                "{}{}DialString: {dialled}@{trunk}\r\n",
                snapshot("", &own),
                snapshot("Dest", &client)
            );
            self.event(ring.from_ms, "DialBegin", "call", &two);
            if ring.outcome != Outcome::Busy {
                client.state = 5;
                self.of(ring.from_ms, "Newstate", &client, "");
            }
            own.connected = dialled.clone();
            if ring.outcome == Outcome::Answered {
                self.conversation(own, client);
                return;
            }
            self.rings_out(&own, &client, ring);
        }
        let cause = if story.plot == Plot::OutBusy { 17 } else { 16 };
        self.over(&own, &[], "", cause);
    }

    /// What an Originate does: the employee's phone rings with the client's number on it.
    fn own_phone_first(&mut self, own: &mut Chan, dialled: &str, click_ms: i64) {
        self.of(0, "Newchannel", own, "");
        self.cel(0, "CHAN_START", own, ("", ""), "");
        own.number = dialled.to_owned();
        own.connected = dialled.to_owned();
        self.of(0, "NewCallerid", own, "");
        let dest = snapshot("Dest", own);
        self.event(0, "DialBegin", "call", &dest);
        own.state = 5;
        self.of(0, "Newstate", own, "");
        own.state = 6;
        self.of(click_ms, "Newstate", own, "");
        let dest = format!("{}DialStatus: ANSWER\r\n", snapshot("Dest", own));
        self.event(click_ms, "DialEnd", "call", &dest);
        let answered = ("AppDial2", "(Outgoing Line)");
        self.cel(click_ms, "ANSWER", own, answered, "");
        own.exten = dialled.to_owned();
        let app_data = format!("PJSIP/{dialled}@{},60,T", self.asterisk.trunk);
        self.cel(click_ms, "APP_START", own, ("Dial", &app_data), "");
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
