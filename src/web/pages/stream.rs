//! The live stream of a person's pages, and the page's word that a pop stands on the screen.

use std::{convert::Infallible, time::Duration};

use axum::{
    Form,
    extract::{Query, State as Extract},
    http::{HeaderMap, StatusCode, header},
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
    routing::{get, post},
};
use futures_util::{Stream, StreamExt, stream};
use serde::Deserialize;
use tokio::sync::watch;
use uuid::Uuid;

use crate::{
    live::{Frame, FrameId, Hub, Numbered},
    model::ids::{CallId, PersonId},
    policy::{Action, Object},
    web::{
        Error, State, Visitor, auth, demand, now,
        routes::{Access, Route},
    },
};

/// The routes of this page.
pub const ROUTES: &[Route] = &[
    Route::get("/live", Access::Right(Action::UseDesk), || get(live)),
    Route::post("/live/painted", Access::Right(Action::UseDesk), || {
        post(painted)
    }),
];

/// Comments that keep proxies from closing a quiet stream, and by which a page that went away is noticed:
/// its half-closed connection tells only when it is written to.
const KEEP_ALIVE: Duration = Duration::from_secs(5);
/// Lists of everybody's calls are told at most this often.
const LISTS_EVERY: Duration = Duration::from_secs(1);

#[derive(Deserialize)]
struct Wanted {
    /// Be a live supervisor while this page is open.
    #[serde(default)]
    watch: u8,
    /// The page shows a list of everybody's calls.
    #[serde(default)]
    lists: u8,
    /// Id of the last frame, for pages that open the stream anew themselves.
    after: Option<String>,
}

#[derive(Deserialize)]
struct Painted {
    call: Uuid,
}

async fn live(
    Extract(site): Extract<State>,
    visitor: Visitor,
    Query(wanted): Query<Wanted>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let watch = wanted.watch == 1;
    if watch {
        demand(&visitor, Action::Supervise, &Object::Whole)?;
    }
    let after = headers
        .get("last-event-id")
        .and_then(|id| id.to_str().ok())
        .or(wanted.after.as_deref())
        .and_then(|id| id.parse::<FrameId>().ok());
    let person = visitor.person.id;
    let over = auth::over(&site, &visitor).await?;
    let own = site.hub.connect(person, watch, after, now());
    let own = stream::unfold(own, |mut own| async move {
        let numbered = own.next().await;
        Some((numbered, own))
    });
    let hub = site.hub.clone();
    let own = own.map(move |numbered| {
        tell_delivered(&hub, person, &numbered);
        event(&numbered)
    });
    let lists = (wanted.lists == 1).then(|| list_events(site.hub.any_list()));
    let events = stream::select(own, stream::iter(lists).flatten())
        .take_until(over)
        .map(Ok::<_, Infallible>);
    let sse = Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE));
    // nginx gathers answers unless told not to.
    Ok(([("x-accel-buffering", "no")], sse).into_response())
}

fn tell_delivered(hub: &Hub, person: PersonId, numbered: &Numbered) {
    match &*numbered.frame {
        Frame::Pop(shown) => hub.delivered(person, shown, now()),
        Frame::Sync { pops } => {
            for shown in pops {
                hub.delivered(person, shown, now());
            }
        }
        Frame::Withdraw { .. } | Frame::Lists => {}
    }
}

fn event(numbered: &Numbered) -> Event {
    let event = Event::default().id(numbered.id.to_string());
    match serde_json::to_string(&*numbered.frame) {
        Ok(json) => event.data(json),
        Err(_) => event.comment("unwritable"), // frames are plain words and numbers
    }
}

/// Ticks for pages with lists; without an id, as nothing is lost by missing one.
fn list_events(changes: watch::Receiver<u64>) -> impl Stream<Item = Event> + Send {
    stream::unfold(changes, |mut changes| async move {
        changes.changed().await.ok()?;
        tokio::time::sleep(LISTS_EVERY).await;
        changes.mark_unchanged();
        Some((
            Event::default().event("lists").data(r#"{"kind":"lists"}"#),
            changes,
        ))
    })
}

async fn painted(
    Extract(site): Extract<State>,
    visitor: Visitor,
    Form(painted): Form<Painted>,
) -> Response {
    let call = CallId(painted.call);
    // Only for a pop the person has; anything else is noise of a late page.
    if site.hub.pop(visitor.person.id, call).is_some() {
        site.hub.painted(visitor.person.id, call, now());
    }
    (StatusCode::NO_CONTENT, [(header::CONTENT_LENGTH, "0")]).into_response()
}
