//! What Asterisk's own log (CEL) says of each call, read without a line of the gateway's code: the
//! oracle.
//!
//! Rows belong together by their linkedid; linkedids that share a channel are one call. What the log
//! cannot know (`main/cel.c` has no such event) is left out here and heard by `witness`: when a phone
//! began to ring, and when somebody was on hold.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use serde_json::Value;

/// Longest break in a talk while Asterisk takes Local channels out of its way, in microseconds.
const SEAM_US: i64 = 100_000;

/// One call as the log has it; moments in microseconds.
#[derive(Clone, Debug, Default)]
pub struct Logged {
    /// Every linkedid and channel of the call.
    pub keys: BTreeSet<String>,
    /// `in`, `out` or `internal`.
    pub direction: &'static str,
    /// The client's number as digits; `None` if withheld.
    pub client: Option<String>,
    /// Our number that was dialled, if the call came in.
    pub line: Option<String>,
    pub started_at: i64,
    /// When the last channel went; `None` while one is up, or if Asterisk died first.
    pub ended_at: Option<i64>,
    /// Phones, by the beginning of their channels.
    pub phones: Vec<Phone>,
    /// Who heard whom and when, by beginning.
    pub talks: Vec<Talk>,
    pub transfers: Vec<Transfer>,
    /// When the client stood in a parking lot, or in a conference: whoever is alone there waits.
    pub aside: Vec<(i64, i64)>,
    /// Files that MixMonitor was given.
    pub recordings: BTreeSet<String>,
    /// `client` or `employee`, if the log names a person.
    pub hung_up_by: Option<&'static str>,
    /// The machine that had the caller: `voicemail`, `queue`, or `menu` for any other that picked up.
    pub machine: Option<&'static str>,
    /// Q.850 cause with which the client's channel went.
    pub client_cause: Option<i64>,
    /// The client's channel; empty if there is none.
    pub client_channel: String,
    /// The client is called, and was.
    pub client_called: bool,
}

/// One channel of a phone.
#[derive(Clone, Debug, Default)]
pub struct Phone {
    pub extension: String,
    /// Uniqueid of the channel.
    pub unique: String,
    /// It was called, and did not call itself.
    pub called: bool,
    /// The employee's own leg of a click-to-call.
    pub initiator: bool,
    pub began: i64,
    /// Linkedid with which it began.
    pub began_under: String,
    /// When somebody picked it up.
    pub up: Option<i64>,
    pub ended: Option<i64>,
    /// Q.850 cause with which it went.
    pub cause: Option<i64>,
}

/// Two people hear each other.
#[derive(Clone, Debug)]
pub struct Talk {
    /// Channel of the phone.
    pub phone: String,
    pub extension: String,
    /// The other phone's extension; `None`: the client.
    pub with: Option<String>,
    pub from: i64,
    /// `None`: Asterisk died first, or it goes on.
    pub to: Option<i64>,
}

/// The client was passed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transfer {
    pub kind: &'static str,
    pub from: String,
    pub to: String,
    /// When the client was connected, or the transfer if that never came.
    pub at: i64,
    /// When whoever passed on had done so.
    pub left: i64,
}

impl Logged {
    /// First moment when client and phone (internally: two phones) hear each other, and the phone.
    pub fn answered(&self) -> Option<(i64, &str)> {
        let caller = self.phones.iter().find(|phone| !phone.called);
        let counts = |talk: &&Talk| match self.direction {
            "internal" => caller.is_none_or(|caller| caller.extension != talk.extension),
            _ => talk.with.is_none(),
        };
        let first = self.talks.iter().find(counts)?;
        Some((first.from, &first.extension))
    }

    /// Talks of phones with the client.
    pub fn with_client(&self) -> impl Iterator<Item = &Talk> {
        self.talks.iter().filter(|talk| talk.with.is_none())
    }

