//! What is known of a call when some of its manager events went past us: the connection was cut, or the
//! gateway was killed. What was heard stands in the journal of messages; the rest is in the PBX's log.
//!
//! The log (CEL) tells of every channel when it began and ended and why, what applications it ran
//! (Dial, Queue, MixMonitor), when it was answered and in which bridge it was, who hung up, and every
//! passing-on. So start, end, answer, wait, parties, who talked, result, transfers and recordings must
//! be exact. It does not tell:
//!
//! * **rings**: a phone has rung at some time between its dialling and its answer or end;
//! * **hold** and its end. A hold that was heard and whose end was not lasts until the leg is over; one
//!   that was not heard counts as talk, for the log leaves the two in their bridge, also while the
//!   employee asks a colleague;
//! * **why** a phone that nobody answered stopped ringing, unless it was busy or another one answered.

use std::collections::{BTreeMap, BTreeSet};

use ringcard::{
    model::{event::TransferKind, time::Timestamp},
    on_read,
    simulator::{
        ami::Said,
        ledger::Ledger,
        office::{Call, Told},
        story::Story,
    },
    store::Db,
};

use crate::check::{CLIENT, Unheard};

/// Every event of a manager interface that was taken in.
pub async fn events(db: &Db) -> BTreeSet<String> {
    let rows: Vec<(Vec<u8>,)> = on_read!(db, pool => {
        sqlx::query_as("select body from raw where account = 'office' and source = 'asterisk'")
            .fetch_all(pool)
            .await
    })
    .expect("the journal of messages can be read");
    rows.iter()
        .map(|(body,)| String::from_utf8_lossy(body).trim().to_owned())
        .collect()
}

/// What of this call the ledger and the log together do not tell; `None`: everything was heard. The
/// ledger is changed to what must be found.
pub fn limits(call: &Call, ledger: &mut Ledger, heard: &BTreeSet<String>) -> Option<Unheard> {
    let said = call.told.iter().filter_map(|sent| match &sent.what {
        Told::Said(said) => Some(said),
        Told::Post(_) => None,
    });
    let told: Vec<Event> = said.filter_map(Event::read).collect();
    let missed = |event: &&Event| event.tells && !heard.contains(&event.text);
    if told.iter().filter(missed).count() == 0 {
        return None;
    }
    let mut rings: BTreeMap<&str, bool> = BTreeMap::new();
    for event in &told {
        if let Some(who) = &event.rings {
            let known = rings.entry(who).or_default();
            *known |= heard.contains(&event.text);
        }
    }
    let ended = |event: &&Event| event.is_end && !heard.contains(&event.text);
    let unheard = Unheard {
        rings: unheard(&rings),
        ends: told
            .iter()
            .filter(ended)
            .filter_map(|event| event.who.clone())
            .collect(),
    };
    let was_heard = |kind: &str| {
        let mut events = told.iter().filter(|event| event.kind == kind);
        events.any(|event| heard.contains(&event.text))
    };
    if let Some(hold_ms) = held(&call.story, was_heard("Hold"), was_heard("Unhold"))
        && let Some(before_ms) = ledger.hold_ms.replace(hold_ms)
        && let Some(talk_ms) = &mut ledger.talk_ms
    {
        *talk_ms += before_ms - hold_ms;
    }
    Some(unheard)
}

fn unheard(rings: &BTreeMap<&str, bool>) -> BTreeSet<String> {
    let missed = rings.iter().filter(|(_, heard)| !**heard);
    missed.map(|(who, _)| (*who).to_owned()).collect()
}

/// The hold that must be found; `None`: there was none to be heard.
fn held(story: &Story, begin: bool, end: bool) -> Option<i64> {
    if let Some((from_ms, to_ms)) = story.hold {
        return Some(match (begin, end) {
            (true, true) => to_ms - from_ms,
            (true, false) => story.end_ms - from_ms,
            (false, _) => 0,
        });
    }
    let passing = story.passing.as_ref()?;
    if passing.kind != TransferKind::Attended {
        return None;
    }
    Some(match begin {
        true => passing.at_ms - passing.hold_ms,
        false => 0,
    })
}

/// A manager event as far as it matters here.
struct Event {
    text: String,
    at: Timestamp,
    kind: String,
    /// Extension of its channel, or [`CLIENT`].
    who: Option<String>,
    /// Whose phone it says to ring.
    rings: Option<String>,
    is_end: bool,
    /// Whether it tells anything of a call: what does not, is not kept.
    tells: bool,
}

/// When the last event of this moment was told that says anything of a call.
pub fn last_told(moment: &[Said]) -> Option<Timestamp> {
    let events = moment.iter().filter_map(Event::read);
    let times = events.filter(|event| event.tells).map(|event| event.at);
    times.max()
}

impl Event {
    fn read(said: &Said) -> Option<Self> {
        let Said::Ami(block) = said else {
            return None;
        };
        let field = |name: &str| {
            let mut lines = block.lines().filter_map(|line| line.split_once(": "));
            lines
                .find(|(key, _)| *key == name)
                .map(|(_, value)| value.to_owned())
        };
        let kind = field("Event")?;
        let stamp = field("Timestamp")?;
        let who = field("Channel").map(|name| phone(&name));
        let state = field("ChannelState");
        let rings = match (
            kind.as_str(),
            state.as_deref(),
            field("DestChannelState").as_deref(),
        ) {
            ("Newstate", Some("5"), _) => who.clone(),
            ("DialBegin", _, Some("5")) => field("DestChannel").map(|name| phone(&name)),
            _ => None,
        };
        let (seconds, micros) = stamp.split_once('.')?;
        let at: i64 = format!("{seconds}{micros}").parse().ok()?;
        Some(Self {
            at: Timestamp::from_micros(at),
            text: block.trim().to_owned(),
            who,
            rings,
            is_end: kind == "Hangup",
            tells: matches!(
                kind.as_str(),
                "Newchannel"
                    | "DialBegin"
                    | "BridgeEnter"
                    | "BridgeLeave"
                    | "Hold"
                    | "Unhold"
                    | "BlindTransfer"
                    | "AttendedTransfer"
                    | "HangupRequest"
                    | "Hangup"
            ) || (kind == "Newstate" && matches!(state.as_deref(), Some("5" | "6"))),
            kind,
        })
    }
}

/// Whose phone a channel leads to.
fn phone(channel: &str) -> String {
    let endpoint = channel.trim_start_matches("PJSIP/");
    match endpoint.split_once('-') {
        Some((extension, _)) if extension.bytes().all(|byte| byte.is_ascii_digit()) => {
            extension.to_owned()
        }
        _ => CLIENT.to_owned(),
    }
}
