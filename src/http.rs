//! The only client for outbound HTTP.
//!
//! Whoever asks says which hosts the answer may come from; redirects to other hosts, addresses of a
//! private network (unless allowed), plain text after TLS, slow and over-long answers are refused.
//! Addresses of requests never stand in an error: links carry access.
//!
//! It knows nothing of what is fetched and does not retry; [`Error::retry`] tells whether that helps.

mod address;
mod post;

use std::{error::Error as _, sync::Arc, time::Duration};

use bytes::Bytes;
use reqwest::{
    StatusCode, Url,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, LOCATION, RETRY_AFTER},
};
use secrecy::{ExposeSecret, SecretString};
use tokio::time::{Instant, timeout, timeout_at};

use address::{AllPrivate, PublicOnly, is_allowed, is_public, literal};
pub use post::{Answered, Post};

/// Limits of every request.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// How long a connection may take, in milliseconds.
    pub connect_timeout_ms: u64,
    /// How long the head of an answer may take, in milliseconds.
    pub answer_timeout_ms: u64,
    /// How long the body may be silent, in milliseconds.
    pub idle_timeout_ms: u64,
    /// How long the whole request may take, in milliseconds.
    pub total_timeout_ms: u64,
    /// How many redirects are followed.
    pub max_redirects: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            connect_timeout_ms: 5_000,
            answer_timeout_ms: 20_000,
            idle_timeout_ms: 20_000,
            total_timeout_ms: 600_000,
            max_redirects: 5,
        }
    }
}

/// Which hosts may answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// Host names; `.example.org` also allows every name below it.
    pub hosts: Vec<String>,
    /// Whether these hosts may lie in a private network or on this machine.
    pub private_network: bool,
}

/// One request.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// Absolute `http` or `https` address. A secret: it may carry access.
    pub url: String,
    /// Fields of a form to post; with neither these nor `json` it is a GET.
    pub form: Option<Vec<(String, String)>>,
    /// JSON to post, where there is no form.
    pub json: Option<String>,
    /// Value of the `Authorization` header; sent to the first host only.
    pub authorization: Option<SecretString>,
    /// Name (in small letters) and value of a header by which the host lets us in; sent to the first host
    /// only.
    pub key: Option<(&'static str, SecretString)>,
    /// Further headers that the configuration names; sent to the first host only.
    pub headers: Vec<(String, SecretString)>,
    /// Which hosts may answer.
    pub reach: Reach,
}

/// What can go wrong.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not an absolute `http` or `https` address.
    #[error("the address is not a web address")]
    Address,
    /// The address or a redirect names a host that is not allowed.
    #[error("host {0} is not among the allowed ones")]
    HostNotAllowed(String),
    /// The host lies in a private network and that is not allowed.
    #[error("host {0} lies in a private network")]
    PrivateAddress(String),
    /// A redirect leads from TLS to plain text, or would carry what is posted to another host.
    #[error("a redirect would give data away")]
    UnsafeRedirect,
    /// More redirects than allowed, or one without an address.
    #[error("the redirects lead nowhere")]
    Redirects,
    /// Something took longer than allowed.
    #[error("the host answered too slowly")]
    Timeout,
    /// No connection, or it broke.
    #[error("the host could not be reached")]
    Unreachable,
    /// An answer other than success.
    #[error("the host answered {status}")]
    Status {
        /// HTTP status.
        status: u16,
        /// How long the host asks us to wait.
        retry_after: Option<Duration>,
    },
    /// The body is longer than allowed.
    #[error("the answer is longer than {limit} bytes")]
    TooLarge {
        /// The limit.
        limit: u64,
    },
}

/// Whether trying again can help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// It cannot.
    Never,
    /// It can, later.
    Later,
    /// It can, but not before this time has passed.
    After(Duration),
}

