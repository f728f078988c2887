//! Recordings of calls, and the jobs that fetch them.

use crate::store::rows::{Kind, Statement};

use Kind::{Id, Int, Text};

macro_rules! best_state {
    () => {
        "(select state from recording where recording.call = call.id \
         order by case state when 'kept' then 0 when 'no_player' then 1 when 'withheld' then 2 \
         when 'fetching' then 3 when 'waiting' then 4 when 'failed' then 5 when 'refused' then 6 else 7 end limit 1)"
    };
}
pub(super) use best_state;

const ADD: &str = "insert into recording (call, account, recording, source, state, created_at) \
     select r.call, r.account, r.recording, r.source, r.state, r.now from {rows} as r where true \
     on conflict (call, recording) do update set source = excluded.source, \
     state = case when recording.state in ('waiting', 'absent', 'failed', 'refused') \
     then excluded.state \
     else recording.state end \
     where recording.source is distinct from excluded.source or (recording.state <> excluded.state \
     and recording.state in ('waiting', 'absent', 'failed', 'refused'))";
/// Of calls that are there.
pub(in crate::store::writer) static TELL_RECORDINGS: Statement = Statement::new(ADD, RECORDING);
/// Of calls that are new, or have just become one.
pub(in crate::store::writer) static ADD_RECORDINGS: Statement = Statement::new(ADD, RECORDING);
/// A job for what can be fetched, once; again only if it was given up and there is news. Jobs that are
/// over go after a while; what is kept says then that there is nothing left to fetch.
pub(in crate::store::writer) static ADD_JOBS: Statement = Statement::new(
    "insert into outbox (kind, target, lane, call, body, created_at, due_at) \
     select 'recording', r.account, r.lane, r.call, r.recording, r.now, r.now from {rows} as r \
     where r.ready = 1 \
     and not exists (select 1 from outbox o where o.lane = r.lane and o.state <> 'failed') \
     and not exists (select 1 from recording k where k.call = r.call \
     and k.recording = r.recording and k.state in ('kept', 'no_player', 'withheld'))",
    RECORDING,
);
/// The best state of a call's recordings, by worth. Of calls that are there their change says it.
pub(in crate::store::writer) static SHOW_RECORDINGS: Statement = Statement::new(
    concat!(
        "update call set recording = ",
        best_state!(),
        " where id in (select r.call from {rows} as r) and recording is distinct from ",
        best_state!()
    ),
    &[("call", Id)],
);
const RECORDING: &[(&str, Kind)] = &[
    ("call", Id),
    ("account", Text),
    ("recording", Text),
    ("source", Text),
    ("state", Text),
    ("lane", Text),
    ("ready", Int),
    ("now", Int),
];
