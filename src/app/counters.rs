//! Counts ended calls for the metrics, each once.

use std::collections::{HashMap, HashSet, VecDeque};

use crate::{
    model::{
        call::Change,
        ids::{CallId, LineId},
    },
    store::{Db, routing},
    telemetry,
};

/// Ended calls remembered; a fact that comes later than this many calls counts its call again.
const REMEMBERED: usize = 50_000;

/// What has been counted, and the names of lines.
pub(super) struct Counters {
    db: Db,
    counted: HashSet<CallId>,
    order: VecDeque<CallId>,
    lines: HashMap<LineId, String>,
}

impl Counters {
    pub(super) fn new(db: Db) -> Self {
        Self {
            db,
            counted: HashSet::new(),
            order: VecDeque::new(),
            lines: HashMap::new(),
        }
    }

    /// Counts the call if this is how it ended.
    pub(super) async fn note(&mut self, change: &Change) {
        let call = &change.call;
        let (Some(direction), Some(result)) = (call.direction, call.result) else {
            return;
        };
        if !call.is_over() || !self.first_time(change.id) {
            return;
        }
        telemetry::CallEnded {
            direction: direction.as_str(),
            result: result.as_str(),
            line: self.line(change.line).await,
        }
        .emit();
    }

    fn first_time(&mut self, id: CallId) -> bool {
        if !self.counted.insert(id) {
            return false;
        }
        self.order.push_back(id);
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.counted.remove(&oldest);
        }
        true
    }

    /// The line's name; read again only when a line comes that was not there before.
    async fn line(&mut self, line: Option<LineId>) -> &str {
        let Some(line) = line else {
            return "";
        };
        if !self.lines.contains_key(&line) {
            match routing::line_names(&self.db).await {
                Ok(lines) => self.lines = lines,
                Err(error) => tracing::debug!(%error, "line names could not be read for a counter"),
            }
        }
        self.lines.get(&line).map_or("", String::as_str)
    }
}
