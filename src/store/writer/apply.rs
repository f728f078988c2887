//! One batch, one transaction: load under lock, apply, match, write.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use arc_swap::ArcSwap;

use super::{
    Derive, REPLAY, Receipt, Settings, Submission,
    ahead::{Fate, may_be_written},
    columns::{self, did_text},
    directory::Directory,
    effects,
    group::{Group, Keys},
    known::{Known, Memory, Stand},
    sizes::Sizes,
    source::{Source, Unread},
    statements as sql,
    stored::CallRow,
    untold::Untold,
    visits,
};
use crate::{
    model::{
        call::{Call, Change},
        event::{CallEvent, Direction},
        ids::{AccountName, CallId},
        time::Timestamp,
    },
    rules::matching::MatchReason,
    store::{
        Db,
        rows::{self, Alone, Engine, Rows, ScriptRows, Tx},
    },
    tracker,
};

/// Tries to lock calls whose names other nodes keep moving.
const LOCK_TRIES: usize = 5;

/// What a commit did.
#[derive(Debug, Default)]
pub(super) struct Applied {
    pub(super) receipts: Vec<Receipt>,
    pub(super) changes: Vec<Change>,
}

/// Why a batch did not go through.
#[derive(Debug)]
pub(super) enum ApplyError {
    /// The database is away, full or locked: the same batch may go through later.
    Away(sqlx::Error),
    /// Something in the batch can never go through.
    Unusable(String),
    /// The batch cannot be prepared before the one ahead of it is on disk; then it goes through.
    Later,
}

impl From<sqlx::Error> for ApplyError {
    fn from(error: sqlx::Error) -> Self {
        if is_about_values(&error) {
            Self::Unusable(error.to_string())
        } else {
            Self::Away(error)
        }
    }
}

/// Whether the database refused the values themselves. Whatever else goes wrong may pass.
fn is_about_values(error: &sqlx::Error) -> bool {
    let sqlx::Error::Database(error) = error else {
        return matches!(
            error,
            sqlx::Error::Decode(_) | sqlx::Error::ColumnDecode { .. } | sqlx::Error::Encode(_)
        );
    };
    let code = error.code().unwrap_or_default();
    if error
        .try_downcast_ref::<sqlx::postgres::PgDatabaseError>()
        .is_some()
    {
        // Classes: data exception, integrity violation, program limit.
        return ["22", "23", "54"]
            .iter()
            .any(|class| code.starts_with(class));
    }
    // SQLite's primary code is the low byte: too big 18, constraint 19, mismatch 20.
    let primary = code.parse::<i64>().map_or(0, |code| code & 0xff);
    matches!(primary, 18..=20)
}

/// Applies batches to the database.
pub(super) struct Committer {
    pub(super) db: Db,
    /// By which batches are prepared ahead.
    pub(super) alone: Alone,
    pub(super) engine: Engine,
    node: i64,
    pub(super) call_back: Arc<ArcSwap<effects::CallBack>>,
    derive: Derive,
    pub(super) memory: Memory,
    directory: Directory,
    sizes: Sizes,
    /// Where the database will stand when all that is prepared is written; `None`: not known.
    pub(super) stand: Option<rows::Stand>,
    /// How many batches there were when one of ours was last read and written in one transaction.
    pub(super) count: i64,
    /// What has become since of those that were prepared ahead.
    pub(super) fate: Arc<Fate>,
    /// Others write, too: so many batches are not prepared ahead.
    pub(super) company: u32,
    /// Changes by batches of which nobody knows whether they were written.
    pub(super) untold: Untold,
    /// Of the batch on its way to disk, if there is one.
    pub(super) unread: Unread,
    /// Of the batch that is prepared meanwhile.
    pub(super) next_unread: Unread,
}

/// A batch with all that has to be written for it.
pub(super) struct Plan {
    pub(super) writes: ScriptRows,
    pub(super) works: Vec<Work>,
    pub(super) receipts: Vec<Receipt>,
}

