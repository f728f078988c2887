//! Writes out calls: one JSON object a line, or a flat CSV.

use std::io::{self, Write};

use anyhow::Result;
use clap::{Subcommand, ValueEnum};
use serde_json::{Value, json};

use crate::{
    app::settings::Settings,
    model::{
        call::{Call, CallResult, Leg, LegResult},
        ids::Extension,
        phone::Number,
        time::Timestamp,
    },
    store::export::{self, After, Exported, Wanted},
};

/// What to write out.
#[derive(Subcommand)]
pub enum Command {
    /// Calls, in order of their start
    Calls(Calls),
}

/// Which calls, and how.
#[derive(clap::Args)]
pub struct Calls {
    /// Shape
    #[arg(long, value_enum, default_value = "jsonl")]
    format: Format,
    /// Started at or after (RFC 3339)
    #[arg(long, value_parser = moment)]
    from: Option<Timestamp>,
    /// Started before (RFC 3339)
    #[arg(long, value_parser = moment)]
    to: Option<Timestamp>,
    /// Only in, out or internal calls
    #[arg(long, value_parser = ["in", "out", "internal"])]
    direction: Option<String>,
    /// Only with this result (answered, missed, busy, ...), or unreached: somebody should call back
    #[arg(long, value_parser = result)]
    result: Option<String>,
    /// Only over this number of ours (E.164, or as the PBX tells it)
    #[arg(long)]
    line: Option<String>,
    /// Only over lines that belonged to this channel then
    #[arg(long)]
    channel: Option<String>,
    /// Only calls in which this person (a login) was rung or talked
    #[arg(long)]
    person: Option<String>,
}

fn result(text: &str) -> Result<String, String> {
    match CallResult::parse(text) {
        Some(_) => Ok(text.to_owned()),
        None if text == "unreached" => Ok(text.to_owned()),
        None => {
            let words: Vec<&str> = CallResult::ALL.iter().map(|one| one.as_str()).collect();
            Err(format!("must be unreached or one of {}", words.join(", ")))
        }
    }
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    Jsonl,
    Csv,
}

fn moment(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse_rfc3339(text).ok_or_else(|| "must look like 2026-03-17T06:15:00Z".to_owned())
}

/// Does it.
pub async fn run(settings: Settings, command: Command) -> Result<()> {
    let Command::Calls(wanted) = command;
    let db = super::opened(&settings).await?;
    let mut out = Output::new(wanted.format);
    let to = wanted.to.unwrap_or(Timestamp::from_micros(i64::MAX));
    let only = Wanted {
        direction: wanted.direction,
        result: wanted.result,
        line: wanted.line,
        channel: wanted.channel,
        person: wanted.person,
    };
    let mut after = After::start(wanted.from.unwrap_or(Timestamp::from_micros(i64::MIN)));
    loop {
        let (calls, next) = export::page(&db, &only, after, to).await?;
        if calls.is_empty() {
            break;
        }
        for call in &calls {
            out.write(call)?;
        }
        after = next;
    }
    out.finish()?;
    db.close().await;
    Ok(())
}

enum Output {
    Jsonl(io::BufWriter<io::Stdout>),
    Csv {
        out: Box<csv::Writer<io::Stdout>>,
        headed: bool,
    },
}

impl Output {
    fn new(format: Format) -> Self {
        match format {
            Format::Jsonl => Self::Jsonl(io::BufWriter::new(io::stdout())),
            Format::Csv => Self::Csv {
                out: Box::new(csv::Writer::from_writer(io::stdout())),
                headed: false,
            },
        }
    }

    fn write(&mut self, call: &Exported) -> Result<()> {
        let line = call_json(call);
        match self {
            Self::Jsonl(out) => writeln!(out, "{line}")?,
            Self::Csv { out, headed } => {
                if !std::mem::replace(headed, true) {
                    out.write_record(COLUMNS)?;
                }
                out.write_record(COLUMNS.map(|column| cell(&line[column])))?;
            }
        }
        Ok(())
    }

    fn finish(self) -> Result<()> {
        match self {
            Self::Jsonl(mut out) => out.flush()?,
            Self::Csv { mut out, .. } => out.flush()?,
        }
        Ok(())
    }
}

