//! The tables that follow from calls, counted anew from the calls themselves: cards, figures, tasks,
//! people, recordings, the journal of messages; and that nothing points to what is not there.

use std::collections::{BTreeMap, BTreeSet};

use ringcard::{
    model::{
        call::{Call, CallResult},
        event::Direction,
        ids::Extension,
    },
    simulator::{ledger::Ledger, message::Post},
    store::Db,
};
use uuid::Uuid;

use super::{
    Plan,
    accounts::SECRET,
    found::{Row, name},
    tasks,
};

/// Reads all rows of a statement on either store.
macro_rules! all {
    ($db:expr, $sql:expr) => {
        ringcard::on_read!($db, pool => { sqlx::query_as($sql).fetch_all(pool).await })
            .expect("the tables can be read")
    };
}
pub(super) use all;

/// Everything that is not as it follows from the calls.
pub async fn check(plan: &Plan, rows: &[Row], db: &Db, wrong: &mut Vec<String>) {
    cards(plan, rows, db, wrong).await;
    figures(rows, db, wrong).await;
    clients(rows, db, wrong).await;
    tasks::check(plan, rows, db, wrong).await;
    people(plan, rows, db, wrong).await;
    recordings(rows, db, wrong).await;
    journal(plan, db, wrong).await;
    orphans(db, wrong).await;
    doctor(db, wrong).await;
}

/// `ringcard doctor --recount` finds nothing to say.
pub async fn doctor(db: &Db, wrong: &mut Vec<String>) {
    let checked = ringcard::store::figures::check(db, false).await;
    let checked = checked.expect("the tables can be read");
    if !checked.differences.is_empty() {
        wrong.push(format!("the doctor: {:?}", checked.differences));
    }
}

/// One card per number, and every call on the card that carries its client's number. Of cards that
/// people have tidied one may carry several, or none any more.
async fn cards(plan: &Plan, rows: &[Row], db: &Db, wrong: &mut Vec<String>) {
    let phones: Vec<(String, String, Uuid)> = all!(
        db,
        "select e164, ext, card from card_phone where kind = 'own'"
    );
    let cards: Vec<Card> = all!(
        db,
        "select card.id, person.login, first_line, first_at from card
         left join person on person.id = card.owner where merged_into is null"
    );
    let by_number: BTreeMap<&str, Uuid> = phones
        .iter()
        .map(|(e164, _, card)| (e164.as_str(), *card))
        .collect();
    let clients: BTreeSet<&str> = rows.iter().filter_map(Row::client).collect();
    let is_live = |id: &Uuid| cards.iter().any(|(card, ..)| card == id);
    let fits = match plan.tidied {
        true => {
            let known = |client: &&str| by_number.contains_key(client);
            clients.iter().all(known) && by_number.values().all(is_live)
        }
        false => {
            cards.len() == by_number.len() && clients.iter().copied().eq(by_number.keys().copied())
        }
    };
    if phones.len() != by_number.len() || !fits || phones.iter().any(|(_, ext, _)| !ext.is_empty())
    {
        wrong.push(format!(
            "{} cards and phones {phones:?} for clients {clients:?}",
            cards.len()
        ));
    }
    let mut created: BTreeMap<Uuid, usize> = BTreeMap::new();
    for row in rows {
        let wanted = row.client().and_then(|number| by_number.get(number));
        let reason = row.exported.match_reason.as_deref();
        let fits = match reason {
            None => row.exported.card.is_none(),
            Some(reason) => matches!(reason, "created" | "own_number"),
        };
        if row.exported.card != wanted.copied() || !fits {
            let card = row.exported.card;
            wrong.push(format!("{}: on card {card:?} for {reason:?}", row.name()));
        }
        if let (Some(card), Some("created")) = (row.exported.card, reason) {
            *created.entry(card).or_default() += 1;
        }
    }
    // Who took the card first may have turned out to be another client's call only when told late.
    let once = |card: &Card| created.get(&card.0) == Some(&1);
    if plan.calm && !plan.tidied && !cards.iter().all(once) {
        wrong.push(format!("cards are created as often as {created:?}"));
    }
    for (card, owner, line, at) in &cards {
        let numbers: BTreeSet<&str> = by_number
            .iter()
            .filter(|(_, of)| *of == card)
            .map(|(number, _)| *number)
            .collect();
        let client = Client { numbers, rows };
        first_touch(&client, (*line, *at), wrong);
        owned(plan, &client, owner.as_deref(), wrong);
    }
}

