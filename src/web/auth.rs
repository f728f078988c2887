//! Who is at the other end: sign-in links, passwords, sessions.
//!
//! Tokens are 256 random bits; the database keeps only their SHA-256. Passwords are argon2id, hashed
//! off the async threads and a few at a time, and tries are limited per address and per name.

use std::{
    collections::HashMap,
    net::IpAddr,
    num::NonZeroU32,
    sync::{Arc, LazyLock, Mutex, PoisonError},
    time::Duration,
};

use argon2::{Argon2, PasswordHasher, PasswordVerifier, password_hash::phc::PasswordHash};
use axum::http::{HeaderMap, HeaderValue, header};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;

use super::{Error, Site, Visitor};
use crate::{
    model::{ids::PersonId, time::Timestamp},
    store::{Db, StoreError, audit, people, sessions},
};

const COOKIE: &str = "ringcard_session";
/// The least length of a password; length is what counts against guessing.
pub const PASSWORD_MIN: usize = 10;
/// The greatest, so that hashing stays bounded.
pub const PASSWORD_MAX: usize = 200;

/// The greatest length of a name to sign in with: names tried are remembered for a while.
const LOGIN_MAX: usize = 200;

/// For so long a search for a hidden number is the same search.
const SEARCH_MS: i64 = 600_000;

/// Limits on guessing.
pub struct Guard {
    hashing: Arc<Semaphore>,
    by_address: DefaultKeyedRateLimiter<IpAddr>,
    by_login: DefaultKeyedRateLimiter<String>,
    by_searcher: DefaultKeyedRateLimiter<PersonId>,
    /// What each person looks for, and since when.
    searches: Mutex<HashMap<PersonId, (String, Timestamp)>>,
}

impl Default for Guard {
    fn default() -> Self {
        Self {
            // 17 ms and 19 MiB each: two at a time leave the machine to calls.
            hashing: Arc::new(Semaphore::new(2)),
            by_address: RateLimiter::keyed(per_minute(20)),
            by_login: RateLimiter::keyed(per_minute(8)),
            // A masked number hides five digits: at this pace they last for months.
            by_searcher: RateLimiter::keyed(per_hour(20)),
            searches: Mutex::default(),
        }
    }
}

fn per_minute(tries: u32) -> Quota {
    Quota::per_minute(NonZeroU32::new(tries).unwrap_or(NonZeroU32::MIN))
}

fn per_hour(tries: u32) -> Quota {
    Quota::per_hour(NonZeroU32::new(tries).unwrap_or(NonZeroU32::MIN))
}

impl Guard {
    /// Lets one search pass for a number whose digits are hidden from this person, and tells whether it
    /// is a new one. Another page or filter of the same search tells nothing more.
    pub fn admit_search(
        &self,
        person: PersonId,
        digits: &str,
        now: Timestamp,
    ) -> Result<bool, Error> {
        let mut searches = self.searches.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((same, since)) = searches.get(&person)
            && same == digits
            && now.millis_since(*since) < SEARCH_MS
        {
            return Ok(false);
        }
        if self.by_searcher.check_key(&person).is_err() {
            return Err(Error::TooMany);
        }
        searches.insert(person, (digits.to_owned(), now));
        Ok(true)
    }

    /// Lets one try pass, or says that there were too many.
    pub fn admit(&self, address: IpAddr, login: &str) -> Result<(), Error> {
        if login.chars().count() > LOGIN_MAX {
            return Err(Error::Unusable("error-too-large"));
        }
        let login = login.to_lowercase();
        let admitted =
            self.by_address.check_key(&address).is_ok() && self.by_login.check_key(&login).is_ok();
        if admitted {
            Ok(())
        } else {
            Err(Error::TooMany)
        }
    }

    /// Forgets addresses and names that have been quiet.
    pub fn forget_quiet(&self) {
        self.by_address.retain_recent();
        self.by_login.retain_recent();
        self.by_searcher.retain_recent();
    }

    /// Hashes a new password.
    pub async fn hash(&self, password: String) -> Result<String, Error> {
        self.off_thread(move || {
            Argon2::default()
                .hash_password(password.as_bytes())
                .map(|hash| hash.to_string())
        })
        .await?
        .map_err(|error| Error::Unavailable(format!("password hashing: {error}")))
    }

    /// Whether the password fits the hash. An unreadable hash fits nothing.
    pub async fn verify(&self, password: String, hash: String) -> Result<bool, Error> {
        self.off_thread(move || {
            PasswordHash::new(&hash).is_ok_and(|hash| {
                Argon2::default()
                    .verify_password(password.as_bytes(), &hash)
                    .is_ok()
            })
        })
        .await
    }

    async fn off_thread<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Error> {
        let away = |error: &dyn std::fmt::Display| Error::Unavailable(format!("hashing: {error}"));
        let permit = Arc::clone(&self.hashing)
            .acquire_owned()
            .await
            .map_err(|error| away(&error))?;
        tokio::task::spawn_blocking(move || {
            let _held = permit;
            work()
        })
        .await
        .map_err(|error| away(&error))
    }
}

/// A hash no password fits: trying an unknown name costs the same time as a known one.
static NOBODY: LazyLock<Option<String>> = LazyLock::new(|| {
    Argon2::default()
        .hash_password(&rand::random::<[u8; 32]>())
        .ok()
        .map(|hash| hash.to_string())
});

/// A new random token: what the browser gets.
pub fn new_token() -> String {
    URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>())
}

