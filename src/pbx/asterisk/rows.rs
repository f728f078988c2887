//! Rows of the channel event log (CEL): the same facts as the manager interface tells, under the same
//! identities, so what was heard live is only confirmed.
//!
//! `deploy/asterisk/cel_custom.conf` fixes the columns. The log knows no ringing and no hold: a dialled
//! channel that was answered, or ended without being busy or unreachable, is told to have rung by then,
//! which gives way to the moment that a live event told.
//!
//! Documentation: <https://docs.asterisk.org/Configuration/Reporting/Channel-Event-Logging-CEL/>.

use std::collections::HashMap;

use bytes::Bytes;
use serde::Deserialize;

use super::{
    events::{HOLDING, ROOM, machine, over, visible},
    facts::{Directory, End, Leg, Teller, cause, is_short_number, own_command},
    wire::{UNKNOWN, seconds},
};
use crate::{
    model::{
        event::{CallEvent, Cause, Clock, Direction, Fact, TransferKind},
        ids::{AccountName, Extension, LegKey},
        time::Timestamp,
    },
    pbx::{DecodeError, Message},
};

/// Only what is younger is told when nobody knows where reading stopped.
pub const FIRST_MS: i64 = 24 * 3_600 * 1_000;
/// Columns of a row.
const COLUMNS: usize = 20;

/// Turns rows into messages.
pub struct Rows<'a> {
    /// The account.
    pub account: &'a AccountName,
    /// Who is who.
    pub directory: &'a Directory,
    /// Our time.
    pub now: Timestamp,
}

impl Rows<'_> {
    /// One message for each call in the page, in the order of their first rows.
    pub fn messages(&self, text: &[u8], only_recent: bool) -> Vec<Message> {
        let mut rows = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .from_reader(text);
        let mut calls: Vec<Message> = Vec::new();
        let mut places: HashMap<String, usize> = HashMap::new();
        let mut begun = Begun::default();
        let mut record = csv::ByteRecord::new();
        loop {
            let begin = rows.position().byte() as usize;
            match rows.read_byte_record(&mut record) {
                Ok(true) => {}
                Ok(false) => return calls,
                Err(_) => return calls, // reading from memory does not fail
            }
            let raw = &text[begin..(rows.position().byte() as usize).min(text.len())];
            let row = match Row::new(&record, self.now) {
                Ok(row) => row,
                Err(error) => {
                    calls.push(Message {
                        raw: Bytes::copy_from_slice(raw),
                        events: Vec::new(),
                        error: Some(error),
                    });
                    continue;
                }
            };
            if only_recent && self.now.millis_since(row.at) > FIRST_MS {
                continue;
            }
            let place = *places.entry(row.linked.clone()).or_insert(calls.len());
            if place == calls.len() {
                calls.push(Message {
                    raw: Bytes::new(),
                    events: Vec::new(),
                    error: None,
                });
            }
            let call = &mut calls[place];
            call.raw = [call.raw.as_ref(), raw].concat().into();
            self.tell(&row, &mut begun, &mut call.events);
        }
    }

    fn tell(&self, row: &Row, begun: &mut Begun, events: &mut Vec<CallEvent>) {
        let mut told = Told {
            row,
            begun,
            directory: self.directory,
            tell: Teller {
                account: self.account,
                at: row.at,
                clock: Clock::Exact,
                events,
            },
        };
        told.facts();
    }
}

/// What the page has told of channels that go on: only to say more, never to say something else.
#[derive(Default)]
struct Begun {
    /// First halves of Local channels, by their name.
    halves: HashMap<String, String>,
}

/// One row of the log.
struct Row {
    kind: String,
    at: Timestamp,
    name: String,
    number: String,
    exten: String,
    channel: String,
    application: String,
    data: String,
    unique: String,
    linked: String,
    extra: Extra,
}

/// The JSON of the last column; every kind of row has other fields.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Extra {
    bridge_id: Option<String>,
    bridge_technology: String,
    hangupcause: Option<u16>,
    hangupsource: String,
    dialstatus: String,
    extension: Option<String>,
    transferee_channel_uniqueid: Option<String>,
    transfer_target_channel_uniqueid: Option<String>,
    transfer_target_channel_name: Option<String>,
    channel2_uniqueid: Option<String>,
    pickup_channel_uniqueid: Option<String>,
    local_two_uniqueid: Option<String>,
}

