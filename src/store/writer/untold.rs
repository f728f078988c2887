//! Changes by batches of which nobody knows whether they were written: the server did not answer. Applied again
//! such a batch changes nothing, so whoever shows calls would never hear of it.

use std::collections::{BTreeSet, HashMap, VecDeque};

use super::statements as sql;
use crate::{
    model::{call::Change, ids::CallId},
    store::rows::Tx,
};

/// Most that are kept. Every try of a batch adds its own, and a server may leave many unanswered.
const MOST: usize = 20_000;

/// What is to be told once it is known to be written.
#[derive(Default)]
pub(super) struct Untold(VecDeque<Change>);

impl Untold {
    /// Remembers these, and gives up the oldest if there are too many.
    pub(super) fn add(&mut self, changes: impl IntoIterator<Item = Change>) {
        self.0.extend(changes);
        let given_up = self.0.len().saturating_sub(MOST);
        if given_up > 0 {
            self.0.drain(..given_up);
            tracing::warn!(
                calls = given_up,
                "if they were written, calls are shown only when they change again"
            );
        }
    }

    /// Those that were written.
    pub(super) async fn written(&self, tx: &mut Tx) -> Result<Vec<Change>, sqlx::Error> {
        let mut calls = sql::FIND_VERSIONS.rows(tx.engine());
        let ids: BTreeSet<CallId> = self.0.iter().map(|change| change.id).collect();
        for id in ids {
            calls.id(id.0);
        }
        let found: Vec<(uuid::Uuid, i64)> = tx.fetch(calls).await?;
        let versions: HashMap<uuid::Uuid, i64> = found.into_iter().collect();
        let is_written = |change: &&Change| {
            let version = versions.get(&change.id.0);
            version.is_some_and(|version| *version >= change.version)
        };
        Ok(self.0.iter().filter(is_written).cloned().collect())
    }

    /// All of it has been told.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::time::Timestamp;

    #[test]
    fn the_oldest_are_given_up() {
        let of_call = |version: i64| Change {
            id: CallId(uuid::Uuid::nil()),
            account: "office".into(),
            key: "1".into(),
            version,
            call: Arc::default(),
            card: None,
            match_reason: None,
            line: None,
            merged: Vec::new(),
            received_at: Timestamp::from_micros(0),
        };
        let mut untold = Untold::default();
        untold.add((0..7).map(of_call));
        untold.add((7..MOST as i64 + 5).map(of_call));
        let versions: Vec<i64> = untold.0.iter().map(|change| change.version).collect();
        let newest: Vec<i64> = (5..MOST as i64 + 5).collect();
        assert_eq!(versions, newest);
    }
}