/// Id, login of the owner, first line, first call.
type Card = (Uuid, Option<String>, Option<i64>, Option<i64>);

/// A client by the numbers of the card.
struct Client<'a> {
    numbers: BTreeSet<&'a str>,
    rows: &'a [Row],
}

impl<'a> Client<'a> {
    fn has(&self, number: Option<&str>) -> bool {
        number.is_some_and(|number| self.numbers.contains(number))
    }

    fn rows(&self) -> impl Iterator<Item = &'a Row> {
        self.rows.iter().filter(|row| self.has(row.client()))
    }
}

/// First touch: the earliest call that came in.
fn first_touch(client: &Client<'_>, found: (Option<i64>, Option<i64>), wrong: &mut Vec<String>) {
    let came_in = client
        .rows()
        .filter(|row| row.call().direction == Some(Direction::In));
    let touches = came_in.map(|row| (row.call().started_at.as_micros(), row.line));
    // Of calls in the same moment the one on a known line counts.
    let first = touches.min_by_key(|(at, line)| (*at, line.unwrap_or(i64::MAX)));
    let wanted = (first.and_then(|(_, line)| line), first.map(|(at, _)| at));
    if found != wanted {
        let numbers = &client.numbers;
        wrong.push(format!(
            "{numbers:?}: first touch {found:?}, not {wanted:?}"
        ));
    }
}

/// Whoever answered the client first owns the card: in the journal, and in the ledger.
fn owned(plan: &Plan, client: &Client<'_>, owner: Option<&str>, wrong: &mut Vec<String>) {
    let numbers = &client.numbers;
    let answers = client
        .rows()
        .filter_map(|row| Some((row.call().answered_at?, row.person?)));
    let first = answers.min().map(|(_, person)| {
        let extension = &plan.world.people[person as usize - 1];
        format!("p{extension}")
    });
    if first.as_deref() != owner {
        wrong.push(format!(
            "{numbers:?}: owner {owner:?}, first answer {first:?}"
        ));
    }
    let calls = || {
        let calls = plan.calls.iter();
        calls.filter(|call| client.has(call.ledger.client.as_deref()))
    };
    if calls().any(|call| plan.maimed.contains(&call.story.number)) {
        return;
    }
    let answered: Vec<&super::Call> = calls()
        .filter(|call| call.ledger.answered_by.is_some())
        .collect();
    let is_untimed = |call: &&super::Call| call.ledger.by_arrival;
    let answers: Vec<(i64, String)> = answered
        .iter()
        .filter_map(|call| {
            let ledger = &call.ledger;
            let at = ledger.started_at.plus_millis(ledger.wait_ms?);
            Some((at.as_millis(), format!("p{}", ledger.answered_by.as_ref()?)))
        })
        .collect();
    let fits = match owner {
        // An answer of which nobody has told when it was makes no owner; that the journal knows none is
        // seen above.
        None => answered.iter().all(is_untimed),
        // Some tell an answer by when they tell it: then any of them may be the first one.
        Some(owner) if answered.iter().any(is_untimed) => answered
            .iter()
            .flat_map(|call| who_talked(&call.ledger))
            .any(|who| owner == format!("p{who}")),
        // The events of one moment take their time: two answers of one millisecond have no order.
        Some(owner) => {
            let first = answers.iter().map(|(at, _)| *at).min();
            let is_first = |at: i64| first.is_some_and(|first| at - first <= 1);
            answers
                .iter()
                .any(|(at, who)| is_first(*at) && who == owner)
        }
    };
    if !fits {
        let calls: Vec<String> = calls().map(|call| name(&call.ledger)).collect();
        wrong.push(format!(
            "{numbers:?}: owner {owner:?}, ledger {answers:?} of {calls:?}"
        ));
    }
}