impl Row {
    fn new(record: &csv::ByteRecord, now: Timestamp) -> Result<Self, DecodeError> {
        if record.len() != COLUMNS {
            let text = format!("a row of {} columns instead of {COLUMNS}", record.len());
            return Err(DecodeError::Malformed(text));
        }
        let column = |place: usize| String::from_utf8_lossy(&record[place]).trim().to_owned();
        let at = seconds(&column(1)).filter(|at| at.is_plausible(now));
        let row = Self {
            kind: column(0),
            at: at.ok_or(DecodeError::Field("eventtime"))?,
            name: column(2),
            number: column(3),
            exten: column(7),
            channel: column(9),
            application: column(10),
            data: column(11),
            unique: column(14),
            linked: column(15),
            // Rows that need something from it say nothing without it.
            extra: serde_json::from_slice(&record[19]).unwrap_or_default(),
        };
        match row.unique.is_empty() || row.linked.is_empty() {
            true => Err(DecodeError::Field("uniqueid")),
            false => Ok(row),
        }
    }

    fn leg(&self) -> Leg<'_> {
        Leg {
            unique: &self.unique,
            linked: &self.linked,
            channel: &self.channel,
        }
    }
}

struct Told<'a> {
    row: &'a Row,
    begun: &'a mut Begun,
    directory: &'a Directory,
    tell: Teller<'a>,
}

