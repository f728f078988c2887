//! Calls: the journal by filter, and one call with all that belongs to it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    caller::Caller,
    cards::living,
    endpoint::{About, Act, Endpoint, Id, Nothing, read, write},
    problem::Problem,
    scope::Scope,
    words::{self, Limit, Moment, Page, Phone, some},
};
use crate::{
    model::{
        ids::{CallId, LineId, PersonId},
        time::Timestamp,
    },
    policy::{Action, Object},
    store::{
        journal::{self, CallPage, CallRow, Cursor, Filter, Involved},
        recordings, sources,
    },
    web::{
        Error, demand, now, pages,
        sight::{self, Sight},
    },
};

/// How far back a list goes when nobody says.
const DAYS: i64 = 30;
/// Calls are told ahead of our clock by so much at most.
const AHEAD_MS: i64 = 86_400_000;

/// The endpoints of calls.
pub fn endpoints() -> Vec<Endpoint> {
    vec![
        read("/api/v1/calls", LIST, list),
        read("/api/v1/calls/{id}", ONE, one),
        write::<Act, _, _, _, _>("/api/v1/calls/{id}/reveal", REVEAL, reveal),
    ]
}

const LIST: About = About {
    id: "listCalls",
    summary: "Calls, the newest first",
    details: "Those that the holder of the token may see: their own, their department's, or all.",
    scope: Scope::CallsRead,
    action: Action::SeeCalls,
};
const ONE: About = About {
    id: "getCall",
    summary: "One call with its people and recordings",
    details: "",
    scope: Scope::CallsRead,
    action: Action::SeeCalls,
};

const REVEAL: About = About {
    id: "revealCall",
    summary: "See the client's number of a call in full",
    details: "For those who see numbers masked and may uncover one; each time is audited.",
    scope: Scope::Numbers,
    action: Action::RevealNumbers,
};

/// Which calls.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    /// Started at or after. By default: 30 days ago.
    from: Option<Moment>,
    /// Started before. By default: now.
    to: Option<Moment>,
    /// Which way.
    #[serde(default)]
    #[schemars(schema_with = "words::direction")]
    direction: Option<String>,
    /// How they turned out. `unreached`: over, and somebody should call back; `open`: nobody has yet;
    /// `over`: however it turned out; `unknown`: over, and nobody has told whether anybody talked.
    #[serde(default)]
    #[schemars(schema_with = "words::outcome")]
    result: Option<String>,
    /// In which this person was rung or talked.
    person: Option<i64>,
    /// Over this line; 0: over one that is not known.
    line: Option<i64>,
    /// Of this channel: by rule, or over a line that stood for it then; 0: of none.
    channel: Option<i64>,
    /// Of this card.
    card: Option<Uuid>,
    /// The client's number, or its end; all of it where numbers are masked.
    number: Option<String>,
    /// How many.
    #[schemars(range(min = 1, max = 200))]
    limit: Option<u16>,
    /// Where to go on: `next` of the page before.
    after: Option<String>,
}

/// A call.
#[derive(Serialize, JsonSchema)]
pub struct Call {
    /// Our id.
    id: Uuid,
    /// Grows with all that becomes known of the call.
    version: i64,
    /// The account at a PBX that told of it.
    account: String,
    /// Where it stands.
    #[schemars(schema_with = "words::phase")]
    phase: String,
    /// Which way it went; null: not known yet.
    #[schemars(schema_with = "words::direction")]
    direction: Option<String>,
    /// How it turned out; null: not over, or nobody has told.
    #[schemars(schema_with = "words::result")]
    result: Option<String>,
    /// The client's number; null: withheld or not told.
    client: Option<Phone>,
    /// The client's name, where it may be seen.
    client_name: Option<String>,
    /// The client's company, where it may be seen.
    client_company: Option<String>,
    /// The client's card.
    card: Option<Uuid>,
    /// The number of ours that was called.
    our_number: Option<String>,
    /// The line.
    line: Option<i64>,
    /// Its name.
    line_name: Option<String>,
    /// Start.
    started_at: Moment,
    /// First human answer.
    answered_at: Option<Moment>,
    /// End.
    ended_at: Option<Moment>,
    /// Start to first human answer or end, in milliseconds.
    wait_ms: Option<i64>,
    /// Talk without hold, in milliseconds.
    talk_ms: Option<i64>,
    /// Name of the person who answered first (outgoing: who called).
    person_name: Option<String>,
    /// Their extension.
    extension: Option<String>,
    /// The best state of its recordings; null: none told of.
    #[schemars(schema_with = "words::recording_state_or_null")]
    recording: Option<String>,
    /// Whether somebody still has to call back.
    open_task: bool,
}

