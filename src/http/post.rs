//! Posts to addresses that people have entered, and reads the beginning of the answer.
//!
//! No redirect is followed: one would lead where nobody has looked. Names are resolved by the guard, so
//! what is checked is what is dialled.

use std::time::Duration;

use reqwest::{Url, header::HeaderValue};
use tokio::time::{Instant, timeout_at};

use super::{
    Client, Error,
    address::{is_allowed, is_public, literal},
    from_reqwest, retry_after,
};

/// What is posted.
#[derive(Clone, Debug)]
pub struct Post<'a> {
    /// Absolute `http` or `https` address. A secret: it may carry access.
    pub url: &'a str,
    /// Headers besides the type of the body, which is JSON.
    pub headers: &'a [(&'static str, String)],
    /// The body.
    pub body: &'a str,
    /// Hosts that may lie in a private network or on this machine.
    pub private_hosts: &'a [String],
    /// How long it may take, answer included.
    pub timeout: Duration,
    /// Most bytes read of the answer; what is longer is cut.
    pub max_answer: usize,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    /// HTTP status.
    pub status: u16,
    /// How long the host asks us to wait.
    pub retry_after: Option<Duration>,
    /// The beginning of the body.
    pub body: Vec<u8>,
}

impl Client {
    /// Posts once. Any status is an answer.
    pub async fn post(&self, post: &Post<'_>) -> Result<Answered, Error> {
        let url = Url::parse(post.url).map_err(|_| Error::Address)?;
        let is_private = check(&url, post.private_hosts)?;
        let client = if is_private { &self.any } else { &self.public };
        let mut sending = client
            .post(url.clone())
            .header("content-type", "application/json")
            .body(post.body.to_owned());
        for (name, value) in post.headers {
            let value = HeaderValue::from_str(value).map_err(|_| Error::Address)?;
            sending = sending.header(*name, value);
        }
        let deadline = Instant::now() + post.timeout;
        let mut response = timeout_at(deadline, sending.send())
            .await
            .map_err(|_| Error::Timeout)?
            .map_err(|error| from_reqwest(&error, &url))?;
        let mut answered = Answered {
            status: response.status().as_u16(),
            retry_after: retry_after(response.headers()),
            body: Vec::new(),
        };
        while answered.body.len() < post.max_answer {
            let chunk = timeout_at(deadline, response.chunk()).await;
            // The status has been said; what comes of the body changes nothing.
            let Ok(Ok(Some(chunk))) = chunk else { break };
            let room = post.max_answer - answered.body.len();
            let kept = &chunk[..chunk.len().min(room)];
            answered.body.extend_from_slice(kept);
        }
        Ok(answered)
    }
}

/// Refuses what is no web address or surely private; tells whether the host may be private.
fn check(url: &Url, private_hosts: &[String]) -> Result<bool, Error> {
    if !matches!(url.scheme(), "http" | "https") {
        return Err(Error::Address);
    }
    let host = url.host_str().ok_or(Error::Address)?;
    if private_hosts
        .iter()
        .any(|allowed| is_allowed(host, allowed))
    {
        return Ok(true);
    }
    match literal(host) {
        Some(address) if !is_public(address) => Err(Error::PrivateAddress(host.to_owned())),
        _ => Ok(false),
    }
}

#[cfg(test)]
mod tests {
    use wiremock::{Mock, MockServer, ResponseTemplate, matchers::any};

    use super::*;
    use crate::http::Settings;

    fn client() -> Client {
        Client::new(&Settings::default()).unwrap()
    }

    async fn post(url: &str, private: &[&str]) -> Result<Answered, Error> {
        let private: Vec<String> = private.iter().map(|host| (*host).to_owned()).collect();
        let post = Post {
            url,
            headers: &[("webhook-id", "msg_1".to_owned())],
            body: "{}",
            private_hosts: &private,
            timeout: Duration::from_millis(400),
            max_answer: 8,
        };
        client().post(&post).await
    }

    #[tokio::test]
    async fn the_beginning_of_an_answer_is_read_and_no_redirect_followed() {
        let server = MockServer::start().await;
        Mock::given(any())
            .respond_with(
                ResponseTemplate::new(302)
                    .insert_header("location", server.uri() + "/there")
                    .insert_header("retry-after", "7")
                    .set_body_string("a long answer"),
            )
            .mount(&server)
            .await;
        let answered = post(&server.uri(), &["127.0.0.1"]).await.unwrap();
        assert_eq!(answered.status, 302);
        assert_eq!(answered.body, b"a long a");
        assert_eq!(answered.retry_after, Some(Duration::from_secs(7)));
        assert_eq!(server.received_requests().await.unwrap().len(), 1);
    }

    #[tokio::test]
    async fn private_addresses_are_refused_however_they_are_written() {
        let server = MockServer::start().await;
        Mock::given(any())
            .respond_with(ResponseTemplate::new(200))
            .mount(&server)
            .await;
        let port = server.address().port();
        for host in [
            "127.0.0.1",
            "127.1",
            "127.0.0.1.",
            "2130706433",
            "0x7f.0.0.1",
            "0177.0.0.1",
            "[::ffff:127.0.0.1]",
            "[::1]",
            "0.0.0.0",
            "localhost",
            "LOCALHOST",
            "10.0.0.1",
            "169.254.169.254",
        ] {
            let refused = post(&format!("http://{host}:{port}/"), &["elsewhere.example"]).await;
            let Err(Error::PrivateAddress(_)) = refused else {
                panic!("{host}: {refused:?}");
            };
        }
        for url in ["ftp://127.0.0.1/", "no address", "file:///etc/hosts"] {
            assert!(matches!(post(url, &[]).await, Err(Error::Address)), "{url}");
        }
        assert!(server.received_requests().await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_slow_answer_is_cut_off() {
        let server = MockServer::start().await;
        let slow = ResponseTemplate::new(200).set_delay(Duration::from_secs(5));
        Mock::given(any()).respond_with(slow).mount(&server).await;
        let began = std::time::Instant::now();
        let refused = post(&server.uri(), &["127.0.0.1"]).await;
        assert!(matches!(refused, Err(Error::Timeout)), "{refused:?}");
        assert!(began.elapsed() < Duration::from_secs(3));
    }
}
