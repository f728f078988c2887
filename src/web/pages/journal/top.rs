//! The rows above the journal's list.

use axum::extract::{Query, State as Extract};
use maud::{Markup, html};
use serde::Deserialize;

use crate::{
    model::time::Timestamp,
    store::journal::{self, CallRow},
    web::{
        Error, Site, State, Visitor,
        parts::{Columns, Pen},
        sight,
    },
};

const LIVE_ROWS: i64 = 20;
/// A call nobody has told anything of for so long is not "going on now".
const LIVE_HEARD_MS: i64 = 4 * 3_600_000;

/// Since when a page stands, in microseconds; a page that is made now says nothing.
#[derive(Clone, Copy, Default, Deserialize)]
#[serde(default)]
pub(super) struct Standing {
    /// Start of the oldest call that went on then.
    begun: i64,
    /// When the page was made.
    since: Option<i64>,
}

/// The rows as they stand now.
pub(super) async fn again(
    Extract(site): Extract<State>,
    visitor: Visitor,
    Query(standing): Query<Standing>,
) -> Result<Markup, Error> {
    let pen = site.pen(&visitor, sight::in_lists(&visitor));
    let top = Top::read(&site, &visitor, &pen, standing).await?;
    Ok(top.markup(&pen))
}

/// The rows above the list: calls that go on, and those that have ended while the page stood, so that
/// none vanishes before the list is loaded again and no row of the list moves.
pub(super) struct Top {
    going_on: Vec<CallRow>,
    ended: Vec<CallRow>,
}

impl Top {
    pub(super) async fn read(
        site: &Site,
        visitor: &Visitor,
        pen: &Pen<'_>,
        standing: Standing,
    ) -> Result<Self, Error> {
        let whose = sight::whose(visitor);
        let heard_since = pen.now.plus_millis(-LIVE_HEARD_MS);
        let going_on = journal::live(&site.db, whose, heard_since, LIVE_ROWS).await?;
        let ended = match standing.since {
            None => Vec::new(),
            Some(since) => {
                let begun = Timestamp::from_micros(standing.begun).max(heard_since);
                let since = Timestamp::from_micros(since);
                journal::just_ended(&site.db, whose, begun, since, LIVE_ROWS).await?
            }
        };
        Ok(Self { going_on, ended })
    }

    pub(super) fn shows(&self, row: &CallRow) -> bool {
        self.going_on.iter().any(|one| one.id == row.id)
    }

    /// Where these rows are read again, by a page made now.
    pub(super) fn address(&self, now: Timestamp) -> String {
        let oldest = self.going_on.iter().map(|row| row.started_at).min();
        let since = now.as_micros();
        format!(
            "/calls/live?begun={}&since={since}",
            oldest.unwrap_or(since).min(since)
        )
    }

    pub(super) fn markup(&self, pen: &Pen<'_>) -> Markup {
        html! {
            @if !self.going_on.is_empty() || !self.ended.is_empty() {
                section.live-calls aria-labelledby="live-title" {
                    h2 #live-title { (pen.t.say("live-title")) " " span.count { (self.going_on.len()) } }
                    @for rows in [&self.going_on, &self.ended] {
                        @if !rows.is_empty() { div.scroll { (pen.calls(rows, Columns::All)) } }
                    }
                }
            }
        }
    }
}