/// Who of ours talked with the client.
fn who_talked(ledger: &Ledger) -> impl Iterator<Item = &str> {
    let phones = ledger.phones.iter();
    let talked = phones.filter(|phone| phone.answered_at.is_some());
    let first = ledger.answered_by.as_deref();
    first
        .into_iter()
        .chain(talked.map(|phone| phone.extension.as_str()))
}

fn direction_word(call: &Call) -> String {
    call.direction
        .map_or("unknown", Direction::as_str)
        .to_owned()
}

pub fn wants_call_back(call: &Call) -> bool {
    !matches!(
        call.result,
        None | Some(CallResult::Answered | CallResult::Blocked)
    )
}

/// Quarter-hour, line, person, direction.
type Slot = (i64, i64, i64, String);

/// Sums in reports equal counts in the journal, slot by slot.
async fn figures(rows: &[Row], db: &Db, wrong: &mut Vec<String>) {
    type Sums = (i64, i64, i64, String, i64, i64, i64, i64, i64, i64);
    let sums: Vec<Sums> = all!(
        db,
        "select quarter, line, person, direction, cast(sum(calls) as bigint),
                cast(sum(answered) as bigint), cast(sum(missed) as bigint),
                cast(sum(talk_ms) as bigint), cast(sum(wait_ms) as bigint),
                cast(sum(ring_ms) as bigint)
         from rollup group by quarter, line, person, direction"
    );
    let mut told: BTreeMap<Slot, [i64; 6]> = BTreeMap::new();
    for (quarter, line, person, direction, calls, answered, missed, talk, wait, ring) in sums {
        let sums = [calls, answered, missed, talk, wait, ring];
        told.insert((quarter, line, person, direction), sums);
    }
    told.retain(|_, sums| *sums != [0; 6]);
    let mut counted: BTreeMap<Slot, [i64; 6]> = BTreeMap::new();
    for row in rows.iter().filter(|row| row.call().is_over()) {
        let call = row.call();
        let quarter = call.started_at.as_seconds().div_euclid(900);
        let (line, person) = (row.line.unwrap_or(0), row.person.unwrap_or(0));
        let slot = (quarter, line, person, direction_word(call));
        let sums = counted.entry(slot).or_default();
        sums[0] += 1;
        sums[1] += i64::from(call.result == Some(CallResult::Answered));
        sums[2] += i64::from(wants_call_back(call));
        sums[3] += call.talk_ms.unwrap_or(0);
        sums[4] += call.wait_ms.unwrap_or(0);
        sums[5] += call.ring_ms.unwrap_or(0);
    }
    if told != counted {
        wrong.push(format!("figures: {told:?}, journal {counted:?}"));
    }
}

/// Calls of each client by day and line.
async fn clients(rows: &[Row], db: &Db, wrong: &mut Vec<String>) {
    let told: Vec<(i64, i64, String, i64)> = all!(
        db,
        "select day, line, client, calls from rollup_client where calls <> 0"
    );
    let told: BTreeMap<(i64, i64, String), i64> = told
        .into_iter()
        .map(|(day, line, client, calls)| ((day, line, client), calls))
        .collect();
    let mut counted = BTreeMap::new();
    for row in rows.iter().filter(|row| row.call().is_over()) {
        if let (Some(Direction::In), Some(number)) = (row.call().direction, row.client()) {
            let day = row.call().started_at.as_seconds().div_euclid(86_400);
            let seen = (day, row.line.unwrap_or(0), number.to_owned());
            *counted.entry(seen).or_insert(0) += 1;
        }
    }
    if told != counted {
        wrong.push(format!("clients by day: {told:?}, journal {counted:?}"));
    }
}

