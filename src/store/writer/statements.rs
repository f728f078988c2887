//! The SQL of a commit: one text for both engines, many rows at once. On the writer's own connections to
//! SQLite the same text runs row by row, so what one row does must not change what the next finds, or the
//! statement says that its rows belong `together`. Cells are named with `r.`.
//!
//! Lock order over all tables, the same on every node: that of the writers, cards where they are, calls by key, lines, cards
//! and numbers, then as [`WRITES`] lists them. A batch prepared ahead locks nothing but by writing it: new cards and
//! recordings, then calls by id. On SQLite the write lock covers everything.

mod cards;
mod recordings;
mod tasks;
mod visits;

pub(in crate::store) use cards::{ADD_CARDS, DROP_CARDS, FIND_NUMBERS};
pub(super) use cards::{
    FIRST_TOUCH, FORGET_CARDS, FORGET_NUMBERS, NEW_CARDS, RECOUNT_FIRST, RECOUNT_OWNER, SET_OWNER,
};
use recordings::best_state;
pub(super) use recordings::{ADD_JOBS, ADD_RECORDINGS, SHOW_RECORDINGS, TELL_RECORDINGS};
pub(in crate::store) use tasks::{ADD_TASKS, OBSOLETE_TASKS, PASS_TASKS, SETTLE_TASKS, TRY_TASKS};
pub(super) use visits::{ADD_VISITS, DROP_VISITS, MOVE_VISITS};

use crate::store::rows::{Function, Kind, Script, Statement, Step};

use Kind::{Bytes, Id, Int, Long, Text};

/// All that a batch writes once its calls and cards are known.
pub(super) static WRITES: Script = Script::new(&STEPS);
static STEPS: [Step; 24] = [
    Step::new(&[&NEW_CARDS]),
    // Before their calls, which show the best of them.
    Step::new(&[&TELL_RECORDINGS]),
    Step::new(&[
        &JOURNAL,
        &ADD_CALLS,
        &NOTE_CALLS,
        &TOUCH_CALLS,
        &START_CALLS,
        &ANSWER_CALLS,
        &END_CALLS,
        &CHANGE_CALLS,
        &ADD_KEYS,
        &DROP_PERSONS,
        &SET_OWNER,
        &ADD_SUMS,
        &ADD_CLIENTS,
    ]),
    // Merges: what belonged to the loser belongs to the winner.
    Step::rare(&[&MOVE_KEYS]),
    Step::rare(&[&DROP_PERSONS_OF_LOSERS]),
    Step::rare(&[&DROP_DOUBLE_RECORDINGS]),
    Step::rare(&[&MOVE_RECORDINGS]),
    Step::rare(&[&MOVE_JOBS]),
    Step::rare(&[&DROP_DOUBLE_JOBS]),
    Step::rare(&[&DROP_TASKS]),
    Step::rare(&[&DROP_VISITS]),
    Step::rare(&[&MOVE_VISITS]),
    Step::rare(&[&DROP_CALLS]),
    Step::new(&[&ADD_PERSONS, &ADD_RECORDINGS, &ADD_JOBS, &FIRST_TOUCH]),
    Step::rare(&[&RECOUNT_FIRST]),
    Step::rare(&[&RECOUNT_OWNER]),
    Step::new(&[&SHOW_RECORDINGS, &PASS_TASKS]),
    Step::new(&[&ADD_TASKS, &OBSOLETE_TASKS]),
    Step::new(&[&SETTLE_TASKS]),
    Step::new(&[&TRY_TASKS]),
    Step::rare(&[&FORGET_NUMBERS]),
    Step::rare(&[&FORGET_CARDS]),
    // Of those whose calls come with a source.
    Step::rare(&[&ADD_VISITS]),
    // While somebody outside listens.
    Step::rare(&[&ADD_NEWS]),
];

/// The journal of raw messages.
pub(super) static JOURNAL: Statement = Statement::new(
    "insert into raw (account, received_at, source, body, outcome, reason) \
     select r.account, r.received_at, r.source, r.body, r.outcome, r.reason from {rows} as r",
    &[
        ("account", Text),
        ("received_at", Int),
        ("source", Text),
        ("body", Bytes),
        ("outcome", Text),
        ("reason", Text),
    ],
);

/// Keys of a batch, numbered.
const KEYS: &[(&str, Kind)] = &[("n", Int), ("account", Text), ("key", Text)];

/// PostgreSQL: the lock under which cards become part of each other. Whoever puts something on cards
/// holds it together with others, so that no call lands on a card that has just become part of another.
macro_rules! cards_lock {
    () => {
        "7202617461"
    };
}
/// Taken first by whoever puts something on cards.
pub(in crate::store) const CARDS_TOGETHER: &str = concat!(
    "select count(pg_advisory_xact_lock_shared(",
    cards_lock!(),
    "))"
);
/// Taken first by whoever moves what hangs on cards.
pub(in crate::store) const CARDS_ALONE: &str =
    concat!("select count(pg_advisory_xact_lock(", cards_lock!(), "))");

