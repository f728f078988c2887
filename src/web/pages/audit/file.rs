//! The audit as a file; who takes it away stands in it.

use axum::{
    body::Body,
    extract::{Query, State as Extract},
    response::Response,
};
use futures_util::stream;

use super::{Asked, Names, Wanted, who};
use crate::{
    model::time::Timestamp,
    store::audit::{self, Kept},
    web::{
        Error, State, Visitor,
        format::Clock,
        i18n::Texts,
        sheet::{self, Sheet},
        sight,
    },
};

const EXPORT_ROWS: i64 = 1_000;

/// The list of the address, a thousand rows at a time from the database to the browser.
pub(super) async fn export(
    Extract(site): Extract<State>,
    visitor: Visitor,
    Query(asked): Query<Asked>,
) -> Result<Response, Error> {
    let t = visitor.texts;
    let wanted = Wanted::new(asked, &Clock::new(&site.zone, t));
    let days = format!("{}..{}", wanted.from, wanted.to);
    sight::audited(&site, &visitor, "export", "audit", &days).await?;
    let name = format!("audit-{}-{}.csv", wanted.from, wanted.to);
    let names = Names::read(&site).await?;
    let state = Some((site, names, wanted.filter, None::<i64>));
    let body = stream::try_unfold(state, move |state| async move {
        let Some((site, names, filter, before)) = state else {
            return Ok::<_, Error>(None);
        };
        let rows = audit::page(&site.db, &filter, before, EXPORT_ROWS).await?;
        let clock = Clock::new(&site.zone, t);
        let text = lines(t, &clock, &names, &rows, before.is_none());
        let last = rows.last().filter(|_| rows.len() as i64 == EXPORT_ROWS);
        let next = last.map(|row| row.id);
        Ok(Some((
            text,
            next.map(|last| (site, names, filter, Some(last))),
        )))
    });
    Ok(sheet::download(&name, Body::from_stream(body)))
}

fn lines(t: Texts, clock: &Clock<'_>, names: &Names, rows: &[Kept], is_first: bool) -> String {
    let mut sheet = Sheet::new(t, is_first);
    if is_first {
        sheet.line(&[
            t.say("letter-at"),
            t.say("change-who"),
            t.say("change-what"),
            t.say("audit-object"),
            t.say("audit-which"),
            t.say("audit-detail"),
            t.say("audit-remote"),
        ]);
    }
    for row in rows {
        let at = Timestamp::from_micros(row.at);
        sheet.line(&[
            format!("{} {}", clock.day(at), clock.time_s(at)),
            who(t, row),
            t.word("deed", &row.action),
            names.object(t, &row.object),
            row.object.clone(),
            row.detail.clone(),
            row.remote.clone(),
        ]);
    }
    sheet.text
}
