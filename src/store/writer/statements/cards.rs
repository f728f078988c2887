//! Cards and their numbers: found, made, given an owner and a first touch, forgotten.

use crate::store::rows::{Kind, Statement};

use Kind::{Id, Int, Text};

/// Live cards that carry the numbers.
pub(in crate::store) static FIND_NUMBERS: Statement = Statement::new(
    "select p.e164, p.ext, p.kind, c.id from {rows} as r join card_phone p on p.e164 = r.e164 \
     join card c on c.id = p.card where c.merged_into is null",
    &[("e164", Text)],
);
/// Cards for numbers that nobody carries, with those numbers and their first touch, in a batch prepared
/// ahead: it fails if somebody has been quicker, and is prepared anew.
pub(in crate::store::writer) static NEW_CARDS: Statement = Statement::new(
    "insert into card (id, created_at, updated_at, first_line, first_at) \
     select r.card, r.at, r.at, r.first_line, r.first_at from {rows} as r; \
     insert into card_phone (e164, ext, card, kind) select r.e164, r.ext, r.card, 'own' \
     from {rows} as r",
    &[
        ("card", Id),
        ("at", Int),
        ("e164", Text),
        ("ext", Text),
        ("first_line", Int),
        ("first_at", Int),
    ],
);
/// The same in the transaction that has looked for the numbers; another node may still have been quicker
/// with one, then its card stands.
pub(in crate::store) static ADD_CARDS: Statement = Statement::per_engine(
    "insert into card (id, created_at, updated_at) select card, at, at from {rows} as r; \
     insert into card_phone (e164, ext, card, kind) select e164, ext, card, 'own' \
     from {rows} as r where true on conflict do nothing returning card",
    "with added as (insert into card (id, created_at, updated_at) \
     select card, at, at from {rows} as r) \
     insert into card_phone (e164, ext, card, kind) select e164, ext, card, 'own' from \
     (select * from {rows} as r order by e164, ext) as o \
     where true on conflict do nothing returning card",
    NEW_CARD,
);
const NEW_CARD: &[(&str, Kind)] = &[("card", Id), ("at", Int), ("e164", Text), ("ext", Text)];
pub(in crate::store) static DROP_CARDS: Statement = Statement::new(
    "delete from card where id in (select r.id from {rows} as r)",
    &[("id", Id)],
);
/// First touch: the earliest call that came in.
pub(in crate::store::writer) static FIRST_TOUCH: Statement = Statement::new(
    "update card set first_line = r.line, first_at = r.at from {rows} as r where card.id = r.card \
     and (card.first_at is null or card.first_at > r.at or (card.first_at = r.at \
     and coalesce(card.first_line, 9223372036854775807) > r.line))",
    &[("card", Id), ("line", Int), ("at", Int)],
);
/// Owner: the person of the earliest human answer, unless a person or an import has set one.
pub(in crate::store::writer) static SET_OWNER: Statement = Statement::new(
    "update card set owner = r.person, owner_since = r.at, updated_at = r.now \
     from {rows} as r where card.id = r.card and (card.owner is null or \
     card.owner_since > r.at or (card.owner_since = r.at and card.owner > r.person))",
    &[("card", Id), ("person", Int), ("at", Int), ("now", Int)],
);
/// Owner and first touch anew from all calls, after one of them has taken back what it said.
pub(in crate::store::writer) static RECOUNT_OWNER: Statement = Statement::new(
    "update card set (owner, owner_since) = (select c.answered_by, c.answered_at from call c \
     where c.card = card.id and c.answered_by is not null and c.answered_at is not null \
     order by c.answered_at, c.answered_by limit 1) \
     where id in (select r.id from {rows} as r) and (owner is null or owner_since is not null)",
    &[("id", Id)],
);
pub(in crate::store::writer) static RECOUNT_FIRST: Statement = Statement::new(
    "update card set (first_line, first_at) = (select c.line, c.started_at from call c \
     where c.card = card.id and c.direction = 'in' \
     order by c.started_at, coalesce(c.line, 9223372036854775807) limit 1) \
     where id in (select r.id from {rows} as r)",
    &[("id", Id)],
);
/// A card made for a call that turned out to be another client's, never touched by anybody, goes again.
pub(in crate::store::writer) static FORGET_CARDS: Statement = Statement::new(
    "delete from card where id in (select r.id from {rows} as r) and name = '' and company = '' \
     and note = '' and version = 1 and (owner is null or owner_since is not null) \
     and not exists (select 1 from call where call.card = card.id) \
     and not exists (select 1 from task where task.card = card.id) \
     and not exists (select 1 from card_event where card_event.card = card.id)",
    &[("id", Id)],
);
pub(in crate::store::writer) static FORGET_NUMBERS: Statement = Statement::new(
    "delete from card_phone where card in (select c.id from {rows} as r join card c on c.id = r.id \
     where c.name = '' and c.company = '' and c.note = '' and c.version = 1 \
     and (c.owner is null or c.owner_since is not null) \
     and not exists (select 1 from call where call.card = c.id) \
     and not exists (select 1 from task where task.card = c.id) \
     and not exists (select 1 from card_event where card_event.card = c.id))",
    &[("id", Id)],
);