/// One call of a batch: what it was, what it is now, and what has to be written for that.
#[derive(Debug)]
pub(super) struct Work {
    pub(super) known: Known,
    /// What the tables say of it until now; `None` for a new call.
    pub(super) before: Option<Stand>,
    /// Whether it is shown by another key now.
    pub(super) renamed: bool,
    /// Calls that turned out to be this one.
    pub(super) losers: Vec<Known>,
    /// Whether its card is made with what it says of the first touch.
    pub(super) made_touch: bool,
    received_at: Timestamp,
}

/// The stored call of each key, with its version where it has been read.
pub(super) type Stored = Vec<Option<(CallId, Option<i64>)>>;

/// The events of a batch, each with the submission it came in.
type Events<'a> = Vec<(usize, &'a CallEvent)>;

impl Committer {
    pub(super) fn new(db: Db, node: i64, settings: &Settings, derive: Derive) -> Self {
        Self {
            engine: Engine::of(&db),
            alone: Alone::of(&db, &sql::WRITE_AHEAD),
            db,
            node,
            call_back: Arc::new(ArcSwap::from_pointee(effects::CallBack::of(settings))),
            derive,
            memory: Memory::new(settings.cached_calls),
            directory: Directory::default(),
            sizes: Sizes::new(),
            stand: None,
            count: 0,
            fate: Arc::default(),
            company: 0,
            untold: Untold::default(),
            unread: Unread::default(),
            next_unread: Unread::default(),
        }
    }

    /// Forgets everything kept in memory: it may not be what the database holds.
    pub(super) fn forget(&mut self) {
        self.memory.clear();
        self.directory = Directory::default();
        self.stand = None;
        self.unread = Unread::default();
    }

    /// Commits a whole batch or nothing of it. After an error nothing in memory can be trusted.
    pub(super) async fn commit(&mut self, batch: &[&Submission]) -> Result<Applied, ApplyError> {
        let mut tx = Tx::begin(&self.db).await?;
        if self.engine == Engine::Pg {
            let _: Vec<(i64,)> = tx.read(sql::WRITERS_TOGETHER).await?;
        }
        let begun = tx.stand().await?;
        self.meet_others(begun);
        let plan = self.plan(&mut Source::Held(&mut tx), batch).await?;
        let untold = self.untold.written(&mut tx).await?;
        tx.run_script(plan.writes).await?;
        tx.count_batch().await?;
        let stand = tx.stand().await?;
        if let Err(error) = tx.commit().await {
            if may_be_written(&error) {
                self.untold.add(plan.works.iter().map(Work::change));
            }
            return Err(error.into());
        }
        self.untold.clear();
        // What the batch itself has outdated is known here, if only the directory is as it was found. On
        // PostgreSQL others may have changed it meanwhile.
        let read = |begun: rows::Stand, stand: rows::Stand| {
            let is_read = match self.engine {
                Engine::Lite => self.directory.version() >= begun.version,
                Engine::Pg => self.directory.version() == stand.version,
            };
            is_read && stand.batches == begun.batches + 1
        };
        self.stand = stand.filter(|stand| begun.is_some_and(|begun| read(begun, *stand)));
        self.count = stand.map_or(0, |stand| stand.batches);
        self.unread = Unread::default();
        let mut applied = self.remember(plan.works, plan.receipts);
        applied.changes.splice(..0, untold);
        Ok(applied)
    }

    /// Keeps in memory what is written, or on its way to be.
    pub(super) fn remember(&mut self, works: Vec<Work>, receipts: Vec<Receipt>) -> Applied {
        let added = works.iter().filter(|work| work.before.is_none()).count();
        self.sizes.grew_by(added, &self.db);
        if works.iter().any(|work| !work.losers.is_empty()) {
            // Names of a call that turned out to be another one name that one now.
            self.memory.forget_names();
        }
        let mut changes = Vec::with_capacity(works.len());
        for mut work in works {
            changes.push(work.change());
            work.known.sealed = false;
            work.known.strange = false;
            self.memory.keep(work.known);
        }
        Applied { receipts, changes }
    }

