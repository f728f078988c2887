//! What Asterisk's own log says of each call, read without a line of the gateway's code: the oracle.
//!
//! Rows belong together by their linkedid; linkedids that share a channel are one call.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use serde_json::Value;

/// One call as the log has it; moments in microseconds.
#[derive(Debug, Default)]
pub struct Logged {
    /// Every linkedid of the call.
    pub keys: BTreeSet<String>,
    /// `in`, `out` or `internal`.
    pub direction: String,
    /// The client's number as digits; `anonymous` if withheld.
    pub client: Option<String>,
    pub started_at: i64,
    /// First moment when client and phone (or two phones) hear each other, and the phone.
    pub answered: Option<(i64, String)>,
    pub ended_at: Option<i64>,
    /// Phones that were called.
    pub called: BTreeSet<String>,
}

struct Row {
    kind: String,
    at: i64,
    number: String,
    channel: String,
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
        channel: record[9].to_owned(),
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

fn logged(rows: &[&Row]) -> Logged {
    let started: Vec<&&Row> = rows.iter().filter(|row| row.kind == "CHAN_START").collect();
    let people = || {
        started
            .iter()
            .filter(|row| row.channel.starts_with("PJSIP/"))
    };
    let first = people().next().expect("a call has a channel");
    let has_trunk = people().any(|row| is_trunk(&row.channel));
    let direction = match (is_trunk(&first.channel), has_trunk) {
        (true, _) => "in",
        (false, true) => "out",
        (false, false) => "internal",
    };
    let hung_up = rows.iter().filter(|row| row.kind == "HANGUP");
    let all_gone = hung_up.clone().count() == started.len();
    Logged {
        keys: rows.iter().map(|row| row.linked.clone()).collect(),
        direction: direction.to_owned(),
        client: client(rows),
        started_at: first.at,
        answered: answered(rows),
        ended_at: hung_up.map(|row| row.at).max().filter(|_| all_gone),
        called: people()
            .filter(|row| row.unique != first.unique)
            .filter_map(|row| phone(&row.channel).map(str::to_owned))
            .collect(),
    }
}

/// A Russian number may be written with the national prefix 8.
fn client(rows: &[&Row]) -> Option<String> {
    let mut numbers = rows
        .iter()
        .filter(|row| is_trunk(&row.channel) && !row.number.is_empty());
    let number = numbers.next()?.number.trim_start_matches('+');
    Some(match number.strip_prefix('8') {
        Some(rest) if rest.len() == 10 => format!("7{rest}"),
        _ => number.to_owned(),
    })
}

/// Follows the bridges until a client and a phone, or without a client two phones, stand together.
fn answered(rows: &[&Row]) -> Option<(i64, String)> {
    let wants_client = rows.iter().any(|row| is_trunk(&row.channel));
    let mut inside: BTreeMap<&str, &str> = BTreeMap::new();
    for row in rows {
        let bridge = row.extra["bridge_id"].as_str();
        match (row.kind.as_str(), bridge) {
            ("BRIDGE_ENTER", Some(bridge)) => drop(inside.insert(&row.channel, bridge)),
            ("BRIDGE_EXIT", Some(bridge)) if inside.get(row.channel.as_str()) == Some(&bridge) => {
                inside.remove(row.channel.as_str());
            }
            _ => continue,
        }
        for bridge in inside.values().copied().collect::<BTreeSet<_>>() {
            let together = hearing(bridge, &inside);
            let phones: BTreeSet<&str> = together
                .iter()
                .filter_map(|channel| phone(channel))
                .collect();
            let with_client = together.iter().any(|channel| is_trunk(channel));
            if with_client && !phones.is_empty() || !wants_client && phones.len() > 1 {
                let caller = phone(&rows[0].channel).filter(|_| !with_client);
                let by = phones.iter().find(|phone| Some(**phone) != caller)?;
                return Some((row.at, (*by).to_owned()));
            }
        }
    }
    None
}

/// Channels in a bridge and in those that hang on it by Local channels.
fn hearing<'r>(bridge: &str, inside: &BTreeMap<&'r str, &str>) -> BTreeSet<&'r str> {
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
