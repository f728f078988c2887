//! HTTP: the pages people see, the intake of PBXes ([`hooks`]), the API for programs ([`api`]),
//! operations ([`ops`]).
//!
//! [`router`] is built from the table in [`routes`]. A request passes security headers, then the frame
//! ([`frame`]: session, language, form check, error page), then the right of its route, then the
//! handler, which asks `policy::can` about the object itself. One file per page under [`pages`]; a page
//! works without script, the modules in `assets/` only make it live.
//!
//! Leaves out: everything that decides about calls.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
};

use arc_swap::ArcSwap;
use async_trait::async_trait;
use axum::{Router, extract::DefaultBodyLimit, http::HeaderMap, middleware};
use tokio::sync::{Notify, watch};

use crate::{
    flow::{Flow, dial::Link},
    live::Hub,
    model::ids::{AccountName, LegKey},
    pbx,
    policy::{self, Action, Object},
    recordings::vault::Vault,
    store::Db,
};

pub mod api;
pub mod auth;
pub mod configuration;
pub mod csp;
pub mod csrf;
pub mod doctor;
pub mod error;
pub mod format;
pub mod frame;
pub mod hooks;
pub mod i18n;
pub mod layout;
pub mod listens;
pub mod ops;
pub mod pages;
pub mod parts;
pub mod pops;
pub mod refusals;
pub mod routes;
pub mod sheet;
pub mod sight;
pub mod trace;
pub mod why;

pub use crate::flow::now;
pub use error::Error;
pub use frame::{Guest, Visitor};

/// Settings of the pages.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Address under which people open the pages, without a slash at the end.
    pub public_url: String,
    /// Time zone of the company (IANA name): days on pages begin by it.
    pub time_zone: String,
    /// How long a session lasts at most, in hours.
    pub session_hours: i64,
    /// How long a session lasts unused, in hours.
    pub session_idle_hours: i64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            public_url: "http://127.0.0.1:8080".to_owned(),
            time_zone: "Europe/Moscow".to_owned(),
            session_hours: 14 * 24,
            session_idle_hours: 3 * 24,
        }
    }
}

impl Settings {
    /// Scheme, host and port of [`Settings::public_url`].
    pub fn origin(&self) -> &str {
        let start = self.public_url.find("://").map_or(0, |at| at + 3);
        let end = self.public_url[start..]
            .find('/')
            .map_or(self.public_url.len(), |at| start + at);
        &self.public_url[..end]
    }
}

/// Carries commands of people to the PBX account they belong to.
#[async_trait]
pub trait Commands: Send + Sync {
    /// Carries out one command at one account.
    async fn command(
        &self,
        account: &AccountName,
        command: pbx::Command,
    ) -> Result<(), pbx::PbxError>;

    /// Stops recording a leg of a call that goes on for a while, or records it again.
    async fn pause_recording(
        &self,
        account: &AccountName,
        leg: &LegKey,
        pause: bool,
    ) -> Result<(), pbx::PbxError>;
}

/// One account at a PBX as pages show it.
pub struct Account {
    /// Its name in the configuration.
    pub name: AccountName,
    /// The provider's name.
    pub kind: &'static str,
    /// Reads its messages again.
    pub pbx: Arc<dyn pbx::Pbx>,
    /// Its connection, where we dial.
    pub link: Option<watch::Receiver<Link>>,
    /// Has its own records read now, where they are read apart from a connection.
    pub records: Option<Arc<Notify>>,
}

/// The accounts there are; every copy sees the same ones, also after [`Accounts::replace`].
#[derive(Clone, Default)]
pub struct Accounts(Arc<ArcSwap<Vec<Account>>>);

impl Accounts {
    /// All of them, in the order of the configuration.
    pub fn all(&self) -> Arc<Vec<Account>> {
        self.0.load_full()
    }

    /// From now on these.
    pub fn replace(&self, accounts: Vec<Account>) {
        self.0.store(Arc::new(accounts));
    }
}

/// All that pages stand on.
pub struct Site {
    /// The store.
    pub db: Db,
    /// The way of call events: dead letters go it again.
    pub flow: Flow,
    /// Live pops.
    pub hub: Arc<Hub>,
    /// Kept recordings.
    pub vault: Vault,
    /// Click-to-call.
    pub commands: Arc<dyn Commands>,
    /// Settings.
    pub settings: Settings,
    /// Proxies whose word on the sender's address counts.
    pub trusted_proxies: Vec<IpAddr>,
    /// Accounts at PBXes, for those who run the installation.
    pub accounts: Accounts,
    /// The configuration while it runs.
    pub configuration: Arc<dyn configuration::Configuration>,
    /// Limits of the API, and what it remembers.
    pub api: api::caller::Door,
    /// What the doctor looks at beside the data.
    pub machine: doctor::Machine,
    /// Limits on guessing passwords.
    pub guard: auth::Guard,
    /// Listens audited a short while ago.
    pub listens: listens::Listens,
    /// The company's time zone.
    pub zone: jiff::tz::TimeZone,
}

