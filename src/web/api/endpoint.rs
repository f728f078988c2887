//! An endpoint is made of its handler: the router and the document both come from the handler's own
//! types, so that neither can say what the other does not.
//!
//! Around every handler: token, pace, scope and right ([`Caller::admit`]), reading path, query and body,
//! and for writes the name they are remembered by (`Idempotency-Key`).

use std::any::TypeId;

use axum::{
    Json,
    body::to_bytes,
    extract::{FromRequestParts, Path, Query, Request, State as Extract},
    http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
    routing::{MethodRouter, get, patch, post, put},
};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};

use super::{
    caller::{Caller, WriteName},
    problem::Problem,
    scope::Scope,
};
use crate::{
    policy::Action,
    store::answers::{self, Claim, Named},
    web::{State, now},
};

/// Longest body of a request.
const BODY_BYTES: usize = 64 * 1024;
/// Header by which a write is remembered.
pub const NAME: &str = "idempotency-key";
/// Longest name of a write.
pub const NAME_CHARS: usize = 200;
/// Says that an answer was given before.
pub const REPLAYED: &str = "idempotency-replayed";
/// A write that has been under way for so long broke off: whoever carried it out is gone.
const STUCK_MS: i64 = 60_000;

/// What everybody may know of an endpoint.
#[derive(Clone, Copy, Debug)]
pub struct About {
    /// Name in the document and in programs made from it.
    pub id: &'static str,
    /// What it does, in a line.
    pub summary: &'static str,
    /// What else there is to know.
    pub details: &'static str,
    /// What a token must be for.
    pub scope: Scope,
    /// The right whoever has the token must have at any reach.
    pub action: Action,
}

/// What an endpoint answers when all goes well.
pub enum Answer {
    /// JSON.
    Json(StatusCode, Schema),
    /// The sound of a recording, or a part of it.
    Sound,
}

/// What goes in and out.
pub struct Shape {
    /// Parameters in the path, as an object.
    pub place: Schema,
    /// Parameters in the query, as an object.
    pub query: Schema,
    /// The body, if it takes one.
    pub body: Option<Schema>,
    /// What comes out.
    pub answer: Answer,
}

/// One method on one path.
pub struct Endpoint {
    /// `get`, `post`, `put` or `patch`.
    pub method: &'static str,
    /// Path, as axum and the document both write it.
    pub path: &'static str,
    /// What everybody may know of it.
    pub about: About,
    /// What goes in and out; the generator collects named types.
    pub shape: fn(&mut SchemaGenerator) -> Shape,
    /// The handler.
    pub route: MethodRouter<State>,
}

impl Endpoint {
    /// Whether it changes something.
    pub fn is_write(&self) -> bool {
        self.method != "get"
    }
}

/// Nothing is said in the path, the query or the body.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

/// A row in the path.
#[derive(Deserialize, JsonSchema)]
pub struct Row {
    /// Its id.
    pub id: i64,
}

/// A call, card or touch in the path.
#[derive(Deserialize, JsonSchema)]
pub struct Id {
    /// Its id.
    pub id: uuid::Uuid,
}

/// What path, query and body are read into.
pub trait Input: DeserializeOwned + JsonSchema + Send + 'static {}
impl<T: DeserializeOwned + JsonSchema + Send + 'static> Input for T {}

/// What is answered.
pub trait Output: Serialize + JsonSchema + Send + 'static {}
impl<T: Serialize + JsonSchema + Send + 'static> Output for T {}

/// An endpoint that only looks.
pub fn read<P: Input, Q: Input, A: Output, Fut>(
    path: &'static str,
    about: About,
    handler: impl Fn(Caller, P, Q) -> Fut + Clone + Send + Sync + 'static,
) -> Endpoint
where
    Fut: Future<Output = Result<A, Problem>> + Send,
{
    let route = async move |Extract(site): Extract<State>, request: Request| {
        let (mut parts, _) = request.into_parts();
        let caller = Caller::admit(&site, &parts, &about).await?;
        let (place, query) = (place(&mut parts).await?, query(&parts)?);
        Ok::<_, Problem>(Json(handler(caller, place, query).await?))
    };
    Endpoint {
        method: "get",
        path,
        about,
        shape: |generator| Shape {
            place: P::json_schema(generator),
            query: Q::json_schema(generator),
            body: None,
            answer: Answer::Json(StatusCode::OK, generator.subschema_for::<A>()),
        },
        route: get(route),
    }
}

