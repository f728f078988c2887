//! Call-backs: made, tried, settled and passed on.

use crate::store::rows::{Kind, Statement};

use Kind::{Id, Int, Text};

/// How often each call-back of these clients was tried, and when last: until it was done, so that it is
/// the same in whatever order the calls were told.
macro_rules! tries_of {
    () => {
        " from (select k.id, r.waits, count(c.id) as tries, \
         max(coalesce(c.ended_at, c.heard_at)) as tried_at from {rows} as r \
         join task k on k.client = r.client and k.first_due_at is not null \
         join call m on m.id = k.call left join call c on c.client = k.client \
         and c.direction = 'out' and c.ended is not null and c.answered_at is null \
         and (c.result is null or c.result <> 'answered') and c.started_at > m.started_at \
         and (k.done_at is null or c.started_at < k.done_at) group by k.id, r.waits) as t \
         where task.id = t.id and (task.tries <> t.tries or task.tried_at is distinct from t.tried_at)"
    };
}

/// One per missed call, for the client's manager, else for who was rung first; none for who is marked
/// as spam or blocked. What a person has closed stays closed, whatever is still told of the call.
pub(in crate::store) static ADD_TASKS: Statement = Statement::new(
    "insert into task (kind, card, call, client, person, rung, created_at, due_at, first_due_at) \
     select 'call_back', r.card, r.call, r.client, \
     coalesce((select c.owner from card c where c.id = r.card), r.rung), r.rung, r.created_at, \
     r.due_at, r.due_at from {rows} as r \
     where not exists (select 1 from number_mark m where m.e164 = r.client) \
     and not exists (select 1 from card c where c.id = r.card and c.mark <> '') \
     on conflict (call, kind) do update set card = excluded.card, client = excluded.client, \
     person = excluded.person, rung = excluded.rung, created_at = excluded.created_at, \
     due_at = excluded.due_at, first_due_at = excluded.first_due_at, tries = 0, tried_at = null, \
     done_at = null, done_by = null, outcome = null where task.outcome is null \
     or task.outcome not in ('closed_by_person', 'not_needed', 'blocked')",
    &[
        ("call", Id),
        ("card", Id),
        ("client", Text),
        ("rung", Int),
        ("created_at", Int),
        ("due_at", Int),
    ],
);
/// Calls to these clients that reached nobody are tries: each puts off when the next one is due, by
/// the n-th of the waits, the last of which goes on.
pub(in crate::store) static TRY_TASKS: Statement = Statement::per_engine(
    concat!(
        "update task set tries = t.tries, tried_at = t.tried_at, due_at = case t.tries when 0 \
         then first_due_at else t.tried_at + 1000 * (t.waits ->> \
         (min(t.tries, json_array_length(t.waits)) - 1)) end",
        tries_of!()
    ),
    concat!(
        "update task set tries = t.tries, tried_at = t.tried_at, due_at = case t.tries when 0 \
         then first_due_at else t.tried_at + 1000 * (t.waits::jsonb ->> \
         (least(t.tries, jsonb_array_length(t.waits::jsonb)) - 1)::int)::bigint end",
        tries_of!()
    ),
    &[("client", Text), ("waits", Text)],
);
/// The call turned out not to want a call back, and perhaps to be another client's.
pub(in crate::store) static OBSOLETE_TASKS: Statement = Statement::new(
    "update task set card = null, done_at = r.at, done_by = null, \
     outcome = case when task.outcome in ('closed_by_person', 'not_needed', 'blocked') \
     then task.outcome else 'obsolete' end \
     from {rows} as r where task.call = r.call",
    &[("call", Id), ("at", Int)],
);
/// Tasks of these clients are closed by the earliest later call that connected, or open again; what a
/// person has closed stays closed.
pub(in crate::store) static SETTLE_TASKS: Statement = Statement::new(
    "update task set (done_by, done_at, outcome) = (select c.id, \
     coalesce(c.answered_at, c.ended_at, c.heard_at), case c.direction when 'out' then 'connected' else 'client_called_again' end \
     from call c where c.client = task.client and (c.answered_at is not null or c.result = 'answered') \
     and c.direction in ('in', 'out') \
     and c.started_at > coalesce((select m.started_at from call m where m.id = task.call), \
     task.created_at) \
     order by coalesce(c.answered_at, c.ended_at, c.heard_at), c.call_key limit 1), \
     person = coalesce((select c.owner from card c where c.id = task.card), rung) \
     where client in (select r.client from {rows} as r) and coalesce(outcome, 'connected') in ('connected', 'client_called_again')",
    &[("client", Text)],
);
/// Open tasks go with their client's manager.
pub(in crate::store) static PASS_TASKS: Statement = Statement::new(
    "update task set person = coalesce((select c.owner from card c where c.id = task.card), rung) \
     where done_at is null and card in (select r.card from {rows} as r)",
    &[("card", Id)],
);