/// PostgreSQL: the lock of the nodes' writers. A batch that was prepared ahead is written alone, because it
/// stands on what no other writer may change; those that read under their own locks hold it together.
macro_rules! writers_lock {
    () => {
        "7202617462"
    };
}
/// Taken first by a batch that reads under its own locks.
pub(super) const WRITERS_TOGETHER: &str = concat!(
    "select count(pg_advisory_xact_lock_shared(",
    writers_lock!(),
    "))"
);

/// How a batch that was prepared ahead is written on PostgreSQL.
pub(super) static WRITE_AHEAD: Function = Function::new(
    &WRITES,
    &[
        concat!("pg_advisory_xact_lock(", writers_lock!(), ")"),
        concat!("pg_advisory_xact_lock_shared(", cards_lock!(), ")"),
    ],
);

/// PostgreSQL: locks cards where they are, then the names of calls, known or not, before anything is
/// read under them.
pub(super) static LOCK_KEYS: Statement = Statement::new(
    concat!(
        "select count(pg_advisory_xact_lock(hashtextextended(account || '/' || key, 0))), \
         count(cards) from (select pg_advisory_xact_lock_shared(",
        cards_lock!(),
        ") as cards) as c, (select account, key from {rows} as r order by account, key) as o"
    ),
    KEYS,
);

/// Which calls the keys name, in which version, and the directory's version. PostgreSQL locks those
/// calls in the order of their ids; beside them it tells, without versions, what each key names: a call
/// that has just become another one is gone when its lock is free, and must not look like a new one.
pub(super) static FIND_KEYS: Statement = Statement::per_engine(
    COMMITTED_KEYS,
    "with named as materialized (select r.n, k.call from {rows} as r \
     left join call_key k on k.account = r.account and k.key = r.key), \
     locked as (select named.n, c.id, c.version from named join call c on c.id = named.call \
     order by c.id for update of c) \
     select n, id, version, (select version from directory_version) from locked \
     union all select n, call, null, (select version from directory_version) from named",
    KEYS,
);

/// The same of what is committed, without a lock.
pub(super) static READ_KEYS: Statement = Statement::new(COMMITTED_KEYS, KEYS);
const COMMITTED_KEYS: &str = "select r.n, c.id, c.version, (select version from directory_version) \
     from {rows} as r left join call_key k on k.account = r.account and k.key = r.key \
     left join call c on c.id = k.call";

/// What they return: place of the key, id, version, version of the directory.
pub(super) type FoundKey = (i64, Option<uuid::Uuid>, Option<i64>, i64);

/// Calls that are there, with their versions.
pub(super) static FIND_VERSIONS: Statement = Statement::new(
    "select c.id, c.version from {rows} as r join call c on c.id = r.id",
    &[("id", Id)],
);

/// What is stored of calls.
pub(super) static LOAD_CALLS: Statement = Statement::new(
    "select c.id, c.version, c.account, c.call_key, c.derived, c.facts, c.sealed, c.card, \
     c.match_reason, c.line, c.answered_by, c.phase, c.direction, c.result, c.ended, c.client, \
     c.started_at, c.answered_at, c.ended_at, c.wait_ms, c.ring_ms, c.talk_ms \
     from {rows} as r join call c on c.id = r.id",
    &[("id", Id)],
);

/// Columns of `call` that follow from facts, in the order [`super::columns`] fills them. `derived` stays
/// empty ([`crate::store::derived`]); every update says so, for an earlier version may have filled it.
/// SQLite counts a row's cells from its beginning to find one: those that every change writes come first.
const CALL: &[(&str, Kind)] = &[
    ("id", Id),
    ("facts", Bytes),
    ("call_key", Text),
    ("version", Int),
    ("phase", Text),
    ("direction", Text),
    ("result", Text),
    ("hangup_by", Text),
    ("client_shown", Text),
    ("client_name", Text),
    ("did", Text),
    ("rang_at", Int),
    ("answered_at", Int),
    ("wait_ms", Int),
    ("ring_ms", Int),
    ("talk_ms", Int),
    ("hold_ms", Int),
    ("answered_ext", Text),
    ("match_reason", Text),
    ("route_reason", Text),
    ("heard_at", Int),
    ("ended", Text),
    ("ended_at", Int),
    ("answered_by", Int),
    ("started_at", Int),
    ("account", Text),
    ("client", Text),
    ("line", Int),
    ("card", Id),
    SHOWS,
];
/// Whether its recordings are told of in this batch, so that it may show another state of them.
const SHOWS: (&str, Kind) = ("shows", Int);

