//! The plots of a story as Asterisk lives through them: which channels ring, meet, are passed on and
//! hang up. How each step is told stands in `ami`.

use super::{
    ami::{Chan, Teller, snapshot},
    story::{Outcome, Passing, Plot, Ring},
};
use crate::model::event::{Side, TransferKind};

impl Teller<'_> {
    /// The client's channel of an incoming call, up to the moment when phones ring.
    pub(super) fn incoming(&mut self) {
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
                let (status, cause) = unanswered(story.rings.last());
                client.dial_status = status;
                self.over(&client, &[], "", cause);
            }
        }
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
        let by = leaver.map_or("dialplan/builtin", |chan| chan.name.as_str());
        if let Some(leaver) = leaver {
            let cause = if phones.is_empty() && story.menu_ms.is_none() {
                127
            } else {
                16
            };
            self.of(ms, "HangupRequest", leaver, &format!("Cause: {cause}\r\n"));
        }
        if !bridge.is_empty() {
            // Whoever hangs up leaves first; the channel that dialled is the last to be hung up.
            let mut leaving: Vec<&Chan> = phones.iter().copied().chain([caller]).collect();
            leaving.sort_by_key(|chan| leaver.is_none_or(|leaver| leaver.unique != chan.unique));
            for chan in leaving {
                self.leaves(ms, chan, bridge);
            }
        }
        for phone in phones {
            self.hangs_up(ms, phone, cause, by);
        }
        self.hangs_up(ms, caller, cause, by);
        self.cel(ms, "LINKEDID_END", caller, ("", ""), "");
    }

    pub(super) fn outgoing(&mut self) {
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
            client.called_by = "AppDial";
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
        let (status, cause) = unanswered(story.rings.last());
        own.dial_status = status;
        self.over(&own, &[], "", cause);
    }

    /// What an Originate does: the employee's phone rings with the client's number on it.
    fn own_phone_first(&mut self, own: &mut Chan, dialled: &str, click_ms: i64) {
        own.called_by = "AppDial2";
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

/// What a Dial that nobody answered came to, and the cause with which its channel is hung up.
fn unanswered(last: Option<&Ring>) -> (&'static str, u8) {
    match last.map(|ring| ring.outcome) {
        Some(Outcome::Busy) => ("BUSY", 17),
        Some(Outcome::Cancelled) => ("CANCEL", 127),
        Some(_) => ("NOANSWER", 16),
        None => ("", 16),
    }
}
