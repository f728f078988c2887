//! Recordings: the player with the picture of both sides, the bytes in parts, the download, and words
//! for every state in which there is nothing to play. Every listen and download is audited.

use axum::{
    body::Body,
    extract::{Path, State as Extract},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use maud::{Markup, html};

use super::recorded;
use crate::{
    model::{call::Call, recording::RecordingState},
    policy::{self, Action, Object},
    recordings::{
        audio::{Measures, PEAKS_PER_SIDE},
        serve,
        vault::VaultError,
    },
    store::{
        journal,
        recordings::{self, Picture, Recording},
    },
    web::{
        Error, Site, State, Visitor, demand, format,
        i18n::Texts,
        now,
        parts::Pen,
        routes::{Access, Route},
        sight,
    },
};

/// The routes of this page.
pub const ROUTES: &[Route] = &[
    Route::get(
        "/recordings/{id}/audio",
        Access::Right(Action::Listen),
        || get(listen),
    ),
    Route::get(
        "/recordings/{id}/file",
        Access::Right(Action::Download),
        || get(download),
    ),
];

async fn listen(
    Extract(site): Extract<State>,
    visitor: Visitor,
    Path(id): Path<i64>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    heard(&site, &visitor, id, &headers).await
}

async fn download(
    Extract(site): Extract<State>,
    visitor: Visitor,
    Path(id): Path<i64>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    taken_away(&site, &visitor, id, &headers).await
}

/// The sound to listen to, or the asked part of it.
pub async fn heard(
    site: &Site,
    visitor: &Visitor,
    id: i64,
    headers: &HeaderMap,
) -> Result<Response, Error> {
    let recording = wanted(site, visitor, id, Action::Listen).await?;
    // A player asks for many parts of one listen, and any part of it can be the first.
    let (person, now) = (visitor.person.id, now());
    if site.listens.is_new(person, id, now) {
        let object = format!("recording:{id}");
        sight::audited(site, visitor, "listen", &object, "").await?;
        site.listens.keep(person, id, now);
    }
    answer(site, &recording, headers, false).await
}

/// The sound as a file.
pub async fn taken_away(
    site: &Site,
    visitor: &Visitor,
    id: i64,
    headers: &HeaderMap,
) -> Result<Response, Error> {
    let recording = wanted(site, visitor, id, Action::Download).await?;
    let object = format!("recording:{id}");
    sight::audited(site, visitor, "download", &object, "").await?;
    answer(site, &recording, headers, true).await
}

/// A recording of a call to which the visitor may do this.
pub async fn wanted(
    site: &Site,
    visitor: &Visitor,
    id: i64,
    action: Action,
) -> Result<Recording, Error> {
    let recording = recordings::by_id(&site.db, id)
        .await?
        .ok_or(Error::NotFound)?;
    let page = journal::call(&site.db, recording.call)
        .await?
        .ok_or(Error::NotFound)?;
    let object = sight::call_belongs(site, visitor, &page).await?;
    demand(visitor, action, &object)?;
    if recording.state == RecordingState::Withheld
        && matches!(action, Action::Listen | Action::Download)
    {
        return Err(Error::Unusable("recording-withheld"));
    }
    Ok(recording)
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

async fn answer(
    site: &Site,
    recording: &Recording,
    headers: &HeaderMap,
    as_file: bool,
) -> Result<Response, Error> {
    let range = text(headers, header::RANGE);
    let if_range = text(headers, header::IF_RANGE);
    let opened = serve::open(&site.vault, recording, range, if_range).await;
    let answer = opened.map_err(|error| match error {
        VaultError::Missing => Error::NotFound,
        other => Error::Unavailable(other.to_string()),
    })?;
    let disposition = match as_file {
        true => format!("attachment; filename=\"{}\"", serve::file_name(recording)),
        false => "inline".to_owned(),
    };
    let status = StatusCode::from_u16(answer.status)
        .map_err(|error| Error::Unavailable(error.to_string()))?;
    let fixed = [
        (header::CONTENT_TYPE, answer.content_type.to_owned()),
        (header::CONTENT_LENGTH, answer.length.to_string()),
        (header::CONTENT_DISPOSITION, disposition),
        (header::ACCEPT_RANGES, "bytes".to_owned()),
        (header::ETAG, answer.etag),
        // Kept by this browser only, and asked for again every time: each listen counts.
        (header::CACHE_CONTROL, "private, no-cache".to_owned()),
    ];
    let part = answer
        .content_range
        .map(|part| [(header::CONTENT_RANGE, part)]);
    let body = Body::from_stream(answer.body);
    Ok(match part {
        Some(part) => (status, fixed, part, body).into_response(),
        None => (status, fixed, body).into_response(),
    })
}

/// The recordings of a call, each with its player or with words why there is none.
pub fn recordings(
    pen: &Pen<'_>,
    visitor: &Visitor,
    object: &Object,
    call: &Call,
    all: &[(Recording, Option<Picture>)],
) -> Markup {
    let t = pen.t;
    if all.is_empty() {
        return html! {};
    }
    let may = |action| policy::can(&visitor.person, action, object).is_allowed();
    let (may_listen, may_download) = (may(Action::Listen), may(Action::Download));
    html! {
        section.recordings aria-labelledby="recordings-title" {
            h2 #recordings-title { (t.say("recordings-title")) }
            @for (recording, picture) in all {
                div.recording data-state=(recording.state.as_str()) {
                    @match recording.state {
                        RecordingState::Kept if may_listen => { (player(t, call, recording, picture.as_ref())) }
                        RecordingState::Kept => { p { (t.say("recording-no-right")) } }
                        state => {
                            p { (t.word("recording-state", state.as_str())) }
                            @if !recording.reason.is_empty() { p.fine { (t.word("recording-reason", &recording.reason)) } }
                        }
                    }
                    (facts(t, recording, may_download))
                }
            }
        }
    }
}

fn facts(t: Texts, recording: &Recording, may_download: bool) -> Markup {
    let here = recording.state.is_open();
    html! {
        p.fine {
            @if let Some(ms) = recording.duration_ms { (format::span(ms)) " · " }
            @if let Some(kind) = &recording.format { (container(kind)) " · " }
            @if let Some(size) = recording.size { (format::size(t, size)) }
            @if here && may_download {
                " · " a href={ "/recordings/" (recording.id) "/file" } download { (t.say("recording-download")) }
            }
        }
    }
}

/// The name people know a file by: `wav_pcm` is WAV.
fn container(format: &str) -> String {
    format.split('_').next().unwrap_or(format).to_uppercase()
}

fn player(t: Texts, call: &Call, recording: &Recording, picture: Option<&Picture>) -> Markup {
    let duration_ms = recording.duration_ms.unwrap_or_default();
    html! {
        div.player data-player data-duration=(duration_ms) tabindex="-1" {
            @if let Some(picture) = picture { (waveform(t, picture, &recorded::pauses_in(call, duration_ms))) }
            audio controls preload="none" src={ "/recordings/" (recording.id) "/audio" } {}
            div.controls hidden {
                button.play type="button" data-play aria-keyshortcuts="Space" data-words-play=(t.say("player-play"))
                    data-words-pause=(t.say("player-pause")) { (t.say("player-play")) }
                button type="button" data-skip="-5" aria-keyshortcuts="ArrowLeft" title="←" { "−5 " (t.say("player-seconds")) }
                button type="button" data-skip="5" aria-keyshortcuts="ArrowRight" title="→" { "+5 " (t.say("player-seconds")) }
                input type="range" min="0" max=(duration_ms) step="100" value="0" data-seek
                    aria-label=(t.say("player-position"));
                span.time { span data-position { "0:00" } " / " (format::span(duration_ms)) }
                label { span.visually-hidden { (t.say("player-speed")) }
                    select data-speed title="[ ]" {
                        @for speed in ["0.75", "1", "1.25", "1.5", "2"] {
                            option value=(speed) selected[speed == "1"] { (speed.replace('.', match_point(t))) "×" }
                        }
                    }
                }
            }
            p.problem data-problem hidden role="alert" { (t.say("player-problem")) }
            @if let Some(picture) = picture { (shares(t, picture)) }
        }
    }
}

fn match_point(t: Texts) -> &'static str {
    match t.language {
        crate::web::i18n::Language::Russian => ",",
        crate::web::i18n::Language::English => ".",
    }
}

const WIDTH: usize = 1_000;
const HALF: usize = 40;

/// Both sides as one drawing: the first side above, the second below; one side is drawn mirrored.
fn waveform(t: Texts, picture: &Picture, pauses: &[(i64, i64)]) -> Markup {
    let sides: Vec<&[u8]> = picture.peaks.chunks(PEAKS_PER_SIDE).collect();
    // Quiet recordings are drawn as high as loud ones: the drawing shows who talks when.
    let loudest = picture.peaks.iter().copied().max().unwrap_or_default();
    let stereo = sides.len() > 1;
    let label = t.say(if stereo {
        "waveform-two"
    } else {
        "waveform-one"
    });
    html! {
        svg.waveform viewBox={ "0 0 " (WIDTH) " " (HALF * 2) } preserveAspectRatio="none"
            role="img" aria-label=(label) data-waveform {
            @if let Some(first) = sides.first() {
                path.client d=(outline(first, loudest, true)) {}
                @if !stereo { path.client d=(outline(first, loudest, false)) {} }
            }
            @if let Some(second) = sides.get(1) { path.employee d=(outline(second, loudest, false)) {} }
            @for (from, to) in pauses {
                rect.pause x=(from) y="0" width=(to - from) height=(HALF * 2) { title { (t.say("pause-mark")) } }
            }
            line.middle x1="0" y1=(HALF) x2=(WIDTH) y2=(HALF) {}
            line.cursor x1="0" y1="0" x2="0" y2=(HALF * 2) data-cursor {}
        }
        @if stereo {
            p.legend { span.client { (t.say("side-client")) } " " span.employee { (t.say("side-employee")) } }
        }
    }
}

/// The outline of one side, upwards or downwards from the middle.
fn outline(peaks: &[u8], loudest: u8, up: bool) -> String {
    let mut path = format!("M0 {HALF}");
    for (n, peak) in peaks.iter().enumerate() {
        let x = n * WIDTH / peaks.len().max(1);
        let height = usize::from(*peak) * HALF / usize::from(loudest.max(1));
        let y = if up { HALF - height } else { HALF + height };
        path.push_str(&format!("L{x} {y}"));
    }
    path.push_str(&format!("L{WIDTH} {HALF}Z"));
    path
}

/// Who talked how much: the table twin of the drawing.
fn shares(t: Texts, picture: &Picture) -> Markup {
    let Ok(measures) = serde_json::from_str::<Measures>(&picture.measures) else {
        return html! {};
    };
    let percent = |share: f32| format!("{:.0}\u{a0}%", share * 100.0);
    html! {
        dl.shares {
            @for (n, side) in measures.sides.iter().enumerate() {
                dt {
                    @match (measures.sides.len(), n) {
                        (1, _) => { (t.say("share-talk")) }
                        (_, 0) => { (t.say("side-client")) }
                        _ => { (t.say("side-employee")) }
                    }
                }
                dd { (percent(side.talk_share)) }
            }
            @if let Some(share) = measures.overlap_share { dt { (t.say("share-overlap")) } dd { (percent(share)) } }
            dt { (t.say("share-nobody")) } dd { (percent(measures.nobody_share)) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sides_are_drawn_from_the_middle() {
        assert_eq!(outline(&[0, 200], 200, true), "M0 40L0 40L500 0L1000 40Z");
        assert_eq!(outline(&[255], 255, false), "M0 40L0 80L1000 40Z");
    }
}
