//! What somebody leaves behind: clients and open call-backs, handed over in bulk. A hundred thousand
//! cards go in portions, between which the writer and everybody else have their turn; each card's
//! history says whose it was. It can be broken off anywhere and done again: what was handed over stays.
//!
//! Whoever gets a client by this is set by a person: no later news of older calls gives it back.

use std::time::{Duration, Instant};

use sqlx::FromRow;
use uuid::Uuid;

use super::{
    Db, StoreError, audit,
    rows::{Engine, Kind, Statement, Tx},
    writer::statements::PASS_TASKS,
};
use crate::{
    model::{ids::PersonId, time::Timestamp},
    on_read,
};

use Kind::{Id, Int, Text};

/// Cards or tasks of one transaction: some milliseconds of the one write connection.
const PORTION: usize = 100;
/// On PostgreSQL a card that the writer has in its hands is left for the next round; so many rounds may
/// find nothing else before it is given up.
const IDLE_ROUNDS: u32 = 200;
const IDLE_WAIT: Duration = Duration::from_millis(20);

/// How much somebody has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromRow)]
pub struct Holdings {
    /// Cards they are responsible for.
    pub clients: i64,
    /// Open call-backs, with those that were handed on to them.
    pub call_backs: i64,
}

/// How much somebody has now.
pub async fn holdings(db: &Db, person: PersonId) -> Result<Holdings, StoreError> {
    const SQL: &str = "select \
         (select count(*) from card where owner = $1 and merged_into is null) as clients, \
         (select count(*) from task where done_at is null \
         and (person = $1 or escalated_to = $1)) as call_backs";
    Ok(on_read!(db, pool => sqlx::query_as(SQL).bind(person.0).fetch_one(pool).await?))
}

/// Somebody in this story, by id and shown name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// Who.
    pub id: PersonId,
    /// Sign-in name.
    pub login: String,
    /// Shown name.
    pub name: String,
}

/// Who leaves, who takes over, and who says so.
#[derive(Clone, Debug)]
pub struct Handing {
    /// Who leaves.
    pub from: Named,
    /// Who takes over, in turns; nobody: nothing is handed over.
    pub to: Vec<Named>,
    /// Who does it; `None`: the command line.
    pub by: Option<PersonId>,
    /// Address of the browser, or `command line`.
    pub remote: String,
    /// When.
    pub at: Timestamp,
}

/// What was handed over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Handed {
    /// Cards.
    pub clients: i64,
    /// Open call-backs.
    pub call_backs: i64,
}

/// Cards that are somebody's, if they still are; on PostgreSQL locked, and without those that are locked
/// by others: waiting for a card while holding another one is how two get stuck.
static CLAIM: Statement = Statement::per_engine(
    "select c.id from {rows} as r join card c on c.id = r.card \
     where c.owner = r.was and c.merged_into is null",
    "select c.id from {rows} as r join card c on c.id = r.card \
     where c.owner = r.was and c.merged_into is null \
     order by c.id for no key update of c skip locked",
    &[("card", Id), ("was", Int)],
);
/// Set by a person, so no recount of who answered first changes it.
static GIVE: Statement = Statement::new(
    "update card set owner = r.person, owner_since = null, updated_at = r.at, \
     version = card.version + 1 from {rows} as r where card.id = r.card",
    &[("card", Id), ("person", Int), ("at", Int)],
);
static TELL: Statement = Statement::new(
    "insert into card_event (card, at, person, kind, body) \
     select card, at, who, 'owner', words from {rows} as r",
    &[("card", Id), ("at", Int), ("who", Int), ("words", Text)],
);
/// Call-backs of no card of theirs: they were rung first, or it was handed on to them.
static GIVE_TASKS: Statement = Statement::new(
    "update task set person = case when task.person = r.was then r.person else task.person end, \
     rung = case when task.person = r.was and task.rung = r.was then r.person else task.rung end, \
     escalated_to = case when task.escalated_to = r.was then r.person else task.escalated_to end \
     from {rows} as r where task.id = r.task and task.done_at is null",
    &[("task", Int), ("was", Int), ("person", Int)],
);