/// A call seen for the first time.
pub(super) static ADD_CALLS: Statement = Statement::new(
    "insert into call (id, account, call_key, version, phase, direction, result, ended, hangup_by, \
     client, client_shown, client_name, did, line, started_at, rang_at, answered_at, ended_at, \
     wait_ms, ring_ms, talk_ms, hold_ms, answered_ext, answered_by, card, match_reason, \
     route_reason, heard_at, derived, facts) \
     select r.id, r.account, r.call_key, r.version, r.phase, r.direction, r.result, r.ended, \
     r.hangup_by, r.client, r.client_shown, r.client_name, r.did, r.line, r.started_at, r.rang_at, \
     r.answered_at, r.ended_at, r.wait_ms, r.ring_ms, r.talk_ms, r.hold_ms, r.answered_ext, \
     r.answered_by, r.card, r.match_reason, r.route_reason, r.heard_at, '', r.facts \
     from {rows} as r",
    CALL,
);

macro_rules! shown_recordings {
    () => {
        concat!(
            "recording = case r.shows when 1 then ",
            best_state!(),
            " else call.recording end"
        )
    };
}

/// Columns of `call` that no index holds. SQLite rewrites the entries of every index whose column an
/// update names, changed or not; so the columns of indexes are named only where they change.
macro_rules! update_call {
    ($more:literal) => {
        concat!(
            "update call set call_key = r.call_key, version = r.version, phase = r.phase, \
             direction = r.direction, result = r.result, hangup_by = r.hangup_by, \
             client_shown = r.client_shown, client_name = r.client_name, did = r.did, \
             rang_at = r.rang_at, answered_at = r.answered_at, wait_ms = r.wait_ms, \
             ring_ms = r.ring_ms, talk_ms = r.talk_ms, hold_ms = r.hold_ms, \
             answered_ext = r.answered_ext, match_reason = r.match_reason, \
             route_reason = r.route_reason, heard_at = r.heard_at, derived = '', \
             facts = r.facts, ",
            shown_recordings!(),
            $more,
            " from {rows} as r where call.id = r.id"
        )
    };
}

/// What a prepared batch has read of a call is what it changes.
const AS_IT_WAS: &str = "call.version = r.version - 1";

/// Something was told that changes no other column: half of what is told of a call.
pub(super) static NOTE_CALLS: Statement = Statement::new(
    concat!(
        "update call set version = r.version, phase = r.phase, heard_at = r.heard_at, \
         derived = '', facts = r.facts, ",
        shown_recordings!(),
        " from {rows} as r where call.id = r.id"
    ),
    &[
        ("id", Id),
        ("facts", Bytes),
        ("version", Int),
        ("phase", Text),
        ("heard_at", Int),
        SHOWS,
    ],
)
.only_if(AS_IT_WAS);
/// A change of nothing that an index holds.
pub(super) static TOUCH_CALLS: Statement =
    Statement::new(update_call!(""), CALL).only_if(AS_IT_WAS);
/// An earlier start has become known.
pub(super) static START_CALLS: Statement =
    Statement::new(update_call!(", started_at = r.started_at"), CALL).only_if(AS_IT_WAS);
/// A person has answered.
pub(super) static ANSWER_CALLS: Statement =
    Statement::new(update_call!(", answered_by = r.answered_by"), CALL).only_if(AS_IT_WAS);
/// The call has ended.
pub(super) static END_CALLS: Statement = Statement::new(
    update_call!(", ended = r.ended, ended_at = r.ended_at"),
    CALL,
)
.only_if(AS_IT_WAS);
/// Any other change; a sealed call is opened again.
pub(super) static CHANGE_CALLS: Statement = Statement::new(
    update_call!(
        ", started_at = r.started_at, answered_by = r.answered_by, ended = r.ended, \
         ended_at = r.ended_at, client = r.client, card = r.card, line = r.line, sealed = 0"
    ),
    CALL,
)
.only_if(AS_IT_WAS);

/// Names of calls.
pub(super) static ADD_KEYS: Statement = Statement::new(
    "insert into call_key (account, key, call) select r.account, r.key, r.call \
     from {rows} as r where true on conflict (account, key) do update set call = excluded.call",
    &[("account", Text), ("key", Text), ("call", Id)],
);

// ---- merges: what belonged to the loser belongs to the winner