impl Error {
    /// Whether trying again can help.
    pub fn retry(&self) -> Retry {
        match self {
            Self::Address
            | Self::HostNotAllowed(_)
            | Self::PrivateAddress(_)
            | Self::UnsafeRedirect
            | Self::TooLarge { .. } => Retry::Never,
            Self::Redirects | Self::Timeout | Self::Unreachable => Retry::Later,
            Self::Status {
                retry_after: Some(wait),
                ..
            } => Retry::After(*wait),
            Self::Status {
                status: 408 | 425 | 429 | 500..,
                ..
            } => Retry::Later,
            Self::Status { .. } => Retry::Never,
        }
    }
}

/// The client could not be made.
#[derive(Debug, thiserror::Error)]
#[error("the HTTP client cannot be made: {0}")]
pub struct Unusable(reqwest::Error);

/// Sends requests within limits.
#[derive(Clone, Debug)]
pub struct Client {
    /// Resolves names to public addresses only.
    public: reqwest::Client,
    /// Resolves names to any address.
    any: reqwest::Client,
    settings: Settings,
}

impl Client {
    /// Makes the client. TLS trusts the certificates of the system; without any, only plain HTTP works.
    pub fn new(settings: &Settings) -> Result<Self, Unusable> {
        // The first one wins; a second call says "already installed", which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Ok(Self {
            public: build(settings, Some(PublicOnly))?,
            any: build(settings, None)?,
            settings: settings.clone(),
        })
    }

    /// Sends a request, follows redirects within its reach and gives the answer's head with a body
    /// to read, of at most `max_bytes`. Anything but success is an error.
    pub async fn open(&self, request: &Request, max_bytes: u64) -> Result<Answer, Error> {
        let deadline = Instant::now() + Duration::from_millis(self.settings.total_timeout_ms);
        let mut hop = Hop::first(request)?;
        for _ in 0..=self.settings.max_redirects {
            hop.check(&request.reach)?;
            let response = self.send(request, &hop, deadline).await?;
            match response.status() {
                status if status.is_success() => {
                    return self.answer(response, max_bytes, deadline);
                }
                status if status.is_redirection() => {
                    hop = hop.next(status, response.headers())?;
                }
                status => {
                    return Err(Error::Status {
                        status: status.as_u16(),
                        retry_after: retry_after(response.headers()),
                    });
                }
            }
        }
        Err(Error::Redirects)
    }

    /// Sends a request and reads the whole answer, whatever its status: what a refusal says is in its
    /// body. A redirect is an answer like any other and is not followed.
    pub async fn ask(&self, request: &Request, max_bytes: u64) -> Result<Whole, Error> {
        let deadline = Instant::now() + Duration::from_millis(self.settings.total_timeout_ms);
        let hop = Hop::first(request)?;
        hop.check(&request.reach)?;
        let response = self.send(request, &hop, deadline).await?;
        let status = response.status().as_u16();
        let retry_after = retry_after(response.headers());
        let mut answer = self.answer(response, max_bytes, deadline)?;
        let mut body = Vec::new();
        while let Some(piece) = answer.chunk().await? {
            body.extend_from_slice(&piece);
        }
        Ok(Whole {
            status,
            retry_after,
            body,
        })
    }

    /// The certificate (DER) with which a host of ours answers; `None` without TLS. Only the host's own
    /// address is asked, and any network may hold it.
    pub async fn certificate(&self, url: &str) -> Result<Option<Vec<u8>>, Error> {
        // One that is out of date is what we want to see; nothing secret is sent or believed.
        let client = plain(&self.settings)
            .tls_danger_accept_invalid_certs(true)
            .tls_info(true)
            .build()
            .map_err(|_| Error::Unreachable)?;
        let url: Url = url.parse().map_err(|_| Error::Address)?;
        let limit = Duration::from_millis(self.settings.connect_timeout_ms);
        let response = timeout(limit, client.get(url.clone()).send())
            .await
            .map_err(|_| Error::Timeout)?
            .map_err(|error| from_reqwest(&error, &url))?;
        let shown = response.extensions().get::<reqwest::tls::TlsInfo>();
        Ok(shown.and_then(|shown| shown.peer_certificate().map(<[u8]>::to_vec)))
    }

    async fn send(
        &self,
        request: &Request,
        hop: &Hop<'_>,
        deadline: Instant,
    ) -> Result<reqwest::Response, Error> {
        let client = match request.reach.private_network {
            true => &self.any,
            false => &self.public,
        };
        let url = hop.url.clone();
        let mut sending = match hop.body {
            None => client.get(url),
            Some(Body::Form(form)) => client.post(url).form(form),
            Some(Body::Json(json)) => client
                .post(url)
                .header(CONTENT_TYPE, "application/json; charset=UTF-8")
                .body(json.to_owned()),
        };
        if let (Some(value), true) = (&request.authorization, hop.is_first_host) {
            sending = sending.header(AUTHORIZATION, value.expose_secret());
        }
        if let (Some((name, value)), true) = (&request.key, hop.is_first_host) {
            sending = sending.header(*name, value.expose_secret());
        }
        for (name, value) in request.headers.iter().filter(|_| hop.is_first_host) {
            sending = sending.header(name, value.expose_secret());
        }
        let answer_by = Instant::now() + Duration::from_millis(self.settings.answer_timeout_ms);
        timeout_at(answer_by.min(deadline), sending.send())
            .await
            .map_err(|_| Error::Timeout)?
            .map_err(|error| from_reqwest(&error, &hop.url))
    }

    fn answer(
        &self,
        response: reqwest::Response,
        limit: u64,
        deadline: Instant,
    ) -> Result<Answer, Error> {
        if response
            .content_length()
            .is_some_and(|length| length > limit)
        {
            return Err(Error::TooLarge { limit });
        }
        Ok(Answer {
            response,
            limit,
            left: limit,
            idle: Duration::from_millis(self.settings.idle_timeout_ms),
            deadline,
        })
    }
}