impl Call {
    fn of(row: CallRow, sight: Sight) -> Self {
        let client = match &row.client {
            Some(e164) => Some(Phone::of(e164, sight)),
            None => Phone::other(&row.client_shown, sight),
        };
        let named = |name: Option<&str>| name.filter(|_| sight.names).and_then(some);
        let card_name = named(row.card_name.as_deref());
        Self {
            id: row.id,
            version: row.version,
            phase: row.phase,
            direction: row.direction,
            result: row.result,
            client,
            client_name: card_name.or_else(|| named(Some(&row.client_name))),
            client_company: named(row.card_company.as_deref()),
            card: row.card,
            our_number: row.did,
            line: row.line,
            line_name: row.line_name,
            started_at: Moment::from_micros(row.started_at),
            answered_at: row.answered_at.map(Moment::from_micros),
            ended_at: row.ended_at.map(Moment::from_micros),
            wait_ms: row.wait_ms,
            talk_ms: row.talk_ms,
            person_name: row.person_name,
            extension: row.answered_ext,
            recording: row.recording,
            open_task: row.open_task == 1,
            account: row.account,
        }
    }
}

/// A call with all that belongs to it.
#[derive(Serialize, JsonSchema)]
pub struct WholeCall {
    #[serde(flatten)]
    call: Call,
    /// First ring to first human answer or end, in milliseconds.
    ring_ms: Option<i64>,
    /// Hold after the answer, in milliseconds.
    hold_ms: Option<i64>,
    /// How it ended, as a closed word.
    ended: Option<String>,
    /// Who hung up, as a closed word.
    hangup_by: Option<String>,
    /// Why it has this card, as a closed word.
    match_reason: Option<String>,
    /// Why it was routed as it was, as a closed word.
    route_reason: Option<String>,
    /// Everybody who was rung or talked.
    people: Vec<Person>,
    /// Its recordings.
    recordings: Vec<i64>,
    /// Where the client came from, as far as anybody told; the surest first.
    attribution: Vec<Attribution>,
}

/// Where the client of a call came from.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "CallAttribution")]
pub struct Attribution {
    /// The account that told it.
    account: String,
    /// How sure it is that it is this call's: `key` by a name of the call or with the call itself, `line` by
    /// client, number of ours and time, `client` by client and time.
    #[schemars(schema_with = "words::confidence")]
    confidence: &'static str,
    /// Source, in small letters; empty: not told. So are the next three.
    source: String,
    /// Medium.
    medium: String,
    /// Campaign.
    campaign: String,
    /// Keyword.
    keyword: String,
    /// Everything told, by name.
    fields: BTreeMap<String, String>,
}

impl From<sources::Attribution> for Attribution {
    fn from(told: sources::Attribution) -> Self {
        Self {
            account: told.account,
            confidence: told.confidence.as_str(),
            source: told.source,
            medium: told.medium,
            campaign: told.campaign,
            keyword: told.term,
            fields: told.fields,
        }
    }
}

/// Somebody who was rung or talked.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "CallPerson")]
pub struct Person {
    /// Who.
    id: i64,
    /// Name.
    name: String,
    /// Whether their phone rang.
    rang: bool,
    /// Whether they talked with the client.
    talked: bool,
}

impl From<Involved> for Person {
    fn from(one: Involved) -> Self {
        Self {
            id: one.person,
            name: one.name,
            rang: one.rang == 1,
            talked: one.talked == 1,
        }
    }
}

async fn list(caller: Caller, _: Nothing, asked: Asked) -> Result<Page<Call>, Problem> {
    let limit = Limit::of(asked.limit)?;
    let after: Option<(i64, Uuid)> = words::place(asked.after.as_deref())?;
    let sight = sight::in_lists(&caller.visitor);
    let filter = filter(&caller, asked, sight).await?;
    let digits = filter.digits.as_deref();
    sight::searched(&caller.site, &caller.visitor, sight, digits).await?;
    caller.exports("calls").await?;
    let after = after.map(|(started_at, id)| Cursor {
        started_at: Timestamp::from_micros(started_at),
        id,
    });
    let rows = journal::page(&caller.site.db, &filter, after, limit.rows()).await?;
    let place = |row: &CallRow| (row.started_at, row.id);
    Ok(Page::of(rows, limit, place, |row| Call::of(row, sight)))
}