/// Sight of a call, and "my calls", go to exactly those whose phones rang or who talked.
async fn people(plan: &Plan, rows: &[Row], db: &Db, wrong: &mut Vec<String>) {
    let persons: Vec<(Uuid, i64, i64, i64, i64)> = all!(
        db,
        "select call, person, started_at, rang, talked from call_person"
    );
    for row in rows {
        let mut found: Vec<(i64, bool, bool)> = Vec::new();
        for (call, person, started_at, rang, talked) in &persons {
            if *call == row.exported.id {
                found.push((*person, *rang != 0, *talked != 0));
                if *started_at != row.call().started_at.as_micros() {
                    wrong.push(format!(
                        "{}: person {person} from another start",
                        row.name()
                    ));
                }
            }
        }
        found.sort_unstable();
        let of_legs = people_of_legs(plan, row.call());
        if found != of_legs {
            wrong.push(format!(
                "{}: people {found:?}, legs {of_legs:?}",
                row.name()
            ));
        }
    }
}

fn people_of_legs(plan: &Plan, call: &Call) -> Vec<(i64, bool, bool)> {
    let mut people: BTreeMap<i64, (bool, bool)> = BTreeMap::new();
    let place = |extension: &Extension| {
        let mut all = plan.world.people.iter();
        all.position(|who| who == extension.as_str())
            .map(|place| place as i64 + 1)
    };
    for leg in &call.legs {
        let talked = leg.was_answered();
        if let Some(person) = leg.extension().and_then(place) {
            let known = people.entry(person).or_default();
            known.0 |= leg.rang_at.is_some();
            known.1 |= talked;
        }
        // Whoever calls the client over a leg has no ring there.
        if let Some(person) = leg.caller.as_ref().and_then(place) {
            people.entry(person).or_default().1 |= talked;
        }
    }
    let people = people.into_iter();
    people
        .map(|(who, (rang, talked))| (who, rang, talked))
        .collect()
}

/// A row for each recording told of, and a job for each that can be fetched.
async fn recordings(rows: &[Row], db: &Db, wrong: &mut Vec<String>) {
    let kept: Vec<(Uuid, String)> = all!(db, "select call, recording from recording");
    let jobs: Vec<(Uuid, String)> = all!(
        db,
        // One that was given up is made anew when there is news.
        "select call, body from outbox where kind = 'recording' and state <> 'failed'"
    );
    let given_up: Vec<(Uuid, String)> = all!(
        db,
        "select call, body from outbox where kind = 'recording' and state = 'failed'"
    );
    let mut kept = kept;
    kept.sort();
    let mut told: Vec<(Uuid, String)> = Vec::new();
    let mut ready: Vec<(Uuid, String)> = Vec::new();
    for row in rows {
        for news in &row.call().recordings {
            use ringcard::model::event::RecordingStage::{Completed, Ready};
            told.push((row.exported.id, news.recording.clone()));
            if news.source.is_some() && matches!(news.stage, Completed | Ready) {
                ready.push((row.exported.id, news.recording.clone()));
            }
        }
        if row.exported.recordings.len() != row.call().recordings.len() {
            let found = row.exported.recordings.len();
            wrong.push(format!("{}: {found} recordings exported", row.name()));
        }
    }
    told.sort();
    if kept != told {
        wrong.push(format!("recordings {kept:?}, told of {told:?}"));
    }
    let unique: BTreeSet<_> = jobs.iter().cloned().collect();
    if unique.len() != jobs.len()
        || !ready
            .iter()
            .all(|job| unique.contains(job) || given_up.contains(job))
    {
        wrong.push(format!(
            "jobs {jobs:?}, can be fetched {ready:?}, given up {given_up:?}"
        ));
    }
}

/// Nothing that a provider sent is unreadable or impossible to apply.
pub async fn dead_letters(db: &Db, wrong: &mut Vec<String>) {
    let dead: Vec<(String, String)> = all!(
        db,
        "select outcome, reason from raw where outcome in ('undecodable', 'apply_failed')"
    );
    for (outcome, reason) in dead {
        wrong.push(format!("dead letter, {outcome}: {reason}"));
    }
}

/// How many messages before a kill may still be on their way to the disk though they are answered: what
/// is sent with it at once, and what was sent just before.
const NEAR_A_KILL: usize = 16;
/// How many messages are sent together with a kill.
const WITH_A_KILL: usize = 8;

