//! How calls of each line are recorded, since when, and the recordings that wait for consent.
//!
//! Rules carry the day they begin: a call is held against the rule of its own time, so a change today
//! neither frees nor hides what was recorded before.

use std::collections::BTreeMap;

use sqlx::FromRow;
use uuid::Uuid;

use super::{
    Db, StoreError, derived,
    recordings::{LOCK_CALL, SHOW_ON_CALL},
};
use crate::{
    model::{
        call::Call,
        ids::{AccountName, CallId},
        recording::Verdict,
        time::Timestamp,
    },
    on_read, on_write,
    rules::recorded::{Consent, LineRule, Notice},
};

/// A line with the rule it has now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Row id.
    pub id: i64,
    /// Account that tells of it.
    pub account: String,
    /// Its number.
    pub did: String,
    /// Its name.
    pub name: String,
    /// The rule, and since when; `None`: nobody has made one.
    pub rule: Option<(LineRule, Timestamp)>,
    /// Recordings that were left where they are, or let go of, by a rule.
    pub left: i64,
    /// Recordings that wait for consent.
    pub withheld: i64,
}

#[derive(FromRow)]
struct RuleRow {
    line: i64,
    valid_from: i64,
    kept: i64,
    notice: String,
    prompt: String,
    consent: String,
}

impl RuleRow {
    /// A word of a newer version counts as the strictest we know.
    fn into_rule(self) -> LineRule {
        LineRule {
            kept: self.kept != 0,
            notice: Notice::parse(&self.notice).unwrap_or_default(),
            prompt: self.prompt,
            consent: Consent::parse(&self.consent).unwrap_or(Consent::Asked),
        }
    }
}

const NOW: &str = "select r.line, r.valid_from, r.kept, r.notice, r.prompt, r.consent \
     from line_recording r where r.valid_from = \
     (select max(m.valid_from) from line_recording m where m.line = r.line)";

async fn rules(db: &Db) -> Result<BTreeMap<i64, RuleRow>, StoreError> {
    let rows: Vec<RuleRow> = on_read!(db, pool => sqlx::query_as(NOW).fetch_all(pool).await?);
    Ok(rows.into_iter().map(|row| (row.line, row)).collect())
}

/// Every line by name, with its rule and what came of it.
pub async fn lines(db: &Db) -> Result<Vec<Line>, StoreError> {
    const LEFT: &str = "select c.line, count(*) from recording k join call c on c.id = k.call \
         where k.reason in ('line_not_recorded', 'consent_refused') and c.line is not null \
         group by c.line";
    const WITHHELD: &str = "select c.line, count(*) from recording k join call c on c.id = k.call \
         where k.state = 'withheld' and c.line is not null group by c.line";
    let mut rules = rules(db).await?;
    let count = async |sql: &'static str| -> Result<BTreeMap<i64, i64>, StoreError> {
        let rows: Vec<(i64, i64)> =
            on_read!(db, pool => sqlx::query_as(sql).fetch_all(pool).await?);
        Ok(rows.into_iter().collect())
    };
    let (left, withheld) = (count(LEFT).await?, count(WITHHELD).await?);
    let lines = super::reports::all_lines(db).await?;
    let with_rule = lines.into_iter().map(|line| Line {
        rule: rules.remove(&line.id).map(|row| {
            let since = Timestamp::from_micros(row.valid_from);
            (row.into_rule(), since)
        }),
        left: left.get(&line.id).copied().unwrap_or_default(),
        withheld: withheld.get(&line.id).copied().unwrap_or_default(),
        id: line.id,
        account: line.account,
        did: line.did,
        name: line.name,
    });
    Ok(with_rule.collect())
}

/// The rules that hold now, by account and number, for answers to the PBX.
pub async fn by_number(db: &Db) -> Result<BTreeMap<(AccountName, String), LineRule>, StoreError> {
    let mut rules = rules(db).await?;
    if rules.is_empty() {
        return Ok(BTreeMap::new());
    }
    let lines = super::reports::all_lines(db).await?;
    let of = lines.into_iter().filter_map(|line| {
        let rule = rules.remove(&line.id)?.into_rule();
        Some(((line.account.into(), line.did), rule))
    });
    Ok(of.collect())
}

/// Gives a line a rule from now on.
pub async fn put(db: &Db, line: i64, rule: &LineRule, now: Timestamp) -> Result<(), StoreError> {
    const SQL: &str = "insert into line_recording (line, valid_from, kept, notice, prompt, consent) \
         values ($1, $2, $3, $4, $5, $6) on conflict (line, valid_from) do update set \
         kept = excluded.kept, notice = excluded.notice, prompt = excluded.prompt, \
         consent = excluded.consent";
    on_write!(db, pool => {
        sqlx::query(SQL)
            .bind(line)
            .bind(now.as_micros())
            .bind(i64::from(rule.kept))
            .bind(rule.notice.as_str())
            .bind(&rule.prompt)
            .bind(rule.consent.as_str())
            .execute(pool)
            .await?;
    });
    Ok(())
}

