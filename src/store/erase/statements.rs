//! The SQL of an erasure, in the order in which it runs: what refers to something goes before it.

use crate::store::rows::{
    Kind::{self, Bytes, Id, Int, Text},
    Statement,
};

pub(super) static JOURNAL_AFTER: Statement = Statement::new(
    "select id, body, reason from raw where id > (select r.after from {rows} as r) \
     order by id limit (select r.portion from {rows} as r)",
    &[("after", Int), ("portion", Int)],
);

/// The rows stay, so that messages are still counted.
pub(super) static EMPTY_MESSAGES: Statement = Statement::per_engine(
    "update raw set body = x'', reason = 'erased', outcome = case when outcome in \
     ('undecodable', 'apply_failed') then 'ignored' else outcome end \
     where id in (select r.id from {rows} as r)",
    "update raw set body = ''::bytea, reason = 'erased', outcome = case when outcome in \
     ('undecodable', 'apply_failed') then 'ignored' else outcome end \
     where id in (select r.id from {rows} as r)",
    &[("id", Int)],
);

pub(super) static LOAD_CALLS: Statement = Statement::new(
    "select c.id, c.derived, c.facts from {rows} as r join call c on c.id = r.id",
    &[("id", Id)],
);

/// The version grows, so that no writer goes on with what it remembers. What is stored of a client
/// that withheld the number is what the writer would store.
pub(super) static SCRUB_CALLS: Statement = Statement::new(
    "update call set client = null, client_shown = 'withheld', client_name = '', card = null, \
     match_reason = null, recording = null, derived = r.derived, facts = r.facts, sealed = 0, \
     version = call.version + 1 from {rows} as r where call.id = r.id",
    &[("id", Id), ("derived", Text), ("facts", Bytes)],
);

/// Recordings of the calls that are here.
pub(super) static FILES_OF_CALLS: Statement = Statement::new(
    "select distinct k.sha256 from recording k join {rows} as r on r.id = k.call \
     where k.sha256 is not null",
    &[("id", Id)],
);

pub(super) static ROWS_OF_FILE: Statement = Statement::new(
    "select k.id from recording k join {rows} as r on r.name = k.sha256",
    &[("name", Text)],
);

const CALL: &[(&str, Kind)] = &[("id", Id), ("shown", Text)];
const CARD: &[(&str, Kind)] = &[("id", Id), ("shown", Text)];
const NUMBER: &[(&str, Kind)] = &[("number", Text), ("pattern", Text)];

/// Table and what is done there, for each call.
pub(super) static BY_CALL: [(&str, Statement); 8] = [
    (
        "visit",
        Statement::new(
            "delete from visit where call in (select r.id from {rows} as r)",
            CALL,
        ),
    ),
    (
        "audit",
        Statement::new(
            "update audit set object = 'erased', detail = '' where object in \
             (select 'recording:' || k.id from recording k join {rows} as r on r.id = k.call)",
            CALL,
        ),
    ),
    (
        "audit",
        Statement::new(
            "update audit set detail = '' where detail <> '' \
             and object in (select 'call:' || r.shown from {rows} as r)",
            CALL,
        ),
    ),
    (
        "recording",
        Statement::new(
            "delete from recording where call in (select r.id from {rows} as r)",
            CALL,
        ),
    ),
    (
        "outbox",
        Statement::new(
            "delete from outbox where call in (select r.id from {rows} as r)",
            CALL,
        ),
    ),
    (
        "pop",
        Statement::new(
            "delete from pop where call in (select r.id from {rows} as r)",
            CALL,
        ),
    ),
    (
        "decision",
        Statement::new(
            "update decision set client = null, explain = '[]' where exists (select 1 \
             from call_key k join {rows} as r on r.id = k.call \
             where k.account = decision.account and k.key = decision.key)",
            CALL,
        ),
    ),
    (
        "task",
        Statement::new(
            "update task set client = null, card = null, outcome = coalesce(outcome, 'obsolete'), \
             done_at = coalesce(done_at, due_at) where call in (select r.id from {rows} as r)",
            CALL,
        ),
    ),
];