/// Whether a message asks who should ring, and is answered before it is committed: ITooLabs by a word,
/// Twilio at addresses of their own. Zammad and sipgate ask only where an account says so.
pub fn is_question(post: &Post) -> bool {
    let asked_at = ["/voice", "/dial-action"];
    let is_asked_there = asked_at.iter().any(|at| post.target.starts_with(at));
    is_asked_there || post.body.contains("cmd=contact&")
}

/// Every acknowledged message is kept, and nothing that a provider sent is unreadable or impossible to
/// apply.
async fn journal(plan: &Plan, db: &Db, wrong: &mut Vec<String>) {
    dead_letters(db, wrong).await;
    let raw: Vec<(Vec<u8>,)> = all!(db, "select body from raw where source = 'webhook'");
    let mut kept: BTreeMap<String, usize> = BTreeMap::new();
    for (body,) in &raw {
        let request: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
        let text = |field: &str| request[field].as_str().unwrap_or_default().to_owned();
        *kept.entry(text("query") + &text("body")).or_default() += 1;
    }
    let told_secret = format!("&crm_token={SECRET}");
    let mut sent: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    for (n, hook) in plan.posts.iter().enumerate() {
        let (_, query) = hook.post.target.split_once('?').unwrap_or_default();
        // A secret that stands in the message itself is not kept with it.
        let body = hook.post.body.replace(&told_secret, "");
        // A question is answered at once, and what it tells is committed afterwards: a kill may come between.
        let is_near = |kill: &usize| match n <= *kill {
            true => kill - n <= NEAR_A_KILL,
            false => n - kill < WITH_A_KILL,
        };
        let may_be_lost = is_question(&hook.post) && plan.crashes.iter().any(is_near);
        let (times, lost) = sent.entry(query.to_owned() + &body).or_default();
        *times += 1 + usize::from(plan.echo);
        *lost += usize::from(may_be_lost);
    }
    for (message, (times, may_be_lost)) in sent {
        let found = kept.get(&message).copied().unwrap_or(0);
        if found + may_be_lost < times {
            wrong.push(format!(
                "acknowledged {times} times, kept {found}: {message}"
            ));
        }
    }
}

/// Rows that point to a call, card, name or recording that is not there.
async fn orphans(db: &Db, wrong: &mut Vec<String>) {
    const GONE: [(&str, &str); 12] = [
        (
            "names without a call",
            "select count(*) from call_key where call not in (select id from call)",
        ),
        (
            "calls without their name",
            "select count(*) from call c where not exists (select 1 from call_key k where k.account = c.account and k.key = c.call_key and k.call = c.id)",
        ),
        (
            "people of no call",
            "select count(*) from call_person where call not in (select id from call)",
        ),
        (
            "phones of no card",
            "select count(*) from card_phone where card not in (select id from card where merged_into is null)",
        ),
        (
            "cards without a phone",
            "select count(*) from card where version = 1 and id not in (select card from card_phone)",
        ),
        (
            "recordings of no call",
            "select count(*) from recording where call not in (select id from call)",
        ),
        (
            "calls that show a recording they have not, or not one they have",
            "select count(*) from call c where (c.recording is null) <> (not exists (select 1 from recording r where r.call = c.id))",
        ),
        (
            "jobs of no call",
            "select count(*) from outbox where call is not null and call not in (select id from call)",
        ),
        (
            "tasks of no call",
            "select count(*) from task where kind = 'call_back' and (call is null or call not in (select id from call))",
        ),
        (
            "tasks of no card",
            "select count(*) from task where card is not null and card not in (select id from card where merged_into is null)",
        ),
        (
            "touches of no card",
            "select count(*) from touch where card not in (select id from card where merged_into is null)",
        ),
        (
            "tasks closed by no call",
            "select count(*) from task where done_by is not null and done_by not in (select id from call)",
        ),
    ];
    for (what, sql) in GONE {
        let count: Vec<(i64,)> = all!(db, sql);
        if count[0].0 != 0 {
            wrong.push(format!("{} {what}", count[0].0));
        }
    }
}