/// Hands everything over and keeps one entry in the audit that says how much, also if it broke off.
pub async fn hand_over(db: &Db, handing: &Handing) -> Result<Handed, StoreError> {
    let mut handed = Handed::default();
    if handing.to.is_empty() {
        return Ok(handed);
    }
    let outcome = match cards(db, handing, &mut handed).await {
        Ok(()) => tasks(db, handing, &mut handed).await,
        failed => failed,
    };
    let to: Vec<&str> = handing.to.iter().map(|one| one.login.as_str()).collect();
    let detail = format!(
        "clients={} call_backs={} to={}",
        handed.clients,
        handed.call_backs,
        to.join(",")
    );
    let entry = audit::Entry {
        person: handing.by,
        action: "hand_over",
        object: &format!("person:{}", handing.from.id.0),
        detail: &detail,
        remote: &handing.remote,
    };
    let kept = audit::keep(db, &entry, handing.at).await;
    outcome.and(kept).map(|()| handed)
}

async fn cards(db: &Db, handing: &Handing, handed: &mut Handed) -> Result<(), StoreError> {
    const SQL: &str = "select id from card where owner = $1 and merged_into is null order by id";
    let mut idle = 0;
    loop {
        let found: Vec<(Uuid,)> = on_read!(db, pool => {
            sqlx::query_as(SQL).bind(handing.from.id.0).fetch_all(pool).await?
        });
        if found.is_empty() || idle == IDLE_ROUNDS {
            return Ok(());
        }
        let before = handed.clients;
        for portion in found.chunks(PORTION) {
            let began = Instant::now();
            give_cards(db, handing, portion, handed).await?;
            // Half of the time belongs to everybody else who writes.
            tokio::time::sleep(began.elapsed()).await;
        }
        if handed.clients == before {
            idle += 1;
            tokio::time::sleep(IDLE_WAIT).await;
        }
    }
}

async fn give_cards(
    db: &Db,
    handing: &Handing,
    portion: &[(Uuid,)],
    handed: &mut Handed,
) -> Result<(), StoreError> {
    let mut tx = Tx::begin(db).await?;
    let engine: Engine = tx.engine();
    let (was, at) = (handing.from.id.0, handing.at.as_micros());
    let mut claim = CLAIM.rows(engine);
    for (card,) in portion {
        claim.id(*card).int(was);
    }
    let claimed: Vec<(Uuid,)> = tx.fetch(claim).await?;
    let [mut give, mut tell, mut pass] =
        [&GIVE, &TELL, &PASS_TASKS].map(|statement| statement.rows(engine));
    for ((card,), to) in claimed.iter().zip(handing.in_turn(handed.clients)) {
        give.id(*card).int(to.id.0).int(at);
        tell.id(*card)
            .int(at)
            .int(handing.by.map(|by| by.0))
            .text(format!("{} → {}", handing.from.name, to.name).as_str());
        pass.id(*card);
    }
    tx.run(give).await?;
    tx.run(tell).await?;
    let passed = tx.run(pass).await?;
    tx.commit().await?;
    handed.clients += claimed.len() as i64;
    handed.call_backs += i64::try_from(passed).unwrap_or(i64::MAX);
    Ok(())
}

async fn tasks(db: &Db, handing: &Handing, handed: &mut Handed) -> Result<(), StoreError> {
    const SQL: &str = "select id from task where done_at is null \
         and (person = $1 or escalated_to = $1) order by id";
    let was = handing.from.id.0;
    let left: Vec<(i64,)> =
        on_read!(db, pool => sqlx::query_as(SQL).bind(was).fetch_all(pool).await?);
    let mut turn = 0;
    for portion in left.chunks(PORTION) {
        let began = Instant::now();
        let mut tx = Tx::begin(db).await?;
        let mut give = GIVE_TASKS.rows(tx.engine());
        for ((task,), to) in portion.iter().zip(handing.in_turn(turn)) {
            give.int(*task).int(was).int(to.id.0);
        }
        turn += portion.len() as i64;
        let given = tx.run(give).await?;
        tx.commit().await?;
        handed.call_backs += i64::try_from(given).unwrap_or(i64::MAX);
        tokio::time::sleep(began.elapsed()).await;
    }
    Ok(())
}

impl Handing {
    /// Who takes over, one after another, from the n-th turn on.
    fn in_turn(&self, turn: i64) -> impl Iterator<Item = &Named> {
        let skipped = usize::try_from(turn).unwrap_or_default() % self.to.len();
        self.to.iter().cycle().skip(skipped)
    }
}