impl Told<'_> {
    fn facts(&mut self) {
        let row = self.row;
        let leg = row.leg();
        match row.kind.as_str() {
            "CHAN_START" => self.started(&leg),
            "ANSWER" => self.answered(&leg),
            "HANGUP" => self.hung_up(&leg),
            "BRIDGE_ENTER" | "BRIDGE_EXIT" => self.bridge(&leg),
            "BLINDTRANSFER" => {
                let to = row
                    .extra
                    .extension
                    .as_deref()
                    .filter(|to| is_short_number(to));
                self.transfer(&leg, TransferKind::Blind, to.map(Extension::from));
            }
            "ATTENDEDTRANSFER" => {
                let target = row.extra.transfer_target_channel_name.as_deref();
                let to = target.and_then(|channel| self.directory.transfer_target(channel));
                self.transfer(&leg, TransferKind::Attended, to);
            }
            "PARK_START" => self.tell.again(&leg, "parked", Fact::Parked),
            "PARK_END" => self.tell.again(&leg, "unparked", Fact::Unparked),
            "PICKUP" => {
                let taker = row.extra.pickup_channel_uniqueid.as_deref();
                self.tell.same_call(leg.linked, taker.unwrap_or_default());
            }
            "LOCAL_OPTIMIZE_BEGIN" | "LOCAL_OPTIMIZE" => {
                self.tie(&leg, row.extra.local_two_uniqueid.as_deref())
            }
            "APP_START" => {
                if let Some(what) = machine(&row.application, &row.data) {
                    self.tell.runs(&leg, what);
                }
                match row.application.to_ascii_lowercase().as_str() {
                    "dial" => self.dials(&leg),
                    "mixmonitor" => self.records(&leg),
                    _ => {}
                }
            }
            "LINKEDID_END" => self
                .tell
                .of_call(&leg, &over(leg.linked), Fact::Over { by: None }),
            _ => {}
        }
    }

    fn started(&mut self, leg: &Leg<'_>) {
        let row = self.row;
        self.tell.belongs(leg);
        let begins = leg.unique == leg.linked && row.exten != "s" && !row.exten.is_empty();
        let initiator = own_command(leg.unique).is_some_and(|(_, first)| first);
        self.party(leg, begins.then_some(row.number.as_str()), initiator);
        if begins {
            self.tell.once(leg, "dialled", Fact::Dialled { by: None });
            if self.directory.end(leg.channel) == End::Trunk {
                self.incoming(leg);
            }
        } else {
            self.tell.once(leg, "alive", Fact::Dialled { by: None });
        }
        self.local_halves();
    }

    /// A dialled channel has rung by now.
    fn rang(&mut self, leg: &Leg<'_>) {
        // AppDial, AppDial2 (Originate), AppQueue: what Asterisk says a channel runs that it has called.
        let called = ["AppDial", "AppQueue"];
        let dialled = called
            .iter()
            .any(|name| self.row.application.starts_with(name));
        if !dialled || self.directory.end(leg.channel) == End::Helper {
            return;
        }
        self.tell.clock = Clock::NoLaterThan;
        self.tell.once(leg, "rings", Fact::Rings);
        self.tell.clock = Clock::Exact;
    }

    fn incoming(&mut self, leg: &Leg<'_>) {
        let plan = &self.directory.plan;
        let number = match self.row.number.as_str() {
            "" => UNKNOWN,
            number => number,
        };
        let parties = Fact::Parties {
            direction: Some(Direction::In),
            client: Some(plan.read(number)),
            client_name: Some(visible(&self.row.name)).filter(|name| !name.is_empty()),
            did: Some(plan.read(&self.row.exten)),
        };
        self.tell.of_call(leg, "parties", parties);
    }

    fn party(&mut self, leg: &Leg<'_>, number: Option<&str>, initiator: bool) {
        let number = number.map(|number| match number {
            "" => UNKNOWN,
            number => number,
        });
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

    fn answered(&mut self, leg: &Leg<'_>) {
        if self.directory.end(leg.channel) == End::Helper {
            return;
        }
        // AppDial2 runs on a channel that Originate has called.
        let initiator = self.row.application == "AppDial2" && leg.unique == leg.linked;
        let number = Some(self.row.number.as_str()).filter(|number| !number.is_empty());
        self.party(leg, number, initiator);
        self.rang(leg);
        self.tell.once(leg, "up", Fact::Up);
    }

    fn hung_up(&mut self, leg: &Leg<'_>) {
        let row = self.row;
        let cancelled = row.extra.dialstatus == "CANCEL" && row.extra.hangupcause == Some(127);
        let cause = cause(row.extra.hangupcause, cancelled.then_some("487"), None);
        self.tell.belongs(leg);
        let number = Some(row.number.as_str()).filter(|number| !number.is_empty());
        self.party(leg, number, false);
        // Who is busy or cannot be reached has not rung.
        let silent = [
            Cause::Busy,
            Cause::NoRoute,
            Cause::Unreachable,
            Cause::Failed,
        ];
        if !silent.contains(&cause) {
            self.rang(leg);
        }
        self.tell.once(leg, "ends", Fact::Ends { cause, by: None });
        if row.extra.hangupsource == row.channel {
            let by = self.directory.side(leg.channel);
            if by.is_some() {
                self.tell.once(leg, "hung-up-by", Fact::Ends { cause, by });
            }
        }
    }

    fn bridge(&mut self, leg: &Leg<'_>) {
        let Some(bridge) = self.row.extra.bridge_id.clone() else {
            return;
        };
        self.tell.belongs(leg);
        match self.row.extra.bridge_technology.as_str() {
            HOLDING => return,
            ROOM => self.tell.same_call(leg.linked, &bridge),
            _ => {}
        }
        match self.row.kind.as_str() {
            "BRIDGE_ENTER" => self.tell.enters(leg, &bridge),
            _ => self.tell.leaves(leg, &bridge),
        }
    }

    fn transfer(&mut self, leg: &Leg<'_>, kind: TransferKind, to: Option<Extension>) {
        self.tell
            .again(leg, "transfers", Fact::Transfers { kind, to });
        let extra = &self.row.extra;
        for other in [
            &extra.channel2_uniqueid,
            &extra.transferee_channel_uniqueid,
            &extra.transfer_target_channel_uniqueid,
        ] {
            self.tell
                .same_call(leg.linked, other.as_deref().unwrap_or_default());
        }
    }

    /// An employee's phone calls out: the number is in what Dial() was given.
    fn dials(&mut self, leg: &Leg<'_>) {
        if !matches!(self.directory.end(leg.channel), End::Phone(_)) {
            return;
        }
        let target = self.row.data.split([',', '&']).next().unwrap_or_default();
        if target.starts_with("Local/") {
            return;
        }
        if let Some(number) = self.directory.dialled(target) {
            let parties = Fact::Parties {
                direction: Some(Direction::Out),
                client: Some(number),
                client_name: None,
                did: None,
            };
            self.tell.of_call(leg, "parties", parties);
        }
    }

    fn records(&mut self, leg: &Leg<'_>) {
        let file = self.row.data.split(',').next().unwrap_or_default();
        if !file.is_empty() {
            self.tell.records(leg, self.directory.recording(file));
        }
    }

    fn tie(&mut self, one: &Leg<'_>, two: Option<&str>) {
        if let Some(two) = two {
            let leg = LegKey::from(two);
            self.tell.once(one, "tied", Fact::TiedTo { leg });
            self.tell.same_call(one.linked, two);
        }
    }

    /// The log does not say which Local channels are two halves; their names do.
    fn local_halves(&mut self) {
        let Some((name, half)) = self.row.channel.rsplit_once(';') else {
            return;
        };
        if half == "1" {
            self.begun
                .halves
                .insert(name.to_owned(), self.row.unique.clone());
        } else if let Some(one) = self.begun.halves.remove(name) {
            let leg = Leg {
                unique: &one,
                linked: &self.row.linked,
                channel: &self.row.channel,
            };
            self.tie(&leg, Some(&self.row.unique));
        }
    }
}