    /// Keeps one message that cannot be applied as a dead letter.
    pub(super) async fn bury(
        &self,
        submission: &Submission,
        reason: &str,
    ) -> Result<(), sqlx::Error> {
        let mut tx = Tx::begin(&self.db).await?;
        let mut journal = sql::JOURNAL.rows(self.engine);
        let mut kept = submission.clone();
        // Facts of our own are kept themselves; those of a dead letter told again stand there already.
        if kept.raw.is_empty() && kept.source != REPLAY {
            kept.raw = serde_json::to_vec(&kept.events).unwrap_or_default().into();
        }
        write_journal(&mut journal, &kept, ("apply_failed", reason));
        tx.run(journal).await?;
        tx.commit().await
    }

    /// Applies a batch: what its calls are now, and all that has to be written for that.
    pub(super) async fn plan(
        &mut self,
        from: &mut Source<'_>,
        batch: &[&Submission],
    ) -> Result<Plan, ApplyError> {
        let mut writes = sql::WRITES.rows(self.engine);
        let mut receipts = vec![Receipt::default(); batch.len()];
        for submission in batch {
            let outcome = (submission.outcome.as_str(), submission.outcome.reason());
            write_journal(writes.of(&sql::JOURNAL), submission, outcome);
        }
        visits::told_beside_calls(&mut writes, batch);
        let events: Events<'_> = batch
            .iter()
            .enumerate()
            .flat_map(|(n, submission)| submission.events.iter().map(move |event| (n, event)))
            .collect();
        let mut works = Vec::new();
        if !events.is_empty() {
            works = self
                .apply(from, &events, batch, &mut receipts, &mut writes)
                .await?;
            self.place(from, &mut works).await?;
            self.find_cards(from, &mut works, &mut writes).await?;
            self.write(&mut writes, &works);
        }
        Ok(Plan {
            writes,
            works,
            receipts,
        })
    }

    /// Puts the events into their calls; gives back those that have learnt something.
    async fn apply(
        &mut self,
        from: &mut Source<'_>,
        events: &Events<'_>,
        batch: &[&Submission],
        receipts: &mut [Receipt],
        writes: &mut ScriptRows,
    ) -> Result<Vec<Work>, ApplyError> {
        let mut keys = Keys::of(events);
        let stored = self.find(from, &keys).await?;
        let places: Vec<Option<CallId>> = stored.iter().map(|s| s.map(|(id, _)| id)).collect();
        let groups = keys.group(events, &places);
        if let Source::Ahead(_) = from
            && groups.iter().any(|group| group.calls.len() > 1)
        {
            return Err(ApplyError::Later);
        }
        let mut known = self.load(from, &stored).await?;
        let mut works = Vec::with_capacity(groups.len());
        let names = writes.of(&sql::ADD_KEYS);
        for group in groups {
            let calls: Vec<Known> = group
                .calls
                .iter()
                .filter_map(|id| known.remove(id))
                .collect();
            let work = self.apply_group((calls, &group), &keys, events, batch, receipts);
            let id = match &work {
                Ok(work) => work.known.id,
                Err(unchanged) => unchanged.id,
            };
            for place in &group.keys {
                let (account, key) = keys.list()[*place];
                if let Source::Ahead(_) = from {
                    self.next_unread.name(account, key, id);
                }
                self.memory.name(account, key, id);
                if places[*place].is_none() {
                    names.text(account.as_str()).text(key.as_str()).id(id.0);
                }
            }
            match work {
                Ok(work) => works.push(work),
                Err(unchanged) => self.memory.keep(*unchanged),
            }
        }
        Ok(works)
    }

    /// Which stored call each key names, with its version where it has been read.
    async fn find(&mut self, from: &mut Source<'_>, keys: &Keys<'_>) -> Result<Stored, ApplyError> {
        match from {
            Source::Held(tx) => self.find_locked(tx, keys).await,
            Source::Ahead(ahead) => self.find_ahead(ahead, keys).await,
        }
    }

