//! What a message says: news with names put to the ids, as JSON. docs/webhooks.md describes every field.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    model::{
        call::{Call, Ended, Transfer},
        event::{Direction, Side},
        ids::Extension,
        time::Timestamp,
    },
    store::{
        Db, StoreError,
        news::{self, CallNews, Names, News},
        recordings,
    },
};

/// A message without its number, which stands between the two parts.
pub struct Message {
    /// `call/...`, `card/...`, `task/...`.
    pub lane: String,
    /// Up to the number, and the rest.
    pub body: (String, String),
}

/// Writes the message of a piece of news; `None` if what it tells of is gone, or cannot be read.
pub async fn compose(
    db: &Db,
    news: &News,
    names: &Names,
    public_url: &str,
) -> Result<Option<Message>, StoreError> {
    let (lane, data) = match (news.kind.as_str(), news.row) {
        ("recording.ready", Some(id)) => {
            let told = recording(db, id, public_url).await?;
            (format!("call/{}", news.subject), told)
        }
        (kind, Some(id)) if kind.starts_with("task.") => {
            (format!("task/{id}"), task(db, id, names).await?)
        }
        (kind, _) if kind.starts_with("card.") => {
            let told = card(db, news.subject, names).await?;
            (format!("card/{}", news.subject), told)
        }
        ("call.merged", _) => {
            let into: Option<Uuid> = serde_json::from_str(&news.body).ok();
            let told = into.map(|into| json!({ "id": news.subject, "into": into }));
            (format!("call/{}", news.subject), told)
        }
        _ => {
            let told = call(db, news, names, public_url).await?;
            (format!("call/{}", news.subject), told)
        }
    };
    Ok(data.map(|data| Message {
        lane,
        body: (
            format!(
                "{{\"type\":{},\"timestamp\":\"{}\",\"sequence\":",
                Value::from(news.kind.as_str()),
                Timestamp::from_micros(news.at).rfc3339()
            ),
            format!(",\"data\":{data}}}"),
        ),
    }))
}

async fn call(
    db: &Db,
    news: &News,
    names: &Names,
    public_url: &str,
) -> Result<Option<Value>, StoreError> {
    let Ok(told) = serde_json::from_str::<CallNews>(&news.body) else {
        return Ok(None);
    };
    let card = match told.card {
        Some(card) => news::card(db, card.0).await?,
        None => None,
    };
    let card = card.map(|(card, _)| {
        json!({
            "id": card.id,
            "name": card.name,
            "company": card.company,
            "owner": person(card.owner, names),
            "mark": card.mark,
            "matched_by": told.match_reason,
        })
    });
    let line = told.line.map(|line| {
        let (number, name) = names.lines.get(&line.0).cloned().unwrap_or_default();
        json!({ "id": line.0, "number": number, "name": name })
    });
    let mut value = of_call(&told.call);
    let more = json!({
        "id": news.subject,
        "account": told.account,
        "key": told.key,
        "version": told.version,
        "line": line,
        "card": card,
        "answered_by": {
            "extension": told.call.answered_by,
            "person": person(told.answered_by.map(|person| person.0), names),
        },
        "page": format!("{public_url}/calls/{}", news.subject),
    });
    if let (Value::Object(all), Value::Object(more)) = (&mut value, more) {
        all.extend(more);
    }
    Ok(Some(value))
}

fn of_call(call: &Call) -> Value {
    let text = |extensions: &[Extension]| -> Vec<String> {
        extensions
            .iter()
            .map(|one| one.as_str().to_owned())
            .collect()
    };
    let client = call.client.as_ref();
    json!({
        "direction": call.direction.map(Direction::as_str),
        "phase": call.phase.as_str(),
        "result": call.result.map(|result| result.as_str()),
        "ended": call.ended.map(Ended::as_str),
        "hangup_by": call.hangup_by.map(Side::as_str),
        "client": {
            "number": client.and_then(|client| client.e164()),
            "extension": client.and_then(|client| client.ext()),
            "network_name": call.client_name,
        },
        "started_at": moment(Some(call.started_at)),
        "rang_at": moment(call.rang_at),
        "answered_at": moment(call.answered_at),
        "ended_at": moment(call.ended_at),
        "wait_ms": call.wait_ms,
        "ring_ms": call.ring_ms,
        "talk_ms": call.talk_ms,
        "hold_ms": call.hold_ms,
        "ringing": text(&call.ringing),
        "talking": text(&call.talking),
        "transfers": call.transfers.iter().map(transfer).collect::<Vec<_>>(),
        "route_reason": call.route_reason,
    })
}

fn transfer(transfer: &Transfer) -> Value {
    json!({
        "kind": transfer.kind,
        "from": transfer.from,
        "to": transfer.to,
        "at": moment(Some(transfer.at)),
    })
}

async fn card(db: &Db, id: Uuid, names: &Names) -> Result<Option<Value>, StoreError> {
    let found = news::card(db, id).await?;
    Ok(found.map(|(card, numbers)| {
        json!({
            "id": card.id,
            "name": card.name,
            "company": card.company,
            "owner": person(card.owner, names),
            "numbers": numbers,
            "mark": card.mark,
            "created_at": micros(Some(card.created_at)),
            "merged_into": card.merged_into,
        })
    }))
}

async fn task(db: &Db, id: i64, names: &Names) -> Result<Option<Value>, StoreError> {
    let found = news::task(db, id).await?;
    Ok(found.map(|task| {
        json!({
            "id": task.id,
            "kind": task.kind,
            "client": task.client,
            "card": task.card,
            "call": task.call,
            "person": person(task.person, names),
            "created_at": micros(Some(task.created_at)),
            "due_at": micros(Some(task.due_at)),
            "tries": task.tries,
            "tried_at": micros(task.tried_at),
            "escalated_at": micros(task.escalated_at),
            "escalated_to": person(task.escalated_to, names),
            "done_at": micros(task.done_at),
            "done_by_call": task.done_by,
            "outcome": task.outcome,
            "reason": task.reason,
        })
    }))
}

async fn recording(db: &Db, id: i64, public_url: &str) -> Result<Option<Value>, StoreError> {
    let found = recordings::by_id(db, id).await?;
    Ok(found.map(|recording| {
        json!({
            "id": recording.id,
            "call": recording.call,
            "state": recording.state.as_str(),
            "duration_ms": recording.duration_ms,
            "format": recording.format,
            "size": recording.size,
            "sha256": recording.sha256,
            "audio": format!("{public_url}/recordings/{}/audio", recording.id),
        })
    }))
}

fn person(id: Option<i64>, names: &Names) -> Value {
    match id {
        Some(id) => json!({ "id": id, "name": names.people.get(&id) }),
        None => Value::Null,
    }
}

fn moment(at: Option<Timestamp>) -> Option<String> {
    at.map(Timestamp::rfc3339)
}

fn micros(at: Option<i64>) -> Option<String> {
    moment(at.map(Timestamp::from_micros))
}