    /// How long the client heard somebody, in microseconds.
    pub fn heard_us(&self) -> i64 {
        self.with_client()
            .filter_map(|talk| Some(talk.to? - talk.from))
            .sum()
    }
}

struct Row {
    kind: String,
    at: i64,
    number: String,
    exten: String,
    channel: String,
    application: String,
    data: String,
    unique: String,
    linked: String,
    extra: Value,
}

/// Every call in the log, by its start.
pub fn read(log: &Path) -> Vec<Logged> {
    let Ok(text) = std::fs::read(log) else {
        return Vec::new();
    };
    let mut rows: Vec<Row> = csv::ReaderBuilder::new()
        .has_headers(false)
        .from_reader(text.as_slice())
        .records()
        .map_while(Result::ok)
        .map(|record| row(&record))
        .collect();
    rows.sort_by_key(|row| row.at);
    let mut calls: Vec<Logged> = group(&rows)
        .into_values()
        .map(|places| logged(&places.iter().map(|place| &rows[*place]).collect::<Vec<_>>()))
        .collect();
    calls.sort_by_key(|call| call.started_at);
    calls
}

fn row(record: &csv::StringRecord) -> Row {
    let micros = record[1].replace('.', "");
    Row {
        kind: record[0].to_owned(),
        at: micros.parse().expect("the log has seconds.microseconds"),
        number: record[3].to_owned(),
        exten: record[7].to_owned(),
        channel: record[9].to_owned(),
        application: record[10].to_owned(),
        data: record[11].to_owned(),
        unique: record[14].to_owned(),
        linked: record[15].to_owned(),
        extra: serde_json::from_str(&record[19]).unwrap_or_default(),
    }
}

/// Places of rows by call.
fn group(rows: &[Row]) -> BTreeMap<usize, Vec<usize>> {
    let mut call_of: BTreeMap<&str, usize> = BTreeMap::new();
    for (place, row) in rows.iter().enumerate() {
        let mut names = vec![row.linked.as_str(), row.unique.as_str()];
        for other in [
            "channel2_uniqueid",
            "transferee_channel_uniqueid",
            "pickup_channel_uniqueid",
        ] {
            names.extend(row.extra[other].as_str());
        }
        // Whoever is in a conference is in one call.
        if row.extra["bridge_technology"] == "softmix" {
            names.extend(row.extra["bridge_id"].as_str());
        }
        let known: BTreeSet<usize> = names
            .iter()
            .filter_map(|name| call_of.get(name).copied())
            .collect();
        let call = known.first().copied().unwrap_or(place);
        for joined in call_of.values_mut().filter(|of| known.contains(of)) {
            *joined = call;
        }
        call_of.extend(names.into_iter().map(|name| (name, call)));
    }
    let mut groups: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (place, row) in rows.iter().enumerate() {
        groups
            .entry(call_of[row.linked.as_str()])
            .or_default()
            .push(place);
    }
    groups
}

fn is_trunk(channel: &str) -> bool {
    channel.starts_with("PJSIP/trunk-")
}

/// The extension of a phone's channel.
fn phone(channel: &str) -> Option<&str> {
    let endpoint = channel.strip_prefix("PJSIP/")?.split('-').next()?;
    (endpoint != "trunk").then_some(endpoint)
}

/// Who calls has dialled something; "s" is where Asterisk puts what it calls itself.
fn is_called(began: &Row) -> bool {
    began.exten == "s"
}

