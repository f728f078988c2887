//! Why a message is not taken in, and how its sender is told.

use axum::http::StatusCode;

use crate::pbx::Refused;

/// Why a request ends without its message being taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turned {
    Method,
    NoAccount,
    TooLarge,
    TooSlow,
    BrokenOff,
    Token,
    Signature,
    Stale,
    TooMany,
}

impl Turned {
    pub(super) const fn reason(self) -> &'static str {
        match self {
            Self::Method => "method",
            Self::NoAccount => "no_account",
            Self::TooLarge => "too_large",
            Self::TooSlow => "too_slow",
            Self::BrokenOff => "broken_off",
            Self::Token => "token",
            Self::Signature => "signature",
            Self::Stale => "stale",
            Self::TooMany => "too_many",
        }
    }

    pub(super) const fn status(self) -> StatusCode {
        match self {
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::NoAccount | Self::Token => StatusCode::NOT_FOUND,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::BrokenOff => StatusCode::BAD_REQUEST,
            Self::Signature | Self::Stale => StatusCode::UNAUTHORIZED,
            Self::TooMany => StatusCode::TOO_MANY_REQUESTS,
        }
    }
}

impl From<Refused> for Turned {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Signature => Self::Signature,
            Refused::Token => Self::Token,
            Refused::Stale => Self::Stale,
        }
    }
}