/// An endpoint that gives sound.
pub fn sound<P: Input, Fut>(
    path: &'static str,
    about: About,
    handler: impl Fn(Caller, P, HeaderMap) -> Fut + Clone + Send + Sync + 'static,
) -> Endpoint
where
    Fut: Future<Output = Result<Response, Problem>> + Send,
{
    let route = async move |Extract(site): Extract<State>, request: Request| {
        let (mut parts, _) = request.into_parts();
        let caller = Caller::admit(&site, &parts, &about).await?;
        let place = place(&mut parts).await?;
        let Nothing {} = query(&parts)?;
        handler(caller, place, parts.headers).await
    };
    Endpoint {
        method: "get",
        path,
        about,
        shape: |generator| Shape {
            place: P::json_schema(generator),
            query: Nothing::json_schema(generator),
            body: None,
            answer: Answer::Sound,
        },
        route: get(route),
    }
}

/// How a write is told: its method, and the status that says it was done.
pub trait Deed {
    /// Method.
    const METHOD: &'static str;
    /// Status.
    const DONE: StatusCode;
}

/// Something new.
pub struct Add;
/// Something is done with what is there.
pub struct Act;
/// Something is begun.
pub struct Begin;
/// What is there gets another value.
pub struct Set;
/// Some of what is there gets other values.
pub struct Change;

impl Deed for Add {
    const METHOD: &'static str = "post";
    const DONE: StatusCode = StatusCode::CREATED;
}
impl Deed for Act {
    const METHOD: &'static str = "post";
    const DONE: StatusCode = StatusCode::OK;
}
impl Deed for Begin {
    const METHOD: &'static str = "post";
    const DONE: StatusCode = StatusCode::ACCEPTED;
}
impl Deed for Set {
    const METHOD: &'static str = "put";
    const DONE: StatusCode = StatusCode::OK;
}
impl Deed for Change {
    const METHOD: &'static str = "patch";
    const DONE: StatusCode = StatusCode::OK;
}

/// An endpoint that changes something.
pub fn write<D: Deed, P: Input, B: Input, A: Output, Fut>(
    path: &'static str,
    about: About,
    handler: impl Fn(Caller, P, B) -> Fut + Clone + Send + Sync + 'static,
) -> Endpoint
where
    Fut: Future<Output = Result<A, Problem>> + Send,
{
    let route = async move |Extract(site): Extract<State>, request: Request| {
        let (mut parts, body) = request.into_parts();
        let mut caller = Caller::admit(&site, &parts, &about).await?;
        let name = write_name(&parts.headers)?;
        let place = place(&mut parts).await?;
        let Nothing {} = query(&parts)?;
        let bytes = match takes_body::<B>() {
            true if !is_json(&parts.headers) => return Err(Problem::NotJson),
            true => to_bytes(body, BODY_BYTES)
                .await
                .map_err(|_| Problem::TooLarge)?,
            false => "{}".into(),
        };
        let body = read_body(&bytes)?;
        let name = name.map(|name| WriteName {
            token: caller.token,
            name,
            asked: asked(&parts, &bytes),
        });
        caller.write = name.clone();
        let deed = handler(caller, place, body);
        let answer = once(&site, name.as_ref(), D::DONE, deed).await?;
        Ok::<Response, Problem>(answer)
    };
    Endpoint {
        method: D::METHOD,
        path,
        about,
        shape: |generator| Shape {
            place: P::json_schema(generator),
            query: Nothing::json_schema(generator),
            body: takes_body::<B>().then(|| generator.subschema_for::<B>()),
            answer: Answer::Json(D::DONE, generator.subschema_for::<A>()),
        },
        route: match D::METHOD {
            "put" => put(route),
            "patch" => patch(route),
            _ => post(route),
        },
    }
}

fn takes_body<B: 'static>() -> bool {
    TypeId::of::<B>() != TypeId::of::<Nothing>()
}

/// Does what was asked, unless it was done before under this name.
async fn once<A: Serialize>(
    site: &State,
    name: Option<&WriteName>,
    done: StatusCode,
    deed: impl Future<Output = Result<A, Problem>>,
) -> Result<Response, Problem> {
    let Some(name) = name else {
        return Ok((done, Json(deed.await?)).into_response());
    };
    let named = Named {
        token: name.token,
        name: &name.name,
        asked: &name.asked,
    };
    let now = now();
    let remembered_since = now.plus_millis(-site.api.settings().remember_hours * 3_600_000);
    let stuck_since = now.plus_millis(-STUCK_MS);
    match answers::claim(&site.db, &named, remembered_since, stuck_since, now).await? {
        Claim::First => {}
        Claim::UnderWay => return Err(Problem::UnderWay),
        Claim::Other => {
            return Err(Problem::Unusable(
                "Something else was asked with this Idempotency-Key.".to_owned(),
            ));
        }
        Claim::Done(status, body) => return Ok(again(status, body)),
    }
    match deed.await {
        Ok(answer) => {
            let body = serde_json::to_string(&answer)
                .map_err(|error| Problem::Unavailable(error.to_string()))?;
            answers::keep(&site.db, &named, done.as_u16(), &body).await?;
            Ok(json(done, body))
        }
        Err(problem) => {
            // Nothing was done: the same may be tried again.
            answers::give_back(&site.db, &named).await?;
            Err(problem)
        }
    }
}

