//! The API for other programs, version 1: `/api/v1/`.
//!
//! A request comes with a token ([`caller`]), which has the rights of a person or of a role and is for
//! some [`scope`]s only; what may be seen and done decides `policy::can`, as on pages, and numbers are
//! masked as there. One file per resource; each names its endpoints, and the router and the OpenAPI
//! document are both made of them ([`endpoint`], [`document`]).
//!
//! Leaves out: pages, and who may make tokens (`pages::tokens`).

use std::sync::LazyLock;

use axum::{
    Json, Router,
    http::{StatusCode, header},
    middleware,
    response::{IntoResponse, Response},
    routing::{any, get},
};
use serde_json::Value;

use self::{endpoint::Endpoint, problem::Problem};
use super::{State, csp};
use crate::model::phone::NumberingPlan;

pub mod availability;
pub mod caller;
pub mod calls;
pub mod cards;
pub mod dial;
pub mod document;
pub mod endpoint;
pub mod lines;
pub mod problem;
pub mod recordings;
pub mod scope;
pub mod tasks;
pub mod touches;
pub mod words;

/// Limits of the API.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Requests a second one token may send for long.
    pub per_second: u32,
    /// Requests one token may send at once.
    pub burst: u32,
    /// How long a write is remembered by its `Idempotency-Key`, in hours.
    pub remember_hours: i64,
    /// How soon a client who wrote should be called, in milliseconds.
    pub first_dial_ms: i64,
    /// ISO 3166 country of the numbers that clients write without one.
    pub country: String,
    /// Area code put before local numbers; empty: they stay unread.
    pub area_code: String,
}

impl Settings {
    /// How clients write numbers.
    pub fn plan(&self) -> NumberingPlan {
        NumberingPlan {
            country: self.country.clone(),
            area_code: self.area_code.clone(),
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            per_second: 10,
            burst: 100,
            remember_hours: 24,
            first_dial_ms: 300_000,
            country: "RU".to_owned(),
            area_code: String::new(),
        }
    }
}

/// Every endpoint, in reading order.
pub fn endpoints() -> Vec<Endpoint> {
    [
        calls::endpoints(),
        dial::endpoints(),
        recordings::endpoints(),
        cards::endpoints(),
        touches::endpoints(),
        tasks::endpoints(),
        lines::endpoints(),
        availability::endpoints(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The document of all endpoints.
pub static DOCUMENT: LazyLock<Value> = LazyLock::new(|| document::document(&endpoints()));

/// The router of the API. What is under `/api/` and not there is told as a problem, too.
pub fn router(state: State) -> Router {
    let mut router = Router::new();
    for endpoint in endpoints() {
        router = router.route(endpoint.path, endpoint.route);
    }
    router
        .route("/api/v1/openapi.json", get(openapi))
        .method_not_allowed_fallback(|| async { Problem::MethodNotAllowed })
        .route("/api/{*rest}", any(|| async { Problem::NotFound }))
        .layer(middleware::from_fn(csp::headers))
        .with_state(state)
}

async fn openapi() -> Response {
    let kind = [(header::CONTENT_TYPE, "application/json")];
    (StatusCode::OK, kind, Json(&*DOCUMENT)).into_response()
}