/// What the database keeps of a token.
pub fn token_hash(token: &str) -> Vec<u8> {
    Sha256::digest(token.as_bytes()).to_vec()
}

/// Makes a one-time sign-in link for a person and gives its token; the address is
/// `<public_url>/sign-in/<token>`. The command line and people's administrators hand it out.
pub async fn issue_link(
    db: &Db,
    person: PersonId,
    ttl: Duration,
    now: Timestamp,
) -> Result<String, StoreError> {
    let token = new_token();
    let ttl_ms = i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX);
    sessions::keep_link(db, &token_hash(&token), person, now.plus_millis(ttl_ms)).await?;
    Ok(token)
}

/// Signs in by name and password: the person, or nobody.
pub async fn check_password(
    site: &Site,
    login: &str,
    password: String,
) -> Result<Option<PersonId>, Error> {
    let known = people::password_hash(&site.db, login).await?;
    let (person, hash) = match known {
        Some((person, hash)) => (Some(person), Some(hash)),
        None => (None, NOBODY.clone()),
    };
    let Some(hash) = hash else {
        return Ok(None);
    };
    let fits = site.guard.verify(password, hash).await?;
    Ok(person.filter(|_| fits))
}

/// Opens a session and gives the cookie to set.
pub async fn open_session(
    site: &Site,
    person: PersonId,
    how: &'static str,
    remote: IpAddr,
) -> Result<HeaderValue, Error> {
    let now = super::now();
    let token = new_token();
    let hours = site.settings.session_hours;
    let expires_at = now.plus_millis(hours * 3_600_000);
    let csrf = new_token();
    sessions::open(
        &site.db,
        &token_hash(&token),
        person,
        &csrf,
        now,
        expires_at,
    )
    .await?;
    audit::keep(
        &site.db,
        &audit::Entry {
            person: Some(person),
            action: "sign_in",
            object: &format!("person:{}", person.0),
            detail: how,
            remote: &remote.to_string(),
        },
        now,
    )
    .await?;
    Ok(cookie(site, &token, hours * 3_600))
}

/// How long an answer that goes on may go on: until the server stops, or the visitor is switched off.
pub async fn over(
    site: &Site,
    visitor: &Visitor,
) -> Result<impl Future<Output = ()> + Send + use<>, Error> {
    let person = visitor.person.id;
    let switched_off = site.hub.switched_off(person);
    // Whoever is switched off from here on is told so; this is about who was a moment ago.
    let found = people::by_id(&site.db, person).await?;
    if found.is_none_or(|person| !person.active) {
        return Err(Error::Forbidden);
    }
    let hub = Arc::clone(&site.hub);
    Ok(async move {
        tokio::select! { () = hub.closed() => {}, () = switched_off => {} }
    })
}

/// The cookie that ends a session in the browser.
pub fn no_cookie(site: &Site) -> HeaderValue {
    cookie(site, "", 0)
}

fn cookie(site: &Site, token: &str, seconds: i64) -> HeaderValue {
    let secure = if site.settings.public_url.starts_with("https:") {
        "; Secure"
    } else {
        ""
    };
    let text =
        format!("{COOKIE}={token}; Path=/; HttpOnly; SameSite=Lax; Max-Age={seconds}{secure}");
    HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// The session token a browser sent.
pub fn token_of(headers: &HeaderMap) -> Option<&str> {
    cookie_value(headers, COOKIE).filter(|token| !token.is_empty())
}

/// The value of one cookie.
pub fn cookie_value<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_fits_its_own_hash_only() {
        let guard = Guard::default();
        let hash = guard.hash("correct horse".to_owned()).await.unwrap();
        assert!(hash.starts_with("$argon2id$"));
        let fits = |word: &str| guard.verify(word.to_owned(), hash.clone());
        assert!(fits("correct horse").await.unwrap());
        assert!(!fits("correct house").await.unwrap());
        assert!(
            !guard
                .verify("x".to_owned(), "not a hash".to_owned())
                .await
                .unwrap()
        );
    }

    #[test]
    fn tries_are_limited_by_name_from_any_address() {
        let guard = Guard::default();
        let admitted = (0..30u8)
            .filter(|n| guard.admit(IpAddr::from([10, 0, 0, *n]), "Anna").is_ok())
            .count();
        assert_eq!(admitted, 8);
        assert!(guard.admit(IpAddr::from([10, 0, 1, 1]), "boris").is_ok());
    }

    #[test]
    fn a_name_too_long_is_not_remembered() {
        let guard = Guard::default();
        let address = IpAddr::from([10, 0, 0, 1]);
        let long = "я".repeat(LOGIN_MAX + 1);
        assert!(matches!(
            guard.admit(address, &long),
            Err(Error::Unusable(_))
        ));
        assert!(guard.by_login.is_empty() && guard.by_address.is_empty());
        assert!(guard.admit(address, &"я".repeat(LOGIN_MAX)).is_ok());
    }

    #[test]
    fn the_cookie_is_found_among_others() {
        let mut headers = HeaderMap::new();
        headers.insert(
            header::COOKIE,
            HeaderValue::from_static("a=b; ringcard_session=tok; c=d"),
        );
        assert_eq!(token_of(&headers), Some("tok"));
        headers.insert(
            header::COOKIE,
            HeaderValue::from_static("ringcard_session="),
        );
        assert_eq!(token_of(&headers), None);
    }
}