/// What handlers get.
pub type State = Arc<Site>;

impl Settings {
    /// The company's time zone; unknown names are a problem of the configuration.
    pub fn zone(&self) -> Result<jiff::tz::TimeZone, jiff::Error> {
        jiff::tz::TimeZone::get(&self.time_zone)
    }
}

impl Site {
    /// What pieces of markup need to write for this visitor.
    pub fn pen(&self, visitor: &Visitor, sight: sight::Sight) -> parts::Pen<'_> {
        parts::Pen {
            t: visitor.texts,
            clock: format::Clock::new(&self.zone, visitor.texts),
            sight,
            now: now(),
        }
    }
}

/// The router of all pages.
pub fn router(state: State) -> Router {
    let mut router = Router::new();
    for route in routes::all() {
        let access = middleware::from_fn_with_state(route.access, frame::admit);
        router = router.route(route.path, (route.handler)().layer(access));
    }
    router
        .fallback(|| async { Error::NotFound })
        .layer(middleware::from_fn_with_state(
            Arc::clone(&state),
            frame::frame,
        ))
        .layer(DefaultBodyLimit::max(csrf::FORM_BYTES))
        .layer(middleware::from_fn(csp::headers))
        .with_state(state)
}

/// Refuses unless the person may.
pub fn demand(
    visitor: &Visitor,
    action: Action,
    object: &Object,
) -> Result<policy::Verdict, Error> {
    match policy::can(&visitor.person, action, object) {
        policy::Verdict::Denied => Err(Error::Forbidden),
        verdict => Ok(verdict),
    }
}

/// Escapes a value for a query string.
pub fn query_escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b'/' => {
                escaped.push(char::from(byte));
            }
            _ => escaped.push_str(&format!("%{byte:02X}")),
        }
    }
    escaped
}

/// The sender's address: behind trusted proxies, the last address none of them has. A proxy that names
/// nobody we understand speaks for a stranger, never for itself: it may stand on this machine.
pub fn remote(headers: &HeaderMap, peer: IpAddr, trusted: &[IpAddr]) -> IpAddr {
    if !trusted.contains(&peer) {
        return peer;
    }
    let named: Vec<&str> = headers
        .get_all("x-forwarded-for")
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .filter(|name| !name.is_empty())
        .collect();
    let mut sender = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    for name in named.iter().rev() {
        let Some(address) = address(name) else {
            return IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        };
        sender = address;
        if !trusted.contains(&sender) {
            break;
        }
    }
    sender
}

/// An address as proxies write it, with or without a port.
fn address(name: &str) -> Option<IpAddr> {
    let bare = name
        .strip_prefix('[')
        .and_then(|name| name.strip_suffix(']'))
        .unwrap_or(name);
    let with_port = || name.parse().ok().map(|address: SocketAddr| address.ip());
    bare.parse().ok().or_else(with_port)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn a_proxy_on_this_machine_never_makes_a_stranger_an_insider() {
        let proxy: IpAddr = "127.0.0.1".parse().unwrap();
        let sender = |named: Option<&'static str>, trusted: &[IpAddr]| {
            let mut headers = HeaderMap::new();
            if let Some(named) = named {
                headers.insert("x-forwarded-for", HeaderValue::from_static(named));
            }
            remote(&headers, proxy, trusted).to_string()
        };
        let trusted = [proxy];
        assert_eq!(sender(Some("198.51.100.7"), &trusted), "198.51.100.7");
        assert_eq!(
            sender(Some("198.51.100.7:4711, 127.0.0.1"), &trusted),
            "198.51.100.7"
        );
        assert_eq!(sender(Some("[2001:db8::7]:4711"), &trusted), "2001:db8::7");
        assert_eq!(sender(Some("[2001:db8::7]"), &trusted), "2001:db8::7");
        for unreadable in [None, Some(""), Some("unknown"), Some("unknown, 127.0.0.1")] {
            assert_eq!(sender(unreadable, &trusted), "0.0.0.0", "{unreadable:?}");
        }
        assert_eq!(sender(None, &[]), "127.0.0.1");
        assert_eq!(sender(Some("198.51.100.7"), &[]), "127.0.0.1");
    }
}