    /// The same under lock. Reads the directory again if it has changed.
    async fn find_locked(&mut self, tx: &mut Tx, keys: &Keys<'_>) -> Result<Stored, ApplyError> {
        if self.engine == Engine::Pg {
            tx.run(fill_keys(sql::LOCK_KEYS.rows(self.engine), keys))
                .await?;
        }
        for _ in 0..LOCK_TRIES {
            let rows: Vec<sql::FoundKey> = tx
                .fetch(fill_keys(sql::FIND_KEYS.rows(self.engine), keys))
                .await?;
            let mut stored = vec![None; keys.list().len()];
            let mut named = Vec::new();
            for (n, id, version, directory) in rows {
                match (usize::try_from(n), id, version) {
                    (Ok(n), Some(id), Some(_)) => stored[n] = Some((CallId(id), version)),
                    (Ok(n), Some(id), None) => named.push((n, CallId(id))),
                    _ => {}
                }
                self.directory.is_at(directory);
            }
            // A key may have moved to another call while we waited for the lock of its old one.
            let all_locked = named
                .into_iter()
                .all(|(n, id)| stored[n].is_some_and(|(locked, _)| locked == id));
            if all_locked {
                self.directory.refresh(tx).await?;
                return Ok(stored);
            }
        }
        Err(ApplyError::Away(sqlx::Error::Protocol(
            "calls keep being merged by other nodes".to_owned(),
        )))
    }

    /// The stored calls: from memory where the version fits, else from the tables.
    async fn load(
        &mut self,
        from: &mut Source<'_>,
        stored: &Stored,
    ) -> Result<HashMap<CallId, Known>, ApplyError> {
        let mut known = HashMap::new();
        let mut wanted = BTreeSet::new();
        for (id, version) in stored.iter().flatten() {
            if known.contains_key(id) {
                continue;
            }
            match self.memory.take(*id, *version) {
                Some(call) => _ = known.insert(*id, call),
                None => _ = wanted.insert(*id),
            }
        }
        if wanted.is_empty() {
            return Ok(known);
        }
        let mut calls = sql::LOAD_CALLS.rows(self.engine);
        for id in &wanted {
            calls.id(id.0);
        }
        if let Source::Ahead(_) = from
            && wanted.iter().any(|id| self.unread.calls.contains(id))
        {
            return Err(self.not_ahead());
        }
        let rows: Vec<CallRow> = from.fetch(calls).await?;
        let found = rows.len();
        for row in rows {
            let call = row.known()?;
            known.insert(call.id, call);
        }
        if found < wanted.len() {
            // Somebody has removed a call that memory still names.
            return Err(self.not_ahead());
        }
        Ok(known)
    }

    /// Puts a group's events into its call. `Err` gives back a call that has learnt nothing.
    fn apply_group(
        &self,
        (calls, group): (Vec<Known>, &Group),
        keys: &Keys<'_>,
        events: &Events<'_>,
        batch: &[&Submission],
        receipts: &mut [Receipt],
    ) -> Result<Work, Box<Known>> {
        let (known, losers) = winner(calls);
        let mut known = known.unwrap_or_else(|| {
            let (account, key) = keys.list()[group.keys[0]];
            Known::new(account.clone(), key.clone())
        });
        let before = (known.version > 0).then(|| known.stand.clone());
        for loser in &losers {
            known.facts.unite(loser.facts.clone());
        }
        let mut learnt = !losers.is_empty() || before.is_none();
        let mut received_at = None;
        for (submission, event) in group.events.iter().map(|n| events[*n]) {
            #[cfg(feature = "planted")]
            if planted_loss(&known, event) {
                continue;
            }
            if known.facts.insert(event.clone()) {
                learnt = true;
                receipts[submission].new_facts += 1;
            }
            let at = batch[submission].received_at;
            received_at = Some(received_at.map_or(at, |earlier: Timestamp| earlier.min(at)));
        }
        if !learnt {
            return Err(Box::new(known));
        }
        known.version = losers
            .iter()
            .fold(known.version, |version, loser| version.max(loser.version))
            + 1;
        let mut renamed = false;
        if let Some(key) = tracker::main_key(&known.facts).filter(|key| **key != known.key) {
            known.key = key.clone();
            renamed = true;
        }
        known.stand.call = Arc::new((self.derive)(&known.facts));
        Ok(Work {
            known,
            before,
            renamed,
            losers,
            made_touch: false,
            received_at: received_at.unwrap_or_default(),
        })
    }