fn json(status: StatusCode, body: String) -> Response {
    let json = [(header::CONTENT_TYPE, "application/json")];
    (status, json, body).into_response()
}

fn again(status: u16, body: String) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    let mut response = json(status, body);
    response
        .headers_mut()
        .insert(REPLAYED, HeaderValue::from_static("true"));
    response
}

async fn place<P: Input>(parts: &mut Parts) -> Result<P, Problem> {
    let Path(place) = Path::<P>::from_request_parts(parts, &())
        .await
        .map_err(|error| Problem::Unreadable(error.body_text()))?;
    Ok(place)
}

fn query<Q: Input>(parts: &Parts) -> Result<Q, Problem> {
    let text = parts.uri.query().unwrap_or_default();
    if text.contains("%00") {
        return Err(no_nul());
    }
    let Query(query) =
        Query::try_from_uri(&parts.uri).map_err(|error| Problem::Unreadable(error.body_text()))?;
    Ok(query)
}

/// PostgreSQL keeps no NUL in texts, and nobody means one.
fn no_nul() -> Problem {
    Problem::Unreadable("There is a NUL in a text.".to_owned())
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|kind| kind.split(';').next());
    kind.is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}

fn read_body<B: Input>(bytes: &[u8]) -> Result<B, Problem> {
    let unreadable = |error: serde_json::Error| Problem::Unreadable(error.to_string());
    let value: serde_json::Value = serde_json::from_slice(bytes).map_err(unreadable)?;
    if has_nul(&value) {
        return Err(no_nul());
    }
    // Not from the value: of two fields with one name it has seen the last only.
    serde_json::from_slice(bytes).map_err(unreadable)
}

fn has_nul(value: &serde_json::Value) -> bool {
    use serde_json::Value;
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(has_nul),
        Value::Object(fields) => fields.values().any(has_nul),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// The name a write is remembered by.
fn write_name(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get(NAME) else {
        return Ok(None);
    };
    let name = value.to_str().unwrap_or_default();
    let is_plain = name.bytes().all(|byte| byte.is_ascii_graphic());
    match is_plain && (1..=NAME_CHARS).contains(&name.len()) {
        true => Ok(Some(name.to_owned())),
        false => Err(Problem::Unreadable(format!(
            "Idempotency-Key: 1 to {NAME_CHARS} letters, digits and signs."
        ))),
    }
}

/// What tells one write from another.
fn asked(parts: &Parts, body: &[u8]) -> Vec<u8> {
    let mut hash = Sha256::new();
    for piece in [
        parts.method.as_str().as_bytes(),
        parts.uri.path().as_bytes(),
        body,
    ] {
        hash.update(piece.len().to_be_bytes());
        hash.update(piece);
    }
    hash.finalize().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize, JsonSchema, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Note {
        text: String,
    }

    #[test]
    fn a_body_is_read_strictly() {
        let read = |text: &str| read_body::<Note>(text.as_bytes());
        assert_eq!(read(r#"{"text":"x"}"#).unwrap().text, "x");
        for wrong in [
            "",
            "{}",
            r#"{"text":1}"#,
            r#"{"text":"a\u0000b"}"#,
            r#"{"text":"x","more":1}"#,
            r#"{"text":"x","text":"y"}"#,
        ] {
            assert!(
                matches!(read(wrong), Err(Problem::Unreadable(_))),
                "{wrong}"
            );
        }
    }

    #[test]
    fn a_write_is_told_from_another_by_all_it_says() {
        let of = |method: &str, path: &str, body: &str| {
            let request = Request::builder().method(method).uri(path);
            let (parts, _) = request.body(()).unwrap().into_parts();
            asked(&parts, body.as_bytes())
        };
        let one = of("POST", "/a", "b");
        assert_eq!(one, of("POST", "/a", "b"));
        for other in [
            of("PUT", "/a", "b"),
            of("POST", "/ab", ""),
            of("POST", "/a", "c"),
        ] {
            assert_ne!(one, other);
        }
    }

    #[test]
    fn a_name_is_plain_and_not_long() {
        let named = |name: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(NAME, HeaderValue::from_bytes(name.as_bytes()).unwrap());
            write_name(&headers)
        };
        assert_eq!(named("order-7").unwrap().as_deref(), Some("order-7"));
        assert!(write_name(&HeaderMap::new()).unwrap().is_none());
        for wrong in ["", "a b", "имя", &"x".repeat(NAME_CHARS + 1)] {
            assert!(named(wrong).is_err(), "{wrong}");
        }
    }
}
