//! Recordings: what is known of them, and their sound in parts. Every listen and download is audited.

use axum::{
    http::{HeaderMap, StatusCode, header},
    response::Response,
};
use schemars::JsonSchema;
use serde::Serialize;
use uuid::Uuid;

use super::{
    caller::Caller,
    calls::permitted,
    endpoint::{About, Endpoint, Id, Nothing, Row, read, sound},
    problem::Problem,
    scope::Scope,
    words::{self, some},
};
use crate::{model::ids::CallId, policy::Action, store::recordings, web::pages::player};

/// The endpoints of recordings.
pub fn endpoints() -> Vec<Endpoint> {
    vec![
        read("/api/v1/calls/{id}/recordings", OF_CALL, of_call),
        read("/api/v1/recordings/{id}", ONE, one),
        sound("/api/v1/recordings/{id}/audio", AUDIO, audio),
        sound("/api/v1/recordings/{id}/file", FILE, file),
    ]
}

const OF_CALL: About = About {
    id: "listRecordings",
    summary: "The recordings of a call",
    details: "",
    scope: Scope::RecordingsRead,
    action: Action::SeeCalls,
};
const ONE: About = About {
    id: "getRecording",
    summary: "What is known of a recording",
    details: "",
    scope: Scope::RecordingsRead,
    action: Action::SeeCalls,
};
const AUDIO: About = About {
    id: "listenToRecording",
    summary: "The sound of a recording, or a part of it",
    details: "Audited as a listen.",
    scope: Scope::RecordingsRead,
    action: Action::Listen,
};
const FILE: About = About {
    id: "downloadRecording",
    summary: "The file of a recording, or a part of it",
    details: "Audited as a download.",
    scope: Scope::RecordingsRead,
    action: Action::Download,
};

/// A recording.
#[derive(Serialize, JsonSchema)]
pub struct Recording {
    /// Our id.
    id: i64,
    /// The call.
    call: Uuid,
    /// Where it stands; `kept` and `no_player` can be fetched, `withheld` waits for the client's consent.
    #[schemars(schema_with = "words::recording_state")]
    state: String,
    /// Why, as a closed word, where there is more to say than the state.
    reason: Option<String>,
    /// Length of the sound in milliseconds.
    duration_ms: Option<i64>,
    /// Length of the file in bytes.
    size: Option<i64>,
    /// Format, as a closed word.
    format: Option<String>,
    /// SHA-256 of the file.
    sha256: Option<String>,
}

impl From<recordings::Recording> for Recording {
    fn from(recording: recordings::Recording) -> Self {
        Self {
            id: recording.id,
            call: recording.call.0,
            state: recording.state.as_str().to_owned(),
            reason: some(&recording.reason),
            duration_ms: recording.duration_ms,
            size: recording.size,
            format: recording.format,
            sha256: recording.sha256,
        }
    }
}

/// The recordings of a call.
#[derive(Serialize, JsonSchema)]
pub struct Recordings {
    /// All of them, oldest first.
    items: Vec<Recording>,
}

async fn of_call(caller: Caller, place: Id, _: Nothing) -> Result<Recordings, Problem> {
    let id = CallId(place.id);
    permitted(&caller, id, Action::SeeCalls).await?;
    let all = recordings::of_call(&caller.site.db, id).await?;
    Ok(Recordings {
        items: all.into_iter().map(Recording::from).collect(),
    })
}

async fn one(caller: Caller, place: Row, _: Nothing) -> Result<Recording, Problem> {
    let action = Action::SeeCalls;
    let recording = player::wanted(&caller.site, &caller.visitor, place.id, action).await?;
    Ok(recording.into())
}

async fn audio(caller: Caller, place: Row, headers: HeaderMap) -> Result<Response, Problem> {
    let heard = player::heard(&caller.site, &caller.visitor, place.id, &headers).await?;
    in_parts(heard)
}

async fn file(caller: Caller, place: Row, headers: HeaderMap) -> Result<Response, Problem> {
    let taken = player::taken_away(&caller.site, &caller.visitor, place.id, &headers).await?;
    in_parts(taken)
}

/// A part that is not there is told as a problem.
fn in_parts(response: Response) -> Result<Response, Problem> {
    if response.status() != StatusCode::RANGE_NOT_SATISFIABLE {
        return Ok(response);
    }
    let size = response.headers().get(header::CONTENT_RANGE);
    let size = size.and_then(|size| size.to_str().ok());
    Err(Problem::NoSuchPart(size.map(str::to_owned)))
}
