//! Who asks: the token, whose rights it has, what it is for, and how often it may ask.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    num::NonZeroU32,
    sync::{Mutex, PoisonError},
};

use axum::{
    extract::ConnectInfo,
    http::{header, request::Parts},
};
use sha2::{Digest, Sha256};
use uuid::{Builder, Uuid};

use governor::{
    DefaultKeyedRateLimiter, Quota, RateLimiter,
    clock::{Clock, DefaultClock},
};

use super::{
    Settings,
    endpoint::About,
    problem::Problem,
    scope::{Scope, Scopes},
};
use crate::{
    model::time::Timestamp,
    policy::{self, Object},
    store::tokens::{self, Found},
    web::{
        Site, State, Visitor, auth,
        frame::Bearer,
        i18n::{Language, Texts},
        now, remote, sight,
    },
};

/// How tokens begin, so that people and programs that look for leaked secrets know them.
pub const PREFIX: &str = "rc_";
/// Letters of a token that pages show.
const HINT: usize = 8;
/// How often the last use of a token is written down.
const TOUCH_EVERY_MS: i64 = 5 * 60_000;
/// Pages of one list within this time are one export.
const SAME_EXPORT_MS: i64 = 10 * 60_000;

/// A new token: what its holder gets, and what of it is kept.
pub struct Minted {
    /// The token; shown once.
    pub token: String,
    /// Its hash.
    pub hash: Vec<u8>,
    /// How it begins.
    pub hint: String,
}

/// Makes a token of 256 random bits.
pub fn mint() -> Minted {
    let token = format!("{PREFIX}{}", auth::new_token());
    Minted {
        hash: auth::token_hash(&token),
        hint: token[..HINT].to_owned(),
        token,
    }
}

/// What the API remembers between requests.
pub struct Door {
    settings: Settings,
    by_token: DefaultKeyedRateLimiter<i64>,
    /// When a token's reading of a list was last audited.
    exported: Mutex<HashMap<(i64, &'static str), Timestamp>>,
}

impl Door {
    /// With these limits.
    pub fn new(settings: Settings) -> Self {
        let at_least_one = |n: u32| NonZeroU32::new(n).unwrap_or(NonZeroU32::MIN);
        let quota = Quota::per_second(at_least_one(settings.per_second))
            .allow_burst(at_least_one(settings.burst));
        Self {
            by_token: RateLimiter::keyed(quota),
            exported: Mutex::default(),
            settings,
        }
    }

    /// Settings.
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    fn admit(&self, token: i64) -> Result<(), Problem> {
        self.by_token.check_key(&token).map_err(|until| {
            let wait = until.wait_time_from(DefaultClock::default().now());
            Problem::TooMany(wait.as_secs() + 1)
        })
    }

    fn is_new_export(&self, token: i64, list: &'static str, now: Timestamp) -> bool {
        let exported = self.exported.lock();
        let exported = exported.unwrap_or_else(PoisonError::into_inner);
        exported.get(&(token, list)).is_none_or(|at| {
            // A clock set back must not silence the audit.
            *at > now || now.millis_since(*at) >= SAME_EXPORT_MS
        })
    }

    fn keep_export(&self, token: i64, list: &'static str, now: Timestamp) {
        let exported = self.exported.lock();
        let mut exported = exported.unwrap_or_else(PoisonError::into_inner);
        exported.insert((token, list), now);
    }
}

/// Whoever asks, let in.
pub struct Caller {
    /// What everything stands on.
    pub site: State,
    /// Who it is, as pages know visitors.
    pub visitor: Visitor,
    /// The token.
    pub token: i64,
    /// The name this write was given, if it was.
    pub write: Option<WriteName>,
}

/// The name of a write.
#[derive(Clone, Debug)]
pub struct WriteName {
    /// The token that it came with.
    pub token: i64,
    /// The name.
    pub name: String,
    /// SHA-256 of what was asked.
    pub asked: Vec<u8>,
}

impl WriteName {
    /// An id for what the write makes: the same for the same write, however often it is carried out.
    pub fn id(&self) -> Uuid {
        let mut hash = Sha256::new();
        hash.update(self.token.to_be_bytes());
        hash.update(&self.asked);
        hash.update(&self.name);
        let hash = hash.finalize();
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&hash[..16]);
        Builder::from_custom_bytes(bytes).into_uuid()
    }
}

