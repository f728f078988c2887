//! Visits: kept as they were told, and moved with the calls they are joined to.

use super::MERGE;
use crate::store::rows::{Kind, Statement};

use Kind::{Id, Int, Long, Text};

/// Of two tellings that of the later stage is believed; what only the other one says is kept. Whoever
/// joins visits to calls looks at it again.
macro_rules! add_visits {
    ($least:literal, $over:literal, $under:literal) => {
        concat!(
            "insert into visit (account, visit, at, told_at, client, hints, stage, source, medium, \
             campaign, term, fields, call, confidence, state, due_at) \
             select r.account, r.visit, r.at, r.now, r.client, r.hints, r.stage, r.source, r.medium, \
             r.campaign, r.term, r.fields, r.call, r.confidence, r.state, r.due_at \
             from {rows} as r where true \
             on conflict (account, visit) do update set version = visit.version + 1, at = ",
            $least,
            "(visit.at, excluded.at), due_at = coalesce(excluded.due_at, visit.due_at), ",
            better!("client"),
            better!("source"),
            better!("medium"),
            better!("campaign"),
            better!("term"),
            "hints = case when excluded.stage >= visit.stage then excluded.hints else visit.hints end, \
             fields = case when excluded.stage >= visit.stage then ",
            $over,
            " else ",
            $under,
            " end, stage = case when excluded.stage >= visit.stage then excluded.stage else visit.stage end"
        )
    };
}
macro_rules! better {
    ($column:literal) => {
        concat!(
            $column,
            " = case when excluded.stage >= visit.stage then coalesce(nullif(excluded.",
            $column,
            ", ''), visit.",
            $column,
            ") else coalesce(nullif(visit.",
            $column,
            ", ''), excluded.",
            $column,
            ") end, "
        )
    };
}

pub(in crate::store::writer) static ADD_VISITS: Statement = Statement::per_engine(
    add_visits!(
        "min",
        "json_patch(visit.fields, excluded.fields)",
        "json_patch(excluded.fields, visit.fields)"
    ),
    add_visits!(
        "least",
        "(visit.fields::jsonb || excluded.fields::jsonb)::text",
        "(excluded.fields::jsonb || visit.fields::jsonb)::text"
    ),
    &[
        ("account", Text),
        ("visit", Text),
        ("at", Int),
        ("now", Int),
        ("client", Text),
        ("hints", Text),
        ("stage", Int),
        ("source", Text),
        ("medium", Text),
        ("campaign", Text),
        ("term", Text),
        ("fields", Long),
        ("call", Id),
        ("confidence", Int),
        ("state", Text),
        ("due_at", Int),
    ],
);

/// What a call's own PBX told with it is told anew of the call that stays.
pub(in crate::store::writer) static DROP_VISITS: Statement = Statement::new(
    "delete from visit where visit in (select 'call/' || loser_text from {rows} as r) \
     and call in (select r.loser from {rows} as r)",
    MERGE,
);
pub(in crate::store::writer) static MOVE_VISITS: Statement = Statement::new(
    "update visit set call = r.winner from {rows} as r where visit.call = r.loser",
    MERGE,
);