/// Table and what is done there, for each number.
pub(super) static BY_NUMBER: [(&str, Statement); 14] = [
    (
        "visit",
        Statement::new(
            "delete from visit where client in (select r.number from {rows} as r) or exists \
             (select 1 from {rows} as r where visit.fields like r.pattern)",
            NUMBER,
        ),
    ),
    (
        "delivery",
        Statement::new(
            "delete from delivery where exists \
             (select 1 from {rows} as r where delivery.body like r.pattern)",
            NUMBER,
        ),
    ),
    (
        "news",
        Statement::new(
            "delete from news where exists \
             (select 1 from {rows} as r where news.body like r.pattern)",
            NUMBER,
        ),
    ),
    (
        "number_mark",
        Statement::new(
            "delete from number_mark where e164 in (select r.number from {rows} as r)",
            NUMBER,
        ),
    ),
    (
        "decision",
        Statement::new(
            "update decision set client = null, explain = '[]' \
             where client in (select r.number from {rows} as r)",
            NUMBER,
        ),
    ),
    (
        "task",
        Statement::new(
            "update task set client = null, card = null, outcome = coalesce(outcome, 'obsolete'), \
             done_at = coalesce(done_at, due_at) where client in (select r.number from {rows} as r)",
            NUMBER,
        ),
    ),
    (
        "rollup_client",
        Statement::new(
            "delete from rollup_client where client in (select r.number from {rows} as r)",
            NUMBER,
        ),
    ),
    (
        "call_key",
        Statement::new(
            "delete from call_key where exists \
             (select 1 from {rows} as r where call_key.key like r.pattern)",
            NUMBER,
        ),
    ),
    (
        "outbox",
        Statement::new(
            "delete from outbox where exists (select 1 from {rows} as r \
             where outbox.body like r.pattern or outbox.lane like r.pattern \
             or outbox.error like r.pattern)",
            NUMBER,
        ),
    ),
    (
        "audit",
        Statement::new(
            "update audit set object = 'erased', detail = '' where exists (select 1 \
             from {rows} as r where audit.object like r.pattern or audit.detail like r.pattern)",
            NUMBER,
        ),
    ),
    (
        "api_answer",
        Statement::new(
            "update api_answer set body = '{}' where exists \
             (select 1 from {rows} as r where api_answer.body like r.pattern)",
            NUMBER,
        ),
    ),
    (
        "touch",
        Statement::new(
            "delete from touch where client in (select r.number from {rows} as r)",
            NUMBER,
        ),
    ),
    // Such a merge cannot be undone any more.
    (
        "card_merge",
        Statement::new(
            "delete from card_merge where exists \
             (select 1 from {rows} as r where card_merge.body like r.pattern)",
            NUMBER,
        ),
    ),
    (
        "card_phone",
        Statement::new(
            "delete from card_phone where e164 in (select r.number from {rows} as r)",
            NUMBER,
        ),
    ),
];

/// Table and what is done there, for each card.
pub(super) static BY_CARD: [(&str, Statement); 11] = [
    (
        "delivery",
        Statement::new(
            "delete from delivery where exists (select 1 from {rows} as r \
             where delivery.body like '%' || r.shown || '%' or delivery.lane = 'card/' || r.shown)",
            CARD,
        ),
    ),
    (
        "audit",
        Statement::new(
            "update audit set object = 'erased', detail = '' \
             where object in (select 'card:' || r.shown from {rows} as r)",
            CARD,
        ),
    ),
    (
        "api_answer",
        Statement::new(
            "update api_answer set body = '{}' where exists \
             (select 1 from {rows} as r where api_answer.body like '%' || r.shown || '%')",
            CARD,
        ),
    ),
    (
        "hold",
        Statement::new(
            "delete from hold where object in (select 'card:' || r.shown from {rows} as r)",
            CARD,
        ),
    ),
    (
        "touch",
        Statement::new(
            "delete from touch where card in (select r.id from {rows} as r)",
            CARD,
        ),
    ),
    (
        "task",
        Statement::new(
            "update task set client = null, card = null, outcome = coalesce(outcome, 'obsolete'), \
             done_at = coalesce(done_at, due_at) where card in (select r.id from {rows} as r)",
            CARD,
        ),
    ),
    (
        "card_event",
        Statement::new(
            "delete from card_event where card in (select r.id from {rows} as r) \
             or body in (select r.shown from {rows} as r)",
            CARD,
        ),
    ),
    (
        "card_merge",
        Statement::new(
            "delete from card_merge where winner in (select r.id from {rows} as r) \
             or loser in (select r.id from {rows} as r)",
            CARD,
        ),
    ),
    (
        "card_phone",
        Statement::new(
            "delete from card_phone where card in (select r.id from {rows} as r)",
            CARD,
        ),
    ),
    // Also what the changes above have made themselves.
    (
        "news",
        Statement::new(
            "delete from news where subject in (select r.id from {rows} as r)",
            CARD,
        ),
    ),
    (
        "card",
        Statement::new(
            "delete from card where id in (select r.id from {rows} as r)",
            CARD,
        ),
    ),
];
