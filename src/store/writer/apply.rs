//! One batch, one transaction.

use super::{Receipt, Settings, Submission};
use crate::{
    model::call::Change,
    store::{
        Db,
        rows::{Engine, Kind, Rows, Statement, Tx},
    },
};

static JOURNAL: Statement = Statement::new(
    "insert into raw (account, received_at, source, body, outcome, reason) \
     select account, received_at, source, body, outcome, reason from {rows} as r",
    &[
        ("account", Kind::Text),
        ("received_at", Kind::Int),
        ("source", Kind::Text),
        ("body", Kind::Bytes),
        ("outcome", Kind::Text),
        ("reason", Kind::Text),
    ],
);

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
    // SQLite's primary code is the low byte: constraint 19, too big 18, mismatch 20.
    let primary = code.parse::<i64>().map_or(0, |code| code & 0xff);
    matches!(primary, 18..=20)
}

/// Applies batches to the database.
pub(super) struct Committer {
    db: Db,
    engine: Engine,
}

impl Committer {
    pub(super) fn new(db: Db, _node: i64, _settings: &Settings) -> Self {
        Self {
            engine: Engine::of(&db),
            db,
        }
    }

    /// Forgets everything kept in memory: it may not be what the database holds.
    pub(super) fn forget(&mut self) {}

    /// Commits a whole batch or nothing of it.
    pub(super) async fn commit(&mut self, batch: &[&Submission]) -> Result<Applied, ApplyError> {
        let mut tx = Tx::begin(&self.db).await?;
        let mut journal = JOURNAL.rows(self.engine);
        for submission in batch {
            let outcome = (submission.outcome.as_str(), submission.outcome.reason());
            write_journal(&mut journal, submission, outcome);
        }
        tx.run(journal).await?;
        tx.commit().await?;
        Ok(Applied {
            receipts: vec![Receipt::default(); batch.len()],
            changes: Vec::new(),
        })
    }

    /// Keeps one message that cannot be applied as a dead letter.
    pub(super) async fn bury(
        &self,
        submission: &Submission,
        reason: &str,
    ) -> Result<(), sqlx::Error> {
        let mut tx = Tx::begin(&self.db).await?;
        let mut journal = JOURNAL.rows(self.engine);
        write_journal(&mut journal, submission, ("apply_failed", reason));
        tx.run(journal).await?;
        tx.commit().await
    }
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
