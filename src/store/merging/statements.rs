//! The SQL of merging and parting cards.

use crate::store::rows::{
    Kind::{self, Id, Int, Text},
    Statement,
};

const ONE: &[(&str, Kind)] = &[("card", Id)];
/// From which card to which.
const WAY: &[(&str, Kind)] = &[("source", Id), ("target", Id)];
/// The same for one call or touch.
const ONE_OF_WAY: &[(&str, Kind)] = &[("moved", Id), ("source", Id), ("target", Id)];
const OF_CLIENT: &[(&str, Kind)] = &[("card", Id), ("client", Text)];

/// A card as it stands, held until the end of the transaction.
pub(super) static HOLD_CARD: Statement = Statement::per_engine(
    "select k.id, k.merged_into, k.version, k.name, k.company, k.note, k.owner, \
     k.owner_since, k.first_line, k.first_at from {rows} as r join card k on k.id = r.card",
    "select k.id, k.merged_into, k.version, k.name, k.company, k.note, k.owner, \
     k.owner_since, k.first_line, k.first_at from {rows} as r join card k on k.id = r.card \
     for update of k",
    ONE,
);

// ---- everything of one card

/// The version grows, so that no writer goes on with the call as it remembers it.
pub(super) static MOVE_CALLS: Statement = Statement::new(
    "update call set card = r.target, version = call.version + 1 from {rows} as r \
     where call.card = r.source returning id, version",
    WAY,
);
pub(super) static MOVE_TASKS: Statement = Statement::new(
    "update task set card = r.target from {rows} as r where task.card = r.source returning id",
    WAY,
);
pub(super) static MOVE_TOUCHES: Statement = Statement::new(
    "update touch set card = r.target from {rows} as r where touch.card = r.source returning id",
    WAY,
);

// ---- some of it, as far as it still is where it is looked for

pub(super) static MOVE_CALL: Statement = Statement::new(
    "update call set card = r.target, version = call.version + 1 from {rows} as r \
     where call.id = r.moved and call.card = r.source returning id, version",
    ONE_OF_WAY,
);
pub(super) static MOVE_TASK: Statement = Statement::new(
    "update task set card = r.target from {rows} as r \
     where task.id = r.moved and task.card = r.source and task.call is null",
    &[("moved", Int), ("source", Id), ("target", Id)],
);
/// A task of a call goes with its call.
pub(super) static MOVE_TASK_OF_CALL: Statement = Statement::new(
    "update task set card = r.target from {rows} as r \
     where task.call = r.moved and task.card = r.source",
    ONE_OF_WAY,
);
pub(super) static MOVE_TOUCH: Statement = Statement::new(
    "update touch set card = r.target from {rows} as r \
     where touch.id = r.moved and touch.card = r.source",
    ONE_OF_WAY,
);

// ---- what a number has brought to a card

pub(super) static CALLS_LEFT: Statement = Statement::new(
    "select c.id, c.derived, c.facts from {rows} as r \
     join call c on c.id = r.moved and c.card = r.source",
    &[("moved", Id), ("source", Id)],
);

pub(super) static CALLS_FROM: Statement = Statement::new(
    "select c.id, c.derived, c.facts from {rows} as r \
     join call c on c.card = r.card and c.client = r.client",
    OF_CLIENT,
);
pub(super) static TASKS_FROM: Statement = Statement::new(
    "select t.id from {rows} as r join task t on t.card = r.card and t.client = r.client \
     where t.call is null",
    OF_CLIENT,
);
pub(super) static TOUCHES_FROM: Statement = Statement::new(
    "select o.id from {rows} as r join touch o on o.card = r.card and o.client = r.client",
    OF_CLIENT,
);

// ---- numbers

pub(super) static PHONES: Statement = Statement::new(
    "select p.e164, p.ext, p.kind from {rows} as r join card_phone p on p.card = r.card \
     order by p.e164, p.ext",
    ONE,
);
pub(super) static DROP_PHONES: Statement = Statement::new(
    "delete from card_phone where exists (select 1 from {rows} as r where r.card = card_phone.card \
     and r.e164 = card_phone.e164 and r.ext = card_phone.ext)",
    &[("card", Id), ("e164", Text), ("ext", Text)],
);
const PHONE: &[(&str, Kind)] = &[("card", Id), ("e164", Text), ("ext", Text), ("kind", Text)];
pub(super) static SET_PHONES: Statement = Statement::new(
    "update card_phone set kind = r.kind from {rows} as r where card_phone.card = r.card \
     and card_phone.e164 = r.e164 and card_phone.ext = r.ext",
    PHONE,
);
pub(super) static ADD_PHONES: Statement = Statement::new(
    "insert into card_phone (e164, ext, card, kind) select e164, ext, card, kind from {rows} as r",
    PHONE,
);

