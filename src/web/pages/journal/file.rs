//! The journal's list as a file.

use axum::{
    body::Body,
    extract::{Query, State as Extract},
    response::Response,
};
use futures_util::stream;

use super::{Asked, Wanted};
use crate::{
    model::time::Timestamp,
    policy::{Action, Object},
    store::journal::{self, Cursor, WithOrigin},
    web::{
        Error, Site, State, Visitor, demand,
        format::{self, Clock},
        i18n::Texts,
        now,
        parts::{self, Pen},
        sheet::{self, Sheet},
        sight::{self, Sight},
    },
};

const EXPORT_ROWS: i64 = 1_000;

/// The list of the address as a file, a thousand rows at a time from the database to the browser.
pub(super) async fn export(
    Extract(site): Extract<State>,
    visitor: Visitor,
    Query(asked): Query<Asked>,
) -> Result<Response, Error> {
    demand(&visitor, Action::Export, &Object::Whole)?;
    let texts = visitor.texts;
    let sight = sight::in_lists(&visitor);
    let clock = Clock::new(&site.zone, texts);
    let wanted = Wanted::new(asked, &clock, sight::whose(&visitor), sight);
    sight::searched(&site, &visitor, sight, wanted.filter.digits.as_deref()).await?;
    let detail = format!("{}..{}", wanted.from, wanted.to);
    sight::audited(&site, &visitor, "export", "calls", &detail).await?;
    let name = format!("calls-{}-{}.csv", wanted.from, wanted.to);
    let state = Some((site, wanted.filter, None::<Cursor>, true));
    let body = stream::try_unfold(state, move |state| async move {
        let Some((site, filter, after, first)) = state else {
            return Ok::<_, Error>(None);
        };
        let rows = journal::with_origins(&site.db, &filter, after, EXPORT_ROWS).await?;
        let text = csv_rows(&site, texts, sight, &rows, first);
        let last = rows.last().filter(|_| rows.len() as i64 == EXPORT_ROWS);
        let next = last.map(|WithOrigin { row, .. }| Cursor {
            started_at: Timestamp::from_micros(row.started_at),
            id: row.id,
        });
        Ok(Some((
            text,
            next.map(|cursor| (site, filter, Some(cursor), false)),
        )))
    });
    Ok(sheet::download(&name, Body::from_stream(body)))
}

/// Rows as CSV.
fn csv_rows(site: &Site, t: Texts, sight: Sight, rows: &[WithOrigin], first: bool) -> String {
    let pen = Pen {
        t,
        clock: Clock::new(&site.zone, t),
        sight,
        now: now(),
    };
    let mut sheet = Sheet::new(t, first);
    if first {
        sheet.line(&[
            t.say("col-started"),
            t.say("filter-direction"),
            t.say("col-client"),
            t.say("filter-number"),
            t.say("col-line"),
            t.say("col-result"),
            t.say("col-person"),
            t.say("col-wait"),
            t.say("col-talk"),
            t.say("filter-channel"),
            t.say("col-source"),
            t.say("col-medium"),
            t.say("col-campaign"),
            t.say("col-keyword"),
        ]);
    }
    for told in rows {
        let row = &told.row;
        let origin = |part: &Option<String>| part.clone().unwrap_or_default();
        let started = Timestamp::from_micros(row.started_at);
        let line = row.line_name.clone().or(row.did.clone());
        sheet.line(&[
            format!("{} {}", pen.clock.day(started), pen.clock.time_s(started)),
            t.word("direction", row.direction.as_deref().unwrap_or("unknown")),
            pen.client_name(row).unwrap_or_default(),
            pen.client_number(row),
            line.unwrap_or_default(),
            parts::outcome_word(t, row),
            row.person_name.clone().unwrap_or_default(),
            row.wait_ms.map(format::span).unwrap_or_default(),
            row.talk_ms.map(format::span).unwrap_or_default(),
            origin(&told.channel),
            origin(&told.source),
            origin(&told.medium),
            origin(&told.campaign),
            origin(&told.term),
        ]);
    }
    sheet.text
}
