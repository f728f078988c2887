//! Where PBXes post what happened, and ask who should ring: step 1 of a call event.
//!
//! `/hooks/<account>/...`, GET and POST. In order: size, account, signature or secret, rate, decode,
//! commit; only then the sender is answered. A question is answered at once from the read side
//! ([`Desk`]) and its facts go the ordinary way afterwards.
//!
//! | Status | When |
//! |---|---|
//! | the provider's own "accepted" | everything of the message is durable, also when it is a repetition, of no interest or kept as not applicable |
//! | 400 | authentic, but not what it claims to be: kept as a dead letter; or broken off |
//! | 401, 404 | signature or age does not fit; no such account or wrong secret path |
//! | 405, 408, 413 | neither GET nor POST; the body came too slowly; too large |
//! | 429 | more messages than the account may send |
//! | 503 with Retry-After | the store cannot take it now; nothing has been promised |

mod answered;
pub mod asked;
mod journalled;
mod turned;

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    num::NonZeroU32,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use axum::{
    Router,
    body::Body,
    extract::{ConnectInfo, RawPathParams, State},
    http::{HeaderValue, Method, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
    routing::any,
};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use serde::{Deserialize, Serialize};

use crate::{
    flow::{self, Flow, Message, enquiry::Desk},
    model::{ids::AccountName, time::Timestamp},
    pbx::{DecodeError, Decoded, Enquiry, Input, Pbx, Reply, Request, RouteAnswer},
    telemetry,
};

use self::{answered::Behind, turned::Turned};
use super::refusals::Refusals;

pub use self::journalled::{from_journal, journal, read_again};

/// Limits of what comes in over HTTP.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Largest body, in bytes.
    pub max_body_bytes: usize,
    /// How long a body may take to come, in milliseconds.
    pub body_timeout_ms: u64,
    /// Messages a second that one account may send for long.
    pub per_second: u32,
    /// Messages that one account may send at once.
    pub burst: u32,
    /// How long an answer to "who should ring" may take before the safe default goes out, in
    /// milliseconds.
    pub route_timeout_ms: u64,
    /// What a sender is told to wait when the store is behind or away, in seconds.
    pub retry_after_s: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            max_body_bytes: 262_144,
            body_timeout_ms: 10_000,
            per_second: 20_000,
            burst: 40_000,
            route_timeout_ms: 1_000,
            retry_after_s: 5,
        }
    }
}

/// Everything the intake stands on.
pub struct Hooks {
    open: ArcSwap<Open>,
    flow: Flow,
    desk: Arc<Desk>,
    trusted_proxies: Vec<IpAddr>,
    refusals: Arc<Refusals>,
    behind: Behind,
}

/// Who may post, and within what limits; other ones take its place while requests go on.
#[derive(Default)]
struct Open {
    accounts: HashMap<String, Arc<Account>>,
    settings: Arc<Settings>,
}

struct Account {
    name: AccountName,
    pbx: Arc<dyn Pbx>,
    rate: DefaultDirectRateLimiter,
    settings: Arc<Settings>,
}

impl Hooks {
    /// An intake that knows no account yet ([`Hooks::adopt`]).
    pub fn new(
        flow: Flow,
        desk: Arc<Desk>,
        trusted_proxies: Vec<IpAddr>,
        refusals: Arc<Refusals>,
    ) -> Arc<Self> {
        Arc::new(Self {
            open: ArcSwap::default(),
            flow,
            desk,
            trusted_proxies,
            refusals,
            behind: Behind::new(),
        })
    }

    /// From now on these accounts may post, within these limits. Requests under way end as they began.
    pub fn adopt<'a>(
        &self,
        accounts: impl Iterator<Item = (&'a AccountName, &'a Arc<dyn Pbx>)>,
        settings: &Settings,
    ) {
        let settings = Arc::new(settings.clone());
        let at_least_one = |number| NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN);
        let quota = Quota::per_second(at_least_one(settings.per_second))
            .allow_burst(at_least_one(settings.burst));
        let accounts = accounts
            .map(|(name, pbx)| {
                let account = Account {
                    name: name.clone(),
                    pbx: Arc::clone(pbx),
                    rate: RateLimiter::direct(quota),
                    settings: Arc::clone(&settings),
                };
                (name.as_str().to_owned(), Arc::new(account))
            })
            .collect();
        self.open.store(Arc::new(Open { accounts, settings }));
    }

    /// Turns away what claims to come from an account, and counts it.
    fn refuse(&self, account: &Account, turned: Turned, remote: &str, now: Timestamp) -> Response {
        self.refusals.count(&account.name, turned.reason(), now);
        turn_away(&account.settings, turned, account.pbx.provider(), remote)
    }

    /// Waits until the facts of answered questions are in the store.
    pub async fn drain(&self) {
        self.behind.drain().await;
    }
}