pub(super) static MOVE_KEYS: Statement = Statement::new(
    "update call_key set call = r.winner from {rows} as r where call_key.call = r.loser",
    MERGE,
);
pub(super) static DROP_PERSONS_OF_LOSERS: Statement = Statement::new(
    "delete from call_person where call in (select r.loser from {rows} as r)",
    MERGE,
);
/// A recording that both know stays where it was kept.
pub(super) static DROP_DOUBLE_RECORDINGS: Statement = Statement::new(
    "delete from recording where id in (select case when w.sha256 is null and l.sha256 is not null \
     then w.id else l.id end from {rows} as r join recording l on l.call = r.loser \
     join recording w on w.call = r.winner and w.recording = l.recording)",
    MERGE,
)
.together();
pub(super) static MOVE_RECORDINGS: Statement = Statement::new(
    "update recording set call = r.winner from {rows} as r where recording.call = r.loser",
    MERGE,
);
pub(super) static MOVE_JOBS: Statement = Statement::new(
    "update outbox set call = r.winner, lane = case outbox.state when 'done' then lane \
     else replace(lane, r.loser_text, r.winner_text) end \
     from {rows} as r where outbox.call = r.loser",
    MERGE,
);
/// A recording that several have known is wanted once: the job that is at work stays, else the oldest, as it
/// is the one that a lane does next. Beside a job that is done one may wait: its file has got lost since.
pub(super) static DROP_DOUBLE_JOBS: Statement = Statement::new(
    "delete from outbox where id in (select o.id from {rows} as r \
     join recording k on k.call = r.winner \
     join outbox o on o.lane = 'recording/' || r.winner_text || '/' || k.recording \
     where o.state = 'waiting' and exists (select 1 from outbox w \
     where w.lane = o.lane and w.state = 'waiting' \
     and (coalesce(w.claimed_until, 0) > coalesce(o.claimed_until, 0) \
     or (coalesce(w.claimed_until, 0) = coalesce(o.claimed_until, 0) and w.id < o.id))))",
    MERGE,
)
.together();
pub(super) static DROP_TASKS: Statement = Statement::new(
    "delete from task where call in (select r.loser from {rows} as r)",
    MERGE,
);
pub(super) static DROP_CALLS: Statement = Statement::new(
    "delete from call where id in (select r.loser from {rows} as r)",
    MERGE,
);
/// Loser, winner, and both as text for lanes.
pub(super) const MERGE: &[(&str, Kind)] = &[
    ("loser", Id),
    ("winner", Id),
    ("loser_text", Text),
    ("winner_text", Text),
];

// ---- the directory: extensions and lines, kept in memory while their version stands

/// A number of ours that nobody has named yet.
pub(super) static ADD_LINES: Statement = Statement::new(
    "insert into line (account, did, name) select account, did, did from {rows} as r \
     where true on conflict (account, did) do nothing",
    &[("account", Text), ("did", Text)],
);

// ---- people of a call

pub(super) static ADD_PERSONS: Statement = Statement::new(
    "insert into call_person (call, person, started_at, rang, talked) \
     select r.call, r.person, r.started_at, r.rang, r.talked from {rows} as r where true \
     on conflict (person, started_at, call) do update set rang = excluded.rang, \
     talked = excluded.talked",
    &[
        ("call", Id),
        ("person", Int),
        ("started_at", Int),
        ("rang", Int),
        ("talked", Int),
    ],
);
pub(super) static DROP_PERSONS: Statement = Statement::new(
    "delete from call_person where call in (select r.id from {rows} as r)",
    &[("id", Id)],
);

// ---- what the outside is to be told

pub(super) static ADD_NEWS: Statement = Statement::new(
    "insert into news (kind, subject, body) select r.kind, r.subject, r.body from {rows} as r",
    &[("kind", Text), ("subject", Id), ("body", Long)],
);

// ---- figures

pub(super) static ADD_SUMS: Statement = Statement::new(
    "insert into rollup (quarter, line, person, writer, direction, calls, answered, missed, \
     talk_ms, wait_ms, ring_ms) select r.quarter, r.line, r.person, r.writer, r.direction, r.calls, \
     r.answered, r.missed, r.talk_ms, r.wait_ms, r.ring_ms from {rows} as r where true \
     on conflict (quarter, line, person, direction, writer) do update set \
     calls = rollup.calls + excluded.calls, answered = rollup.answered + excluded.answered, \
     missed = rollup.missed + excluded.missed, talk_ms = rollup.talk_ms + excluded.talk_ms, \
     wait_ms = rollup.wait_ms + excluded.wait_ms, ring_ms = rollup.ring_ms + excluded.ring_ms",
    &[
        ("quarter", Int),
        ("line", Int),
        ("person", Int),
        ("writer", Int),
        ("direction", Text),
        ("calls", Int),
        ("answered", Int),
        ("missed", Int),
        ("talk_ms", Int),
        ("wait_ms", Int),
        ("ring_ms", Int),
    ],
);
pub(super) static ADD_CLIENTS: Statement = Statement::new(
    "insert into rollup_client (day, line, client, calls) select r.day, r.line, r.client, r.calls \
     from {rows} as r where true on conflict (day, line, client) do update set \
     calls = rollup_client.calls + excluded.calls",
    &[
        ("day", Int),
        ("line", Int),
        ("client", Text),
        ("calls", Int),
    ],
);
