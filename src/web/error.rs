//! What a page says when it cannot do what was asked: one text for the person, one for the log.

use axum::{
    http::StatusCode,
    response::{IntoResponse, Response},
};

use crate::store::StoreError;

/// A handler could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such thing, or the person may not know that there is.
    #[error("not found")]
    NotFound,
    /// The person may not do this.
    #[error("not allowed")]
    Forbidden,
    /// Not signed in; `next` is where to go after signing in.
    #[error("not signed in")]
    SignInFirst {
        /// Path and query asked for.
        next: String,
    },
    /// The request does not come from one of our forms.
    #[error("the form is out of date or foreign")]
    Forged,
    /// What was typed cannot be used; the key names the text.
    #[error("unusable input: {0}")]
    Unusable(&'static str),
    /// Too many tries.
    #[error("too many tries")]
    TooMany,
    /// The database is away or refuses.
    #[error("store: {0}")]
    Store(#[from] StoreError),
    /// Something else of ours is away.
    #[error("unavailable: {0}")]
    Unavailable(String),
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

impl Error {
    /// Status of the answer.
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Forbidden | Self::Forged => StatusCode::FORBIDDEN,
            Self::SignInFirst { .. } => StatusCode::SEE_OTHER,
            Self::Unusable(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::TooMany => StatusCode::TOO_MANY_REQUESTS,
            Self::Store(_) | Self::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// Key of the text for the person.
    pub const fn text_key(&self) -> &'static str {
        match self {
            Self::NotFound => "error-not-found",
            Self::Forbidden => "error-forbidden",
            Self::SignInFirst { .. } => "error-sign-in-first",
            Self::Forged => "error-forged",
            Self::Unusable(key) => key,
            Self::TooMany => "error-too-many",
            Self::Store(_) | Self::Unavailable(_) => "error-unavailable",
        }
    }
}

/// The text key travels to the frame middleware, which knows the person's language and draws the page.
#[derive(Clone, Copy, Debug)]
pub struct Told(pub &'static str);

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        if let Self::Store(_) | Self::Unavailable(_) = &self {
            tracing::error!(error = %self, "a page could not be made");
        }
        if let Self::SignInFirst { next } = &self {
            let to = format!("/sign-in?next={}", super::query_escape(next));
            return axum::response::Redirect::to(&to).into_response();
        }
        let mut response = self.status().into_response();
        response.extensions_mut().insert(Told(self.text_key()));
        response
    }
}