    /// Finds line and person of every call; a number of ours seen for the first time becomes a line.
    async fn place(&mut self, from: &mut Source<'_>, works: &mut [Work]) -> Result<(), ApplyError> {
        let mut unknown: BTreeSet<(AccountName, String)> = BTreeSet::new();
        for work in works.iter() {
            if let Some(did) = our_number(work.call())
                && self.directory.line(&work.known.account, did).is_none()
            {
                unknown.insert((work.known.account.clone(), did.to_owned()));
            }
        }
        if !unknown.is_empty() {
            let Source::Held(tx) = from else {
                return Err(self.not_ahead());
            };
            let mut lines = sql::ADD_LINES.rows(self.engine);
            for (account, did) in &unknown {
                lines.text(account.as_str()).text(did.as_str());
            }
            tx.run(lines).await?;
            self.directory = Directory::default();
            self.directory.refresh(tx).await?;
        }
        for work in works {
            let account = &work.known.account;
            let line = our_number(&work.known.stand.call)
                .and_then(|did| self.directory.line(account, did));
            let answered_by = work.known.stand.call.answered_by.as_ref();
            let person = answered_by.and_then(|ext| self.directory.person(account, ext));
            work.known.stand.line = line;
            work.known.stand.answered_by = person;
        }
        Ok(())
    }

    /// Fills in the calls with their facts, then all that follows from them.
    fn write(&self, writes: &mut ScriptRows, works: &[Work]) {
        // In the order in which everybody locks them.
        let mut by_id: Vec<&Work> = works.iter().collect();
        by_id.sort_unstable_by_key(|work| work.known.id);
        for work in by_id {
            columns::write(writes, self.engine, work);
        }
        effects::merge(writes, works);
        let now = works.iter().map(|work| work.received_at).max();
        effects::Effects {
            node: self.node,
            call_back: &self.call_back.load(),
            directory: &self.directory,
            now: now.unwrap_or_default(),
        }
        .write(writes, works);
    }
}

impl Work {
    /// The call as it is now.
    pub(super) fn call(&self) -> &Call {
        &self.known.stand.call
    }

    fn change(&self) -> Change {
        let stand = &self.known.stand;
        Change {
            id: self.known.id,
            account: self.known.account.clone(),
            key: self.known.key.clone(),
            version: self.known.version,
            call: stand.call.clone(),
            card: stand.card,
            match_reason: stand.reason.map(MatchReason::as_str),
            line: stand.line,
            merged: self.losers.iter().map(|loser| loser.id).collect(),
            received_at: self.received_at,
        }
    }
}

fn fill_keys(mut rows: Rows, keys: &Keys<'_>) -> Rows {
    for (n, (account, key)) in (0_i64..).zip(keys.list()) {
        rows.int(n).text(account.as_str()).text(key.as_str());
    }
    rows
}

/// Of several calls that are one, the one that stays: the least (start, key).
fn winner(mut calls: Vec<Known>) -> (Option<Known>, Vec<Known>) {
    calls.sort_by(|a, b| (a.stand.call.started_at, &a.key).cmp(&(b.stand.call.started_at, &b.key)));
    let mut calls = calls.into_iter();
    (calls.next(), calls.collect())
}

/// Our number in a call with somebody outside, as the line table writes it.
fn our_number(call: &Call) -> Option<&str> {
    if !matches!(call.direction, Some(Direction::In | Direction::Out)) {
        return None;
    }
    did_text(call)
}

/// Faults that lose facts: late ones, or those that look like one that is there.
#[cfg(feature = "planted")]
fn planted_loss(known: &Known, event: &CallEvent) -> bool {
    use std::mem::discriminant;
    let late = !known.facts.is_empty() && event.at < known.stand.call.heard_at;
    let alike = known.facts.iter().any(|other| {
        other.leg == event.leg && discriminant(&other.fact) == discriminant(&event.fact)
    });
    (late && crate::planted::is("order_matters"))
        || (alike && crate::planted::is("repeats_dropped_wrongly"))
}

fn write_journal(rows: &mut Rows, submission: &Submission, (outcome, reason): (&str, &str)) {
    if submission.raw.is_empty() {
        return;
    }
    rows.text(submission.account.as_str())
        .int(submission.received_at.as_micros())
        .text(submission.source)
        .bytes(&submission.raw)
        .text(outcome)
        .text(reason);
}