/// A whole answer of any status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Whole {
    /// HTTP status.
    pub status: u16,
    /// How long the host asks us to wait.
    pub retry_after: Option<Duration>,
    /// The body. It may hold secrets and numbers: not for a log.
    pub body: Vec<u8>,
}

/// A successful answer whose body is still to be read.
#[derive(Debug)]
pub struct Answer {
    response: reqwest::Response,
    limit: u64,
    left: u64,
    idle: Duration,
    deadline: Instant,
}

impl Answer {
    /// What the host says the body is. Not to be trusted.
    pub fn content_type(&self) -> Option<&str> {
        self.response.headers().get(CONTENT_TYPE)?.to_str().ok()
    }

    /// The next piece of the body; `None` at its end.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, Error> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        let chunk = timeout(self.idle.min(left), self.response.chunk())
            .await
            .map_err(|_| Error::Timeout)?
            .map_err(|_| Error::Unreachable)?;
        let Some(chunk) = chunk else {
            return Ok(None);
        };
        match self.left.checked_sub(chunk.len() as u64) {
            Some(left) => self.left = left,
            None => return Err(Error::TooLarge { limit: self.limit }),
        }
        Ok(Some(chunk))
    }
}

fn plain(settings: &Settings) -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .user_agent(concat!("ringcard/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(Duration::from_millis(settings.connect_timeout_ms))
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        // A proxy of the environment would resolve names itself, past the guard.
        .no_proxy()
}

fn build(settings: &Settings, guard: Option<PublicOnly>) -> Result<reqwest::Client, Unusable> {
    let builder = || match guard {
        Some(guard) => plain(settings).dns_resolver(Arc::new(guard)),
        None => plain(settings),
    };
    builder()
        .build()
        .or_else(|_| builder().tls_certs_only([]).build())
        .map_err(Unusable)
}

/// One step of a request and its redirects.
struct Hop<'a> {
    url: Url,
    body: Option<Body<'a>>,
    is_first_host: bool,
}