/// Columns of the CSV: the keys of the object in reading order.
const COLUMNS: [&str; 23] = [
    "id",
    "account",
    "call_key",
    "direction",
    "client",
    "did",
    "channel",
    "result",
    "ended",
    "started_at",
    "wait_ms",
    "ring_ms",
    "talk_ms",
    "hold_ms",
    "answered_by",
    "hangup_by",
    "legs",
    "transfers",
    "recordings",
    "card",
    "match_reason",
    "route_reason",
    "pop_ms",
];

/// Text as it is, nothing for null, lists and objects as JSON.
fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        // A sheet program must not take a cell for a formula.
        Value::String(text) if text.starts_with(['=', '-', '@', '\t', '\r']) => format!("'{text}"),
        Value::String(text) if text.starts_with('+') && !is_number(text) => format!("'{text}"),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn is_number(text: &str) -> bool {
    text[1..].bytes().all(|byte| byte.is_ascii_digit())
}

/// One call as one object.
fn call_json(exported: &Exported) -> Value {
    let mut json = derived_json(&exported.call);
    json["id"] = json!(exported.id);
    json["account"] = json!(exported.account);
    json["call_key"] = json!(exported.call_key);
    json["channel"] = json!(exported.channel);
    if let Some(by) = json["answered_by"].as_object_mut() {
        by.insert("person".to_owned(), json!(exported.person));
    }
    let recordings = exported.recordings.iter().map(|recording| {
        json!({
            "state": recording.state,
            "sha256": recording.sha256,
            "duration_ms": recording.duration_ms,
        })
    });
    json["recordings"] = recordings.collect();
    json["card"] = json!(exported.card);
    json["match_reason"] = json!(exported.match_reason);
    json["route_reason"] = json!(
        exported
            .route_reason
            .as_ref()
            .or(exported.call.route_reason.as_ref())
    );
    json["pop_ms"] = json!(exported.pop_ms);
    json
}

/// What follows from the facts alone, in the same shape.
pub fn derived_json(call: &Call) -> Value {
    json!({
        "direction": call.direction.map(|direction| direction.as_str()),
        "client": call.client.as_ref().and_then(Number::e164),
        "did": call.did.as_ref().and_then(shown),
        "result": call.result.map(|result| result.as_str()),
        "ended": call.ended.map(|ended| ended.as_str()),
        "started_at": call.started_at.rfc3339(),
        "wait_ms": call.wait_ms,
        "ring_ms": call.ring_ms,
        "talk_ms": call.talk_ms,
        "hold_ms": call.hold_ms,
        "answered_by": call.answered_by.as_ref().map(|extension| json!({ "extension": extension })),
        "hangup_by": hangup_by(call),
        "legs": call.employees_legs().map(leg_json).collect::<Vec<Value>>(),
        "transfers": call.transfers.iter().map(|transfer| json!({
            "kind": transfer.kind,
            "from": transfer.from,
            "to": transfer.to,
            "at": transfer.at.rfc3339(),
        })).collect::<Vec<Value>>(),
        "recordings": call.recordings.iter().map(|recording| json!({
            "recording": recording.recording,
            "stage": recording.stage,
        })).collect::<Vec<Value>>(),
        "route_reason": call.route_reason,
    })
}

/// Nothing while the call lives; "unknown" if it is over and nobody has told.
fn hangup_by(call: &Call) -> Option<&'static str> {
    let told = call.hangup_by.map(|side| side.as_str());
    told.or_else(|| call.ended.map(|_| "unknown"))
}

fn leg_json((extension, leg): (&Extension, &Leg)) -> Value {
    let moment = |at: Option<Timestamp>| at.map(Timestamp::rfc3339);
    let result = match &leg.result {
        None => Value::Null,
        Some(LegResult::Answered) => "answered".into(),
        Some(LegResult::AnsweredElsewhere) => "answered_elsewhere".into(),
        Some(LegResult::Failed(cause)) => json!(cause),
    };
    json!({
        "extension": extension,
        "rang_at": moment(leg.rang_at),
        "answered_at": moment(leg.answered_at),
        "ended_at": moment(leg.ended_at),
        "result": result,
    })
}

fn shown(number: &Number) -> Option<&str> {
    match number {
        Number::E164 { e164, .. } => Some(e164),
        Number::Service(text) | Number::Other(text) => {
            Some(text.as_str()).filter(|t| !t.is_empty())
        }
        Number::Withheld => None,
    }
}