fn logged(rows: &[&Row]) -> Logged {
    let of = |kind: &'static str| rows.iter().filter(move |row| row.kind == kind).copied();
    let people = || of("CHAN_START").filter(|row| row.channel.starts_with("PJSIP/"));
    let first = people().next().expect("a call has a channel");
    let client = people().find(|row| is_trunk(&row.channel));
    // Asterisk itself has called the first phone: somebody has clicked a client's number.
    let is_click = is_called(first) && first.unique == first.linked;
    let direction = match (is_trunk(&first.channel), client) {
        (true, _) => "in",
        (false, Some(_)) => "out",
        (false, None) if is_click => "out",
        (false, None) => "internal",
    };
    let all_gone = of("HANGUP").count() == of("CHAN_START").count();
    let ended_at = of("HANGUP").map(|row| row.at).max().filter(|_| all_gone);
    let phones: Vec<Phone> = people().filter_map(|row| phone_of(row, rows)).collect();
    let talks = talks(rows);
    let went = of("HANGUP").find(|row| row.unique == client.unwrap_or(first).unique);
    let keys = rows.iter().flat_map(|row| {
        // A channel that the gateway has asked for is named by the gateway's command.
        let command = row.unique.strip_prefix("ringcard-");
        [row.linked.as_str(), &row.unique]
            .into_iter()
            .chain(command)
    });
    let clicked = rows.iter().filter(|row| row.unique == first.unique);
    let own = phone(&first.channel).unwrap_or_default();
    Logged {
        keys: keys.map(str::to_owned).collect(),
        direction,
        client: match client {
            None if is_click => number(clicked.filter(|row| row.number != own)),
            _ => number(rows.iter().filter(|row| is_trunk(&row.channel))),
        },
        line: (direction == "in").then(|| first.exten.clone()),
        started_at: first.at,
        ended_at,
        transfers: [transfers(rows, &talks), fetched(rows, &talks)].concat(),
        aside: [aside(rows), in_rooms(rows)].concat(),
        phones,
        talks,
        recordings: of("APP_START")
            .filter(|row| row.application == "MixMonitor")
            .filter_map(|row| row.data.split(',').next().map(str::to_owned))
            .collect(),
        hung_up_by: went.and_then(|row| match row.extra["hangupsource"].as_str()? {
            source if is_trunk(source) => Some("client"),
            source => phone(source).map(|_| "employee"),
        }),
        machine: machine(rows),
        client_cause: went.and_then(|row| row.extra["hangupcause"].as_i64()),
        client_channel: client.map(|row| row.unique.clone()).unwrap_or_default(),
        client_called: direction == "out" && client.is_some(),
    }
}

fn phone_of(began: &Row, rows: &[&Row]) -> Option<Phone> {
    let of = |kind: &str| {
        let mut of = rows.iter().filter(|row| row.kind == kind);
        of.find(|row| row.unique == began.unique).copied()
    };
    let ended = of("HANGUP");
    // Who passes on and hangs up is gone, though Asterisk keeps the channel until the target answers.
    let left = of("ATTENDEDTRANSFER").map(|row| row.at);
    let is_first = began.unique == began.linked;
    Some(Phone {
        extension: phone(&began.channel)?.to_owned(),
        unique: began.unique.clone(),
        called: is_called(began),
        initiator: is_called(began) && is_first,
        began: began.at,
        began_under: began.linked.clone(),
        up: of("ANSWER").map(|row| row.at),
        ended: left.or(ended.map(|row| row.at)),
        cause: ended.and_then(|row| row.extra["hangupcause"].as_i64()),
    })
}

/// The first number in these rows. A Russian one may be written with the national prefix 8.
fn number<'r>(rows: impl Iterator<Item = &'r &'r Row>) -> Option<String> {
    let mut numbers = rows
        .map(|row| &row.number)
        .filter(|number| !number.is_empty());
    let number = numbers.next()?.trim_start_matches('+');
    if !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(match number.strip_prefix('8') {
        Some(rest) if rest.len() == 10 => format!("7{rest}"),
        _ => number.to_owned(),
    })
}