/// What is posted.
#[derive(Clone, Copy)]
enum Body<'a> {
    Form(&'a [(String, String)]),
    Json(&'a str),
}

impl<'a> Hop<'a> {
    fn first(request: &'a Request) -> Result<Self, Error> {
        Ok(Self {
            url: Url::parse(&request.url).map_err(|_| Error::Address)?,
            body: match (&request.form, &request.json) {
                (Some(form), _) => Some(Body::Form(form)),
                (None, json) => json.as_deref().map(Body::Json),
            },
            is_first_host: true,
        })
    }

    fn check(&self, reach: &Reach) -> Result<(), Error> {
        if !matches!(self.url.scheme(), "http" | "https") {
            return Err(Error::Address);
        }
        let host = self.url.host_str().ok_or(Error::Address)?;
        if !reach.hosts.iter().any(|allowed| is_allowed(host, allowed)) {
            return Err(Error::HostNotAllowed(host.to_owned()));
        }
        // Names are checked when they are resolved, so that what is checked is what is dialled.
        match literal(host) {
            Some(address) if !reach.private_network && !is_public(address) => {
                Err(Error::PrivateAddress(host.to_owned()))
            }
            _ => Ok(()),
        }
    }

    fn next(&self, status: StatusCode, headers: &HeaderMap) -> Result<Self, Error> {
        let location = headers.get(LOCATION).and_then(|value| value.to_str().ok());
        let url = location
            .and_then(|location| self.url.join(location).ok())
            .ok_or(Error::Redirects)?;
        let is_same_host = url.host_str() == self.url.host_str();
        // RFC 9110 §15.4: only 307 and 308 repeat the request as it was.
        let body = self.body.filter(|_| matches!(status.as_u16(), 307 | 308));
        let falls_to_plain = self.url.scheme() == "https" && url.scheme() != "https";
        if falls_to_plain || (body.is_some() && !is_same_host) {
            return Err(Error::UnsafeRedirect);
        }
        Ok(Self {
            url,
            body,
            is_first_host: self.is_first_host && is_same_host,
        })
    }
}

fn from_reqwest(error: &reqwest::Error, url: &Url) -> Error {
    let mut source = error.source();
    while let Some(cause) = source {
        if cause.is::<AllPrivate>() {
            return Error::PrivateAddress(url.host_str().unwrap_or_default().to_owned());
        }
        source = cause.source();
    }
    match error.is_timeout() {
        true => Error::Timeout,
        false => Error::Unreachable,
    }
}

/// `Retry-After` in seconds; dates are rare and not read.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers
        .get(RETRY_AFTER)?
        .to_str()
        .ok()?
        .trim()
        .parse()
        .ok()?;
    Some(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use wiremock::{
        Mock, MockServer, ResponseTemplate,
        matchers::{body_string, header, method, path},
    };

    use super::*;

    fn client() -> Client {
        let settings = Settings {
            answer_timeout_ms: 300,
            idle_timeout_ms: 300,
            max_redirects: 3,
            ..Settings::default()
        };
        Client::new(&settings).unwrap()
    }

    fn get(url: String) -> Request {
        Request {
            url,
            reach: Reach {
                hosts: vec!["127.0.0.1".into()],
                private_network: true,
            },
            ..Request::default()
        }
    }

    async fn body(mut answer: Answer) -> Result<Vec<u8>, Error> {
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await? {
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    async fn serve(at: &str, answer: ResponseTemplate) -> MockServer {
        let server = MockServer::start().await;
        Mock::given(path(at))
            .respond_with(answer)
            .mount(&server)
            .await;
        server
    }

    async fn refusal(request: &Request) -> Error {
        match client().open(request, 1_000).await {
            Ok(answer) => body(answer).await.expect_err("an error"),
            Err(error) => error,
        }
    }

    #[tokio::test]
    async fn a_body_is_read() {
        let answer = ResponseTemplate::new(200).set_body_raw("abc", "audio/mpeg");
        let server = serve("/a", answer).await;
        let answer = client()
            .open(&get(server.uri() + "/a"), 1_000)
            .await
            .unwrap();
        assert_eq!(answer.content_type(), Some("audio/mpeg"));
        assert_eq!(body(answer).await.unwrap(), b"abc");
    }

    #[tokio::test]
    async fn a_form_turns_into_a_get_on_the_way() {
        let server = MockServer::start().await;
        let there = ResponseTemplate::new(302).insert_header("location", "/there");
        Mock::given(method("POST"))
            .and(path("/ask"))
            .and(body_string("id=7&sign=x%26y"))
            .respond_with(there)
            .mount(&server)
            .await;
        Mock::given(method("GET"))
            .and(path("/there"))
            .respond_with(ResponseTemplate::new(200).set_body_string("ok"))
            .mount(&server)
            .await;
        let mut request = get(server.uri() + "/ask");
        request.form = Some(vec![
            ("id".into(), "7".into()),
            ("sign".into(), "x&y".into()),
        ]);
        let answer = client().open(&request, 1_000).await.unwrap();
        assert_eq!(body(answer).await.unwrap(), b"ok");
    }

    #[tokio::test]
    async fn json_is_posted_with_the_key_of_the_host() {
        let server = MockServer::start().await;
        Mock::given(method("POST"))
            .and(path("/call"))
            .and(header("content-type", "application/json; charset=UTF-8"))
            .and(header("x-api-key", "s"))
            .and(header("x-also", "t"))
            .and(body_string(r#"{"user":"anna"}"#))
            .respond_with(ResponseTemplate::new(200).set_body_string("ok"))
            .mount(&server)
            .await;
        let mut request = get(server.uri() + "/call");
        request.json = Some(r#"{"user":"anna"}"#.into());
        request.key = Some(("x-api-key", "s".into()));
        request.headers = vec![("x-also".into(), "t".into())];
        let answer = client().open(&request, 1_000).await.unwrap();
        assert_eq!(body(answer).await.unwrap(), b"ok");
    }

    #[tokio::test]
    async fn a_redirect_to_another_host_is_refused() {
        let away = ResponseTemplate::new(302).insert_header("location", "http://localhost:1/x");
        let server = serve("/a", away).await;
        let error = refusal(&get(server.uri() + "/a")).await;
        assert!(matches!(&error, Error::HostNotAllowed(host) if host == "localhost"));
        assert_eq!(error.retry(), Retry::Never);
    }

    #[tokio::test]
    async fn a_secret_does_not_follow_to_another_host() {
        let second = MockServer::start().await;
        for (name, value) in [
            ("authorization", "Bearer s"),
            ("x-api-key", "s"),
            ("x-also", "s"),
        ] {
            Mock::given(header(name, value))
                .respond_with(ResponseTemplate::new(200).set_body_string("leaked"))
                .mount(&second)
                .await;
        }
        let elsewhere = format!("http://localhost:{}/x", second.address().port());
        let first = serve(
            "/a",
            ResponseTemplate::new(302).insert_header("location", elsewhere),
        )
        .await;
        let mut request = get(first.uri() + "/a");
        request.authorization = Some("Bearer s".into());
        request.key = Some(("x-api-key", "s".into()));
        request.headers = vec![("x-also".into(), "s".into())];
        request.reach.hosts.push("localhost".into());
        // The second server answers 404 to a request without the secret.
        assert!(matches!(
            refusal(&request).await,
            Error::Status { status: 404, .. }
        ));
    }

    #[tokio::test]
    async fn private_addresses_need_leave() {
        let server = serve("/a", ResponseTemplate::new(200)).await;
        let mut request = get(server.uri() + "/a");
        request.reach.private_network = false;
        assert!(matches!(refusal(&request).await, Error::PrivateAddress(_)));
        // The same through a name: here the resolver stops it.
        request.url = format!("http://localhost:{}/a", server.address().port());
        request.reach.hosts = vec!["localhost".into()];
        assert!(matches!(refusal(&request).await, Error::PrivateAddress(_)));
    }

    #[tokio::test]
    async fn redirects_end() {
        let round = ResponseTemplate::new(301).insert_header("location", "/a");
        let server = serve("/a", round).await;
        assert!(matches!(
            refusal(&get(server.uri() + "/a")).await,
            Error::Redirects
        ));
    }

    #[tokio::test]
    async fn a_long_body_is_cut_off() {
        let server = serve(
            "/a",
            ResponseTemplate::new(200).set_body_bytes(vec![0; 1_001]),
        )
        .await;
        let error = refusal(&get(server.uri() + "/a")).await;
        assert!(matches!(error, Error::TooLarge { limit: 1_000 }));
    }

    /// A host that says exactly this and then stays silent, or hangs up.
    async fn raw_host(says: &'static [u8], hangs_up: bool) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.read_u8().await.unwrap();
            stream.write_all(says).await.unwrap();
            if !hangs_up {
                std::future::pending::<()>().await;
            }
        });
        format!("http://{address}/a")
    }

    #[tokio::test]
    async fn a_long_body_of_unknown_length_is_cut_off() {
        // Chunks of 600 and 500 bytes.
        let says = [
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n258\r\n".as_slice(),
            &[b'x'; 600],
            b"\r\n1f4\r\n",
            &[b'x'; 500],
            b"\r\n0\r\n\r\n",
        ];
        let url = raw_host(says.concat().leak(), false).await;
        assert!(matches!(
            refusal(&get(url)).await,
            Error::TooLarge { limit: 1_000 }
        ));
    }

    #[tokio::test]
    async fn a_body_that_stops_is_left() {
        let says = b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc";
        let error = refusal(&get(raw_host(says, false).await)).await;
        assert!(matches!(error, Error::Timeout));
    }

    #[tokio::test]
    async fn a_body_that_breaks_off_is_no_body() {
        let says = b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc";
        let error = refusal(&get(raw_host(says, true).await)).await;
        assert!(matches!(error, Error::Unreachable));
    }

    #[tokio::test]
    async fn a_slow_host_is_left() {
        let slow = ResponseTemplate::new(200).set_delay(Duration::from_secs(30));
        let server = serve("/a", slow).await;
        let error = refusal(&get(server.uri() + "/a")).await;
        assert!(matches!(error, Error::Timeout));
        assert_eq!(error.retry(), Retry::Later);
    }

    #[tokio::test]
    async fn a_busy_host_says_when_to_come_again() {
        let busy = ResponseTemplate::new(429).insert_header("retry-after", "7");
        let server = serve("/a", busy).await;
        let error = refusal(&get(server.uri() + "/a")).await;
        assert_eq!(error.retry(), Retry::After(Duration::from_secs(7)));
        let error = refusal(&get(server.uri() + "/missing")).await;
        assert_eq!(error.retry(), Retry::Never);
    }

    #[tokio::test]
    async fn a_question_is_answered_whatever_the_status() {
        let refusal = ResponseTemplate::new(420)
            .insert_header("retry-after", "2")
            .set_body_string("{\"code\":3102}");
        let server = serve("/a", refusal).await;
        let request = get(server.uri() + "/a");
        let answer = client().ask(&request, 1_000).await.unwrap();
        assert_eq!(
            (answer.status, answer.body),
            (420, b"{\"code\":3102}".to_vec())
        );
        assert_eq!(answer.retry_after, Some(Duration::from_secs(2)));
        assert!(matches!(
            client().ask(&request, 3).await,
            Err(Error::TooLarge { .. })
        ));
        let mut elsewhere = request;
        elsewhere.reach.private_network = false;
        let refused = client().ask(&elsewhere, 1_000).await;
        assert!(matches!(refused, Err(Error::PrivateAddress(_))));
    }

    #[tokio::test]
    async fn only_web_addresses_are_taken() {
        for url in [
            "",
            "recording.mp3",
            "file:///etc/passwd",
            "ftp://127.0.0.1/a",
        ] {
            assert!(
                matches!(refusal(&get(url.into())).await, Error::Address),
                "{url}"
            );
        }
    }
}