/// A call and the rule its line had when it began; `None`: there was no rule.
pub async fn of_call(db: &Db, call: CallId) -> Result<Option<(LineRule, Call)>, StoreError> {
    const RULE: &str = "select r.line, r.valid_from, r.kept, r.notice, r.prompt, r.consent \
         from call c join line_recording r on r.line = c.line and r.valid_from <= c.started_at \
         where c.id = $1 order by r.valid_from desc limit 1";
    const CALL: &str = "select derived, facts from call where id = $1";
    let row: Option<RuleRow> = on_read!(db, pool => {
        sqlx::query_as(RULE).bind(call.0).fetch_optional(pool).await?
    });
    let Some(row) = row else { return Ok(None) };
    let known: Option<(String, Option<Vec<u8>>)> = on_read!(db, pool => {
        sqlx::query_as(CALL).bind(call.0).fetch_optional(pool).await?
    });
    let Some((text, facts)) = known else {
        return Ok(None);
    };
    let known = derived::read(call.0, &text, facts.as_deref())?;
    Ok(Some((row.into_rule(), known)))
}

/// What becomes of the recordings of a call, by the rule its line had when it began.
pub async fn verdict(db: &Db, call: CallId) -> Result<Verdict, StoreError> {
    let held = of_call(db, call).await?;
    Ok(held.map_or(Verdict::Keep, |(rule, call)| rule.verdict(&call)))
}

/// A recording that waits for consent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Withheld {
    /// Row of `recording`.
    pub id: i64,
    /// The call.
    pub call: CallId,
    /// The client's card.
    pub card: Option<Uuid>,
    /// Since when it is here.
    pub since: Timestamp,
}

/// Recordings that wait for consent, after this one, at most so many; of one call, or of all.
pub async fn withheld(
    db: &Db,
    call: Option<CallId>,
    after: i64,
    portion: i64,
) -> Result<Vec<Withheld>, StoreError> {
    const SQL: &str = "select k.id, k.call, c.card, k.kept_at from recording k \
         join call c on c.id = k.call where k.state = 'withheld' and k.id > $1 \
         and ($2 is null or k.call = $2) order by k.id limit $3";
    let rows: Vec<(i64, Uuid, Option<Uuid>, Option<i64>)> = on_read!(db, pool => {
        sqlx::query_as(SQL)
            .bind(after)
            .bind(call.map(|call| call.0))
            .bind(portion)
            .fetch_all(pool)
            .await?
    });
    let all = rows.into_iter().map(|(id, call, card, since)| Withheld {
        id,
        call: CallId(call),
        card,
        since: Timestamp::from_micros(since.unwrap_or_default()),
    });
    Ok(all.collect())
}

/// Lets people have a recording that has waited for consent.
pub async fn release(db: &Db, id: i64) -> Result<(), StoreError> {
    const SQL: &str = "update recording set state = case when peaks is null then 'no_player' \
         else 'kept' end where id = $1 and state = 'withheld'";
    on_write!(db, pool => {
        let mut tx = pool.begin().await?;
        sqlx::query(LOCK_CALL).bind(id).execute(&mut *tx).await?;
        sqlx::query(SQL).bind(id).execute(&mut *tx).await?;
        sqlx::query(SHOW_ON_CALL).bind(id).execute(&mut *tx).await?;
        tx.commit().await?;
    });
    Ok(())
}

/// Gives up a recording that is here for this reason; tells the file it had.
pub async fn let_go(db: &Db, id: i64, reason: &str) -> Result<Option<String>, StoreError> {
    const FILE: &str = "select sha256 from recording where id = $1 and sha256 is not null";
    const SQL: &str = "update recording set state = 'absent', reason = $2, source = null, \
         sha256 = null, size = null, peaks = null, measures = null, kept_at = null where id = $1";
    let file: Option<(String,)> = on_write!(db, pool => {
        let mut tx = pool.begin().await?;
        sqlx::query(LOCK_CALL).bind(id).execute(&mut *tx).await?;
        let file = sqlx::query_as(FILE).bind(id).fetch_optional(&mut *tx).await?;
        sqlx::query(SQL).bind(id).bind(reason).execute(&mut *tx).await?;
        sqlx::query(SHOW_ON_CALL).bind(id).execute(&mut *tx).await?;
        tx.commit().await?;
        file
    });
    Ok(file.map(|(name,)| name))
}

/// The place of a recording that will not be fetched is a secret of no more use.
pub async fn forget_source(db: &Db, id: i64) -> Result<(), StoreError> {
    const SQL: &str = "update recording set source = null where id = $1";
    on_write!(db, pool => sqlx::query(SQL).bind(id).execute(pool).await.map(|_| ()))?;
    Ok(())
}