async fn filter(caller: &Caller, asked: Asked, sight: Sight) -> Result<Filter, Problem> {
    let now = now();
    let from = asked.from.map(|from| from.0);
    let to = asked.to.map(|to| to.0);
    let from = from.unwrap_or_else(|| now.plus_millis(-DAYS * 86_400_000));
    let to = to.unwrap_or_else(|| now.plus_millis(AHEAD_MS));
    Ok(Filter {
        direction: asked.direction.as_deref().map(direction).transpose()?,
        outcome: asked.result.as_deref().map(outcome).transpose()?,
        person: asked.person.map(PersonId),
        line: asked.line.map(LineId),
        channel: asked.channel,
        card: living(caller, asked.card).await?,
        digits: digits(asked.number.as_deref(), sight)?,
        ..Filter::of(sight::whose(&caller.visitor), from, to)
    })
}

fn direction(word: &str) -> Result<&'static str, Problem> {
    ["in", "out", "internal"]
        .into_iter()
        .find(|known| *known == word)
        .ok_or_else(|| Problem::Unreadable("direction: in, out or internal.".to_owned()))
}

fn outcome(word: &str) -> Result<journal::Outcome, Problem> {
    pages::journal::outcome(word)
        .ok_or_else(|| Problem::Unreadable("result: no such word.".to_owned()))
}

/// The digits to look for; a part of a hidden number is refused and not ignored: a program that asked
/// for one client must not be told of all.
pub fn digits(number: Option<&str>, sight: Sight) -> Result<Option<String>, Problem> {
    let Some(number) = number else {
        return Ok(None);
    };
    match sight.digits_to_find(number) {
        Some(digits) => Ok(Some(digits)),
        None if sight.full_numbers => Err(Problem::Unreadable(
            "number: three digits at least.".to_owned(),
        )),
        None => Err(Problem::Unreadable(
            "number: numbers are masked for this token, so all digits are needed.".to_owned(),
        )),
    }
}

/// A call that this caller may do something to.
pub async fn permitted(
    caller: &Caller,
    id: CallId,
    action: Action,
) -> Result<(CallPage, Object), Problem> {
    let page = journal::call(&caller.site.db, id).await?;
    let page = page.ok_or(Error::NotFound)?;
    let object = sight::call_belongs(&caller.site, &caller.visitor, &page).await?;
    let verdict = demand(&caller.visitor, action, &object)?;
    let name = format!("call:{id}");
    sight::audit_ring(&caller.site, &caller.visitor, verdict, &name).await?;
    Ok((page, object))
}

async fn one(caller: Caller, place: Id, _: Nothing) -> Result<WholeCall, Problem> {
    let id = CallId(place.id);
    let (page, object) = permitted(&caller, id, Action::SeeCalls).await?;
    let sight = sight::of(&caller.visitor, &object);
    whole(&caller, page, sight).await
}

async fn whole(caller: &Caller, page: CallPage, sight: Sight) -> Result<WholeCall, Problem> {
    let id = CallId(page.row.id);
    let db = &caller.site.db;
    let people = journal::involved(db, id).await?;
    let recordings = recordings::of_call(db, id).await?;
    let visits = sources::of_call(db, id).await?;
    let more = page.more;
    Ok(WholeCall {
        call: Call::of(page.row, sight),
        ring_ms: more.ring_ms,
        hold_ms: more.hold_ms,
        ended: more.ended,
        hangup_by: more.hangup_by,
        match_reason: more.match_reason,
        route_reason: more.route_reason,
        people: people.into_iter().map(Person::from).collect(),
        recordings: recordings.iter().map(|recording| recording.id).collect(),
        attribution: visits.into_iter().map(Attribution::from).collect(),
    })
}

/// The client of a call.
#[derive(Serialize, JsonSchema)]
pub struct CallClient {
    /// The client's number in full; null: withheld or not told.
    client: Option<Phone>,
}

async fn reveal(caller: Caller, place: Id, _: Nothing) -> Result<CallClient, Problem> {
    let id = CallId(place.id);
    let (page, object) = permitted(&caller, id, Action::SeeCalls).await?;
    demand(&caller.visitor, Action::RevealNumbers, &object)?;
    let name = format!("call:{id}");
    sight::audited(&caller.site, &caller.visitor, "reveal", &name, "").await?;
    let sight = Sight {
        full_numbers: true,
        ..sight::of(&caller.visitor, &object)
    };
    Ok(CallClient {
        client: Call::of(page.row, sight).client,
    })
}