fn machine(rows: &[&Row]) -> Option<&'static str> {
    let ran = |application: &str| {
        let mut started = rows.iter().filter(|row| row.kind == "APP_START");
        started.any(|row| row.application == application)
    };
    let caller = rows.iter().find(|row| is_trunk(&row.channel))?;
    let picked_up = |row: &&&Row| row.kind == "ANSWER" && row.unique == caller.unique;
    match () {
        () if ran("VoiceMail") => Some("voicemail"),
        () if ran("Queue") => Some("queue"),
        () if ran("ConfBridge") => Some("conference"),
        () => rows.iter().find(picked_up).map(|_| "menu"),
    }
}

/// Follows the bridges.
fn talks(rows: &[&Row]) -> Vec<Talk> {
    let mut inside: BTreeMap<&str, &str> = BTreeMap::new();
    let mut uniques: BTreeMap<&str, &str> = BTreeMap::new();
    let mut open: BTreeMap<(&str, &str), i64> = BTreeMap::new();
    let mut pairs: Vec<(&str, &str, i64, Option<i64>)> = Vec::new();
    for row in rows {
        uniques.insert(&row.channel, &row.unique);
        let bridge = row.extra["bridge_id"].as_str();
        match (row.kind.as_str(), bridge) {
            ("BRIDGE_ENTER", Some(bridge)) => drop(inside.insert(&row.channel, bridge)),
            ("BRIDGE_EXIT", Some(bridge)) if inside.get(row.channel.as_str()) == Some(&bridge) => {
                inside.remove(row.channel.as_str());
            }
            ("HANGUP", _) => drop(inside.remove(row.channel.as_str())),
            _ => continue,
        }
        let now = hearing(&inside);
        for pair in &now {
            open.entry(*pair).or_insert(row.at);
        }
        open.retain(|pair, from| {
            let goes_on = now.contains(pair);
            if !goes_on {
                pairs.push((pair.0, pair.1, *from, Some(row.at)));
            }
            goes_on
        });
    }
    pairs.extend(open.into_iter().map(|((a, b), from)| (a, b, from, None)));
    pairs.sort_by_key(|(.., from, _)| *from);
    let mut talks: Vec<Talk> = Vec::new();
    for (one, other, from, to) in pairs {
        let extension = phone(one).expect("a pair begins with a phone").to_owned();
        let with = phone(other).map(str::to_owned);
        let phone = uniques[one].to_owned();
        let goes_on = talks.iter_mut().find(|talk| {
            let is_same = talk.phone == phone && talk.with == with;
            is_same && talk.to.is_some_and(|to| from - to < SEAM_US)
        });
        match goes_on {
            Some(talk) => talk.to = to,
            None => talks.push(Talk {
                phone,
                extension,
                with,
                from,
                to,
            }),
        }
    }
    talks
}

/// Which phone hears whom; both ways round for two phones.
fn hearing<'r>(inside: &BTreeMap<&'r str, &str>) -> BTreeSet<(&'r str, &'r str)> {
    let mut pairs = BTreeSet::new();
    for (channel, bridge) in inside.iter().filter(|(name, _)| phone(name).is_some()) {
        for other in together(bridge, inside) {
            let is_person = other.starts_with("PJSIP/") && phone(other) != phone(channel);
            if is_person {
                pairs.insert((*channel, other));
            }
        }
    }
    pairs
}

/// Channels in a bridge and in those that hang on it by Local channels.
fn together<'r>(bridge: &str, inside: &BTreeMap<&'r str, &str>) -> BTreeSet<&'r str> {
    let mut bridges = BTreeSet::from([bridge]);
    loop {
        let together: BTreeSet<&str> = inside
            .iter()
            .filter(|(_, of)| bridges.contains(*of))
            .map(|(channel, _)| *channel)
            .collect();
        let other_half = |channel: &&str| match channel.rsplit_once(';')? {
            (name, "1") => inside.get(format!("{name};2").as_str()).copied(),
            (name, _) => inside.get(format!("{name};1").as_str()).copied(),
        };
        let before = bridges.len();
        bridges.extend(together.iter().filter_map(other_half));
        if bridges.len() == before {
            return together;
        }
    }
}