/// The routes of the intake.
pub fn router(hooks: Arc<Hooks>) -> Router {
    Router::new()
        .route("/hooks/{account}", any(receive))
        .route("/hooks/{account}/", any(receive))
        .route("/hooks/{account}/{*rest}", any(receive))
        .with_state(hooks)
}

/// Takes one request in.
async fn receive(
    State(hooks): State<Arc<Hooks>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    path: RawPathParams,
    request: axum::extract::Request,
) -> Response {
    let began = Instant::now();
    let now = flow::now();
    let (head, body) = request.into_parts();
    let remote = super::remote(&head.headers, peer.ip(), &hooks.trusted_proxies).to_string();
    let open = hooks.open.load();
    let account = path
        .iter()
        .find_map(|(name, value)| (name == "account").then_some(value))
        .and_then(|name| open.accounts.get(name).cloned());
    let Some(account) = account else {
        return turn_away(&open.settings, Turned::NoAccount, "unknown", &remote);
    };
    drop(open);
    let account = account.as_ref();
    let request = match read(&account.settings, &head, body, &remote).await {
        Ok(request) => request,
        Err(turned) => return hooks.refuse(account, turned, &remote, now),
    };
    if let Err(turned) = admit(account, &request, now) {
        return hooks.refuse(account, turned, &remote, now);
    }
    match take(&hooks, account, &request, now, began).await {
        Taken::Asked(enquiry, told) => written(account.pbx.format_route(&enquiry, &told)),
        Taken::Kept(response) => response,
    }
}

/// What came of an authentic request.
enum Taken {
    /// It asks who should ring, and this is the answer.
    Asked(Enquiry, RouteAnswer),
    /// It tells something, which is durable or refused.
    Kept(Response),
}

async fn take(
    hooks: &Arc<Hooks>,
    account: &Account,
    request: &Request,
    now: Timestamp,
    began: Instant,
) -> Taken {
    let (decoded, error) = decode(account.pbx.as_ref(), Input::Request(request), now);
    let message = Message {
        account: account.name.clone(),
        source: "webhook",
        received_at: now,
        raw: journal(&account.pbx.kept(request), account.pbx.secret_path_parts()),
    };
    match decoded.enquiries.first().cloned() {
        Some(enquiry) => {
            let told = answered::answer(hooks, account, &enquiry, message, decoded, began).await;
            Taken::Asked(enquiry, told)
        }
        None => Taken::Kept(keep(hooks, account, message, decoded, error, began).await),
    }
}

async fn read(
    settings: &Settings,
    head: &Parts,
    body: Body,
    remote: &str,
) -> Result<Request, Turned> {
    if !matches!(head.method, Method::GET | Method::POST) {
        return Err(Turned::Method);
    }
    let announced = head
        .headers
        .get(header::CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > settings.max_body_bytes) {
        return Err(Turned::TooLarge);
    }
    let body = tokio::time::timeout(
        Duration::from_millis(settings.body_timeout_ms),
        whole(body, settings.max_body_bytes),
    )
    .await
    .map_err(|_| Turned::TooSlow)??;
    Ok(Request {
        method: head.method.as_str().to_owned(),
        path: below_account(head.uri.path()).to_owned(),
        query: head.uri.query().unwrap_or_default().to_owned(),
        headers: head
            .headers
            .iter()
            .map(|(name, value)| {
                let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
                (name.as_str().to_owned(), value)
            })
            .collect(),
        body,
        remote: remote.to_owned(),
    })
}

async fn whole(body: Body, limit: usize) -> Result<Bytes, Turned> {
    let mut parts = body.into_data_stream();
    let mut whole = BytesMut::new();
    while let Some(part) = parts.next().await {
        let part = part.map_err(|_| Turned::BrokenOff)?;
        if whole.len() + part.len() > limit {
            return Err(Turned::TooLarge);
        }
        whole.extend_from_slice(&part);
    }
    Ok(whole.freeze())
}

/// `/hooks/office/a/b` is `/a/b`: as sent, so that a signature over the path can be checked.
fn below_account(path: &str) -> &str {
    path.strip_prefix("/hooks/")
        .and_then(|rest| rest.find('/').map(|at| &rest[at..]))
        .unwrap_or("/")
}