impl Caller {
    /// Lets somebody in whose token is good, not too busy, and for this endpoint.
    pub async fn admit(site: &State, parts: &Parts, about: &About) -> Result<Self, Problem> {
        let bearer = bearer(parts).ok_or(Problem::Unauthorized)?;
        let hash = auth::token_hash(bearer);
        let now = now();
        let found = tokens::find(&site.db, &hash, now).await?;
        let found = found.ok_or(Problem::Unauthorized)?;
        site.api.admit(found.id)?;
        if found
            .used_at
            .is_none_or(|at| now.millis_since(at) > TOUCH_EVERY_MS)
        {
            tokens::touch(&site.db, found.id, now).await?;
        }
        let scopes = Scopes::stored(&found.scopes);
        if !scopes.has(about.scope) {
            let scope = about.scope.as_str();
            return Err(Problem::Forbidden(format!(
                "The token lacks the scope {scope}."
            )));
        }
        if !policy::can(&found.person, about.action, &Object::Whole).is_allowed() {
            return Err(Problem::Forbidden(
                "Whoever the token belongs to may not do this.".to_owned(),
            ));
        }
        Ok(Self {
            token: found.id,
            visitor: visitor(site, parts, found, &scopes),
            site: State::clone(site),
            write: None,
        })
    }

    /// Keeps in the audit that a list is read, once for all its pages of a while.
    pub async fn exports(&self, list: &'static str) -> Result<(), Problem> {
        let now = now();
        if self.site.api.is_new_export(self.token, list, now) {
            sight::audited(&self.site, &self.visitor, "export", list, "api").await?;
            self.site.api.keep_export(self.token, list, now);
        }
        Ok(())
    }
}

/// RFC 6750 §2.1: the word is told in any case of letters.
fn bearer(parts: &Parts) -> Option<&str> {
    let value = parts.headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (word, token) = value.split_once(' ')?;
    word.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn visitor(site: &Site, parts: &Parts, found: Found, scopes: &Scopes) -> Visitor {
    let peer = parts
        .extensions
        .get::<ConnectInfo<SocketAddr>>()
        .map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |info| info.0.ip());
    Visitor {
        bearer: Some(Bearer {
            token: found.id,
            is_service: found.is_service,
            full_numbers: scopes.has(Scope::Numbers),
        }),
        csrf: String::new(),
        session: Vec::new(),
        texts: Texts::new(Language::English),
        remote: remote(&parts.headers, peer, &site.trusted_proxies),
        path: parts.uri.to_string(),
        person: found.person,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_recognised_by_how_it_begins() {
        let minted = mint();
        assert!(minted.token.starts_with(PREFIX));
        assert!(minted.token.starts_with(&minted.hint) && minted.hint.len() == HINT);
        assert_eq!(minted.hash, auth::token_hash(&minted.token));
        assert_ne!(minted.token, mint().token);
    }

    #[test]
    fn pages_of_one_list_are_one_export_for_a_while() {
        let door = Door::new(Settings::default());
        let minute = |n: i64| Timestamp::from_micros(n * 60_000_000);
        assert!(door.is_new_export(1, "calls", minute(100)));
        door.keep_export(1, "calls", minute(100));
        assert!(!door.is_new_export(1, "calls", minute(109)));
        assert!(door.is_new_export(1, "calls", minute(110)));
        assert!(
            door.is_new_export(1, "calls", minute(99)),
            "the clock was set back"
        );
        assert!(door.is_new_export(2, "calls", minute(101)));
        assert!(door.is_new_export(1, "cards", minute(101)));
    }

    #[test]
    fn a_busy_token_waits_and_the_others_do_not() {
        let door = Door::new(Settings {
            per_second: 1,
            burst: 2,
            ..Settings::default()
        });
        assert!(door.admit(1).is_ok() && door.admit(1).is_ok());
        assert!(matches!(door.admit(1), Err(Problem::TooMany(1..=2))));
        assert!(door.admit(2).is_ok());
    }
}