/// Whoever was passed the client after asking was heard by the one who passes on; else it was blind,
/// whatever keys were pressed for it.
fn transfers(rows: &[&Row], talks: &[Talk]) -> Vec<Transfer> {
    let told = rows
        .iter()
        .filter(|row| matches!(row.kind.as_str(), "BLINDTRANSFER" | "ATTENDEDTRANSFER"))
        .filter(|row| {
            let aside = aside(rows);
            let parks = |at: &i64| (at - row.at).abs() < PARKS_US;
            !aside.iter().any(|(parked, _)| parks(parked))
        });
    told.filter_map(|row| {
        let from = phone(&row.channel)?.to_owned();
        let gets = |talk: &&Talk| talk.with.is_none() && talk.from > row.at - SEAM_US;
        // Asterisk writes "N/A" for a target that has just left its bridge; then the log says it by who
        // gets the client.
        let named = row.extra["transfer_target_channel_name"]
            .as_str()
            .and_then(target);
        let next = || {
            let mut next = talks.iter().filter(gets);
            next.find(|talk| talk.extension != from)
                .map(|talk| talk.extension.clone())
        };
        let to = match row.extra["extension"].as_str() {
            Some(extension) => extension.to_owned(),
            None => named.or_else(next)?,
        };
        let asked = talks.iter().any(|talk| {
            talk.extension == from && talk.with.as_deref() == Some(&to) && talk.from < row.at
        });
        let mut got = talks.iter().filter(gets);
        let connected = got.find(|talk| talk.extension == to);
        Some(Transfer {
            kind: if asked { "attended" } else { "blind" },
            at: connected.map_or(row.at, |talk| talk.from),
            left: row.at,
            from,
            to,
        })
    })
    .collect()
}

/// How close the log tells that somebody was parked to the transfer that did it.
const PARKS_US: i64 = 1_000_000;

/// When somebody was parked, and until when; without an end the log is not written to its end.
fn aside(rows: &[&Row]) -> Vec<(i64, i64)> {
    let of = |kind: &'static str| rows.iter().filter(move |row| row.kind == kind);
    let until = |began: &Row| {
        let mut ends = of("PARK_END").filter(|row| row.unique == began.unique);
        ends.find(|row| row.at >= began.at).map(|row| row.at)
    };
    of("PARK_START")
        .filter_map(|began| Some((began.at, until(began)?)))
        .collect()
}

/// When the client was in a conference.
fn in_rooms(rows: &[&Row]) -> Vec<(i64, i64)> {
    let entered = rows.iter().filter(|row| {
        row.kind == "APP_START" && row.application == "ConfBridge" && is_trunk(&row.channel)
    });
    let left = |row: &Row| {
        let mut ends = rows.iter().filter(|end| end.unique == row.unique);
        ends.find(|end| end.kind == "HANGUP").map(|end| end.at)
    };
    entered
        .filter_map(|row| Some((row.at, left(row)?)))
        .collect()
}

/// Who fetches a client that somebody else has parked has got them passed on.
fn fetched(rows: &[&Row], talks: &[Talk]) -> Vec<Transfer> {
    let with_client = || talks.iter().filter(|talk| talk.with.is_none());
    aside(rows)
        .into_iter()
        .filter_map(|(parked, _)| {
            let by = with_client().rfind(|talk| talk.from < parked)?;
            let next = with_client().find(|talk| talk.from > parked)?;
            (next.extension != by.extension).then(|| Transfer {
                kind: "blind",
                from: by.extension.clone(),
                to: next.extension.clone(),
                at: next.from,
                left: parked,
            })
        })
        .collect()
}

/// The extension in the name of a phone's or Local channel.
fn target(channel: &str) -> Option<String> {
    let local = || channel.strip_prefix("Local/")?.split('@').next();
    phone(channel).or_else(local).map(str::to_owned)
}
