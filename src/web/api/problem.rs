//! What the API says when it cannot do what was asked: `application/problem+json` (RFC 9457).

use axum::{
    Json,
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    store::StoreError,
    web::{
        Error,
        i18n::{Language, Texts},
    },
};

/// Type of the body.
pub const CONTENT_TYPE: &str = "application/problem+json";

/// Why something could not be done.
#[derive(Debug)]
pub enum Problem {
    /// The request cannot be read.
    Unreadable(String),
    /// There is no good token.
    Unauthorized,
    /// The token, or whoever it belongs to, may not do this.
    Forbidden(String),
    /// There is no such thing.
    NotFound,
    /// Something is there, but takes no such request.
    MethodNotAllowed,
    /// A write of this name is under way.
    UnderWay,
    /// The body is too long.
    TooLarge,
    /// The body is no JSON.
    NotJson,
    /// The asked part of a recording is not there; its size is.
    NoSuchPart(Option<String>),
    /// The request can be read and not be carried out.
    Unusable(String),
    /// Too many requests; how long to wait, in seconds.
    TooMany(u64),
    /// Something of ours is away.
    Unavailable(String),
}

/// The body of every answer that says no (RFC 9457).
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Problem")]
pub struct Body {
    /// Which problem it is: an address of this documentation.
    #[schemars(extend("format" = "uri-reference"))]
    r#type: String,
    /// The problem in a few words, always the same for one type.
    title: &'static str,
    /// Status of the answer.
    #[schemars(range(min = 400, max = 599))]
    status: u16,
    /// What is wrong this time.
    detail: String,
}

impl Problem {
    /// Status, word and title.
    pub const fn kind(&self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::Unreadable(_) => (
                StatusCode::BAD_REQUEST,
                "unreadable",
                "The request cannot be read",
            ),
            Self::Unauthorized => (
                StatusCode::UNAUTHORIZED,
                "unauthorized",
                "A token is needed",
            ),
            Self::Forbidden(_) => (StatusCode::FORBIDDEN, "forbidden", "Not allowed"),
            Self::NotFound => (StatusCode::NOT_FOUND, "not-found", "Not found"),
            Self::MethodNotAllowed => (
                StatusCode::METHOD_NOT_ALLOWED,
                "method-not-allowed",
                "Not this method",
            ),
            Self::UnderWay => (
                StatusCode::CONFLICT,
                "under-way",
                "The same request is under way",
            ),
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "too-large", "Too long"),
            Self::NotJson => (
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "not-json",
                "The body must be JSON",
            ),
            Self::NoSuchPart(_) => (
                StatusCode::RANGE_NOT_SATISFIABLE,
                "no-such-part",
                "There is no such part",
            ),
            Self::Unusable(_) => (
                StatusCode::UNPROCESSABLE_ENTITY,
                "unusable",
                "The request cannot be carried out",
            ),
            Self::TooMany(_) => (
                StatusCode::TOO_MANY_REQUESTS,
                "too-many",
                "Too many requests",
            ),
            Self::Unavailable(_) => (
                StatusCode::SERVICE_UNAVAILABLE,
                "unavailable",
                "Not available now",
            ),
        }
    }

    /// Status of the answer.
    pub const fn status(&self) -> StatusCode {
        self.kind().0
    }

    fn detail(&self) -> String {
        let words = match self {
            Self::Unreadable(words) | Self::Forbidden(words) | Self::Unusable(words) => {
                return words.clone();
            }
            Self::Unauthorized => {
                "Send a token that is in use: `Authorization: Bearer rc_...`. People make theirs \
                 on their own page."
            }
            Self::NotFound => "There is no such thing, or it is gone.",
            Self::MethodNotAllowed => "The header Allow names the methods that work here.",
            Self::UnderWay => "A request with this Idempotency-Key has not been answered yet.",
            Self::TooLarge => "A body has 64 KiB at most.",
            Self::NotJson => "Send the body as application/json.",
            Self::NoSuchPart(_) => "The header Content-Range tells the size of the recording.",
            Self::TooMany(_) => "The header Retry-After tells in how many seconds to try again.",
            // What is away is for our log only.
            Self::Unavailable(_) => "Try again in a moment.",
        };
        words.to_owned()
    }

    fn header(&self) -> Option<(HeaderName, String)> {
        match self {
            Self::Unauthorized => Some((header::WWW_AUTHENTICATE, "Bearer".to_owned())),
            Self::TooMany(seconds) => Some((header::RETRY_AFTER, seconds.to_string())),
            Self::NoSuchPart(size) => Some((header::CONTENT_RANGE, size.clone()?)),
            _ => None,
        }
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::NotFound => Self::NotFound,
            Error::Forbidden | Error::Forged => {
                Self::Forbidden("Whoever the token belongs to may not do this.".to_owned())
            }
            Error::SignInFirst { .. } => Self::Unauthorized,
            Error::Unusable(key) => Self::Unusable(Texts::new(Language::English).say(key)),
            // Searches for hidden numbers are the only limit of pages that is met here.
            Error::TooMany => Self::TooMany(3_600),
            Error::Store(error) => error.into(),
            Error::Unavailable(why) => Self::Unavailable(why),
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        if let Self::Unavailable(why) = &self {
            tracing::error!(%why, "a request to the API could not be carried out");
        }
        let (status, word, title) = self.kind();
        let body = Body {
            r#type: format!("/api/v1/docs#problem-{word}"),
            title,
            status: status.as_u16(),
            detail: self.detail(),
        };
        let mut response = (status, Json(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE));
        if let Some((name, value)) = self.header()
            && let Ok(value) = HeaderValue::from_str(&value)
        {
            headers.insert(name, value);
        }
        response
    }
}

/// One of each, for the documentation.
pub fn all() -> impl Iterator<Item = (StatusCode, &'static str, &'static str)> {
    [
        Problem::Unreadable(String::new()),
        Problem::Unauthorized,
        Problem::Forbidden(String::new()),
        Problem::NotFound,
        Problem::MethodNotAllowed,
        Problem::UnderWay,
        Problem::TooLarge,
        Problem::NotJson,
        Problem::NoSuchPart(None),
        Problem::Unusable(String::new()),
        Problem::TooMany(0),
        Problem::Unavailable(String::new()),
    ]
    .into_iter()
    .map(|problem| problem.kind())
}