// ---- cards

pub(super) static SET_FACE: Statement = Statement::new(
    "update card set name = r.name, company = r.company, note = r.note, owner = r.owner, \
     owner_since = r.owner_since, first_line = r.first_line, first_at = r.first_at, \
     updated_at = r.at, version = card.version + 1 from {rows} as r where card.id = r.card",
    &[
        ("card", Id),
        ("name", Text),
        ("company", Text),
        ("note", Text),
        ("owner", Int),
        ("owner_since", Int),
        ("first_line", Int),
        ("first_at", Int),
        ("at", Int),
    ],
);
pub(super) static SET_PART_OF: Statement = Statement::new(
    "update card set merged_into = r.target, updated_at = r.at, version = card.version + 1 \
     from {rows} as r where card.id = r.card",
    &[("card", Id), ("target", Id), ("at", Int)],
);
/// Somebody has decided about it: nothing takes the card away as one that a wrong call had made.
pub(super) static ADD_CARD: Statement = Statement::new(
    "insert into card (id, created_at, updated_at, version) select card, at, at, 2 from {rows} as r",
    &[("card", Id), ("at", Int)],
);

pub(super) static CALLS_THERE: Statement = Statement::new(
    "select c.id from {rows} as r join call c on c.id = r.moved",
    &[("moved", Id)],
);
/// Nothing follows from calls any more; an owner set by hand stays.
pub(super) static FORGO_ALL: Statement = Statement::new(
    "update card set first_line = null, first_at = null, owner_since = null, \
     owner = case when owner_since is null then owner end from {rows} as r where card.id = r.card",
    ONE,
);
/// What a card says by a call that is another card's now is not its own: of the one it is parted from, or of
/// one that took a number along before.
pub(super) static FORGO_FIRST: Statement = Statement::new(
    "update card set first_line = null, first_at = null from {rows} as r where card.id = r.card \
     and exists (select 1 from call c where c.card <> card.id and c.direction = 'in' \
     and c.started_at = card.first_at)",
    ONE,
);
pub(super) static FORGO_OWNER: Statement = Statement::new(
    "update card set owner = null, owner_since = null from {rows} as r where card.id = r.card \
     and card.owner_since is not null \
     and exists (select 1 from call c where c.card <> card.id and c.answered_by = card.owner \
     and c.answered_at = card.owner_since \
     and c.started_at >= card.owner_since - 86400000000 and c.started_at <= card.owner_since)",
    ONE,
);
/// As the writer recounts; where no call is left to count by, what stands stays: retention may have let
/// the call go.
pub(super) static RECOUNT_FIRST: Statement = Statement::new(
    "update card set (first_line, first_at) = (select c.line, c.started_at from call c \
     where c.card = card.id and c.direction = 'in' \
     order by c.started_at, coalesce(c.line, 9223372036854775807) limit 1) \
     where id in (select r.card from {rows} as r) \
     and exists (select 1 from call c where c.card = card.id and c.direction = 'in')",
    ONE,
);
pub(super) static RECOUNT_OWNER: Statement = Statement::new(
    "update card set (owner, owner_since) = (select c.answered_by, c.answered_at from call c \
     where c.card = card.id and c.answered_by is not null and c.answered_at is not null \
     order by c.answered_at, c.answered_by limit 1) \
     where id in (select r.card from {rows} as r) and (owner is null or owner_since is not null) \
     and exists (select 1 from call c where c.card = card.id and c.answered_by is not null \
     and c.answered_at is not null)",
    ONE,
);

// ---- history

pub(super) static ADD_EVENT: Statement = Statement::new(
    "insert into card_event (card, at, person, kind, body) \
     select card, at, person, kind, body from {rows} as r",
    &[
        ("card", Id),
        ("at", Int),
        ("person", Int),
        ("kind", Text),
        ("body", Text),
    ],
);
pub(super) static ADD_MERGE: Statement = Statement::new(
    "insert into card_merge (winner, loser, at, person, body) \
     select winner, loser, at, person, body from {rows} as r",
    &[
        ("winner", Id),
        ("loser", Id),
        ("at", Int),
        ("person", Int),
        ("body", Text),
    ],
);
pub(super) static LAST_MERGE: Statement = Statement::new(
    "select m.id, m.body from {rows} as r join card_merge m on m.loser = r.card \
     where m.undone_at is null order by m.id desc limit 1",
    ONE,
);
pub(super) static END_MERGE: Statement = Statement::new(
    "update card_merge set undone_at = r.at, undone_by = r.person from {rows} as r \
     where card_merge.id = r.merge",
    &[("merge", Int), ("at", Int), ("person", Int)],
);