/// Signature or secret first; only who is genuine can use up the account's rate.
fn admit(account: &Account, request: &Request, now: Timestamp) -> Result<(), Turned> {
    account.pbx.verify(request, now)?;
    account.rate.check().map_err(|_| Turned::TooMany)
}

/// Step 2. A decoder that panics has met something its author did not think of: a dead letter.
fn decode(pbx: &dyn Pbx, input: Input<'_>, now: Timestamp) -> (Decoded, Option<DecodeError>) {
    let mut decoded = Decoded::default();
    let fed = catch_unwind(AssertUnwindSafe(|| {
        pbx.decoder().feed(input, now, &mut decoded)
    }));
    match fed {
        Ok(Ok(())) => (decoded, None),
        Ok(Err(error)) => (decoded, Some(error)),
        Err(_) => {
            let error = DecodeError::Malformed("the decoder gave up".to_owned());
            (Decoded::default(), Some(error))
        }
    }
}

async fn keep(
    hooks: &Hooks,
    account: &Account,
    message: Message,
    mut decoded: Decoded,
    error: Option<DecodeError>,
    began: Instant,
) -> Response {
    let said = std::mem::take(&mut decoded.send);
    let understood = outcome(&decoded, error.as_ref());
    let kept = hooks.flow.receive(message, decoded, error.as_ref()).await;
    let (outcome, response) = match (kept, error) {
        (Err(_), _) => ("busy", busy(&account.settings)),
        (Ok(_), Some(DecodeError::TooLarge { .. })) => (
            understood,
            text(
                StatusCode::PAYLOAD_TOO_LARGE,
                "larger than any honest message",
            ),
        ),
        (Ok(_), Some(error)) => (
            understood,
            text(StatusCode::BAD_REQUEST, &error.to_string()),
        ),
        // What could not be applied is kept as a dead letter: the sender's part is done.
        (Ok(receipt), None) if receipt.dead_letter => {
            ("apply_failed", written(account.pbx.accepted()))
        }
        (Ok(_), None) if said.is_empty() => (understood, written(account.pbx.accepted())),
        (Ok(_), None) => (understood, written(Reply::text(said))),
    };
    telemetry::Ingested {
        provider: account.pbx.provider(),
        way: "webhook",
        outcome,
        account: account.name.as_str(),
        took: began.elapsed(),
    }
    .emit();
    response
}

/// What became of a message, for the counter.
fn outcome(decoded: &Decoded, error: Option<&DecodeError>) -> &'static str {
    match error {
        Some(_) => "undecodable",
        None if !decoded.events.is_empty() || !decoded.visits.is_empty() => "applied",
        None if !decoded.notes.is_empty() || !decoded.enquiries.is_empty() => "noted",
        None => "ignored",
    }
}

fn turn_away(
    settings: &Settings,
    turned: Turned,
    provider: &'static str,
    remote: &str,
) -> Response {
    telemetry::IngestRefused {
        provider,
        reason: turned.reason(),
        remote,
    }
    .emit();
    let status = turned.status();
    let mut response = text(status, status.canonical_reason().unwrap_or("refused"));
    match turned {
        Turned::TooMany => retry_after(&mut response, settings),
        Turned::Method => {
            let allowed = HeaderValue::from_static("GET, POST");
            response.headers_mut().insert(header::ALLOW, allowed);
        }
        _ => {}
    }
    response
}

fn busy(settings: &Settings) -> Response {
    let mut response = text(StatusCode::SERVICE_UNAVAILABLE, "come again");
    retry_after(&mut response, settings);
    response
}

fn retry_after(response: &mut Response, settings: &Settings) {
    let seconds = HeaderValue::from(settings.retry_after_s);
    response.headers_mut().insert(header::RETRY_AFTER, seconds);
}

fn text(status: StatusCode, words: &str) -> Response {
    (status, format!("{words}\n")).into_response()
}

fn written(reply: Reply) -> Response {
    let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::OK);
    let content_type = [(header::CONTENT_TYPE, reply.content_type)];
    (status, content_type, reply.body).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_below_the_account_stays_as_sent() {
        for (path, below) in [
            ("/hooks/office", "/"),
            ("/hooks/office/", "/"),
            ("/hooks/office/events/call", "/events/call"),
            ("/hooks/office/a%2Fb/", "/a%2Fb/"),
        ] {
            assert_eq!(below_account(path), below);
        }
    }
}
