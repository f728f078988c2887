//! Forms come from our own pages: the browser's word about the origin, and a token per session.

use axum::{
    body::{Body, to_bytes},
    extract::Request,
    http::{HeaderMap, header},
};
use subtle::ConstantTimeEq;

use super::{Error, Settings};

/// Name of the hidden field.
pub const FIELD: &str = "csrf";
/// Header that our own modules send instead of a field.
pub const HEADER: &str = "x-csrf";
/// The largest form.
pub const FORM_BYTES: usize = 64 * 1024;

/// Whether the browser says that a form comes from our own origin. Browsers too old to say anything
/// still need the token.
pub fn is_same_origin(headers: &HeaderMap, settings: &Settings) -> bool {
    let text = |name: header::HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(site) = headers.get("sec-fetch-site") {
        return matches!(site.to_str(), Ok("same-origin" | "none"));
    }
    let Some(origin) = text(header::ORIGIN) else {
        return true;
    };
    let host = origin.split_once("://").map(|(_, host)| host);
    origin == settings.origin() || (host.is_some() && host == text(header::HOST))
}

/// Reads the form, checks the token against the session's, and gives the request back whole.
pub async fn check_token(request: Request, expected: &str) -> Result<Request, Error> {
    let (parts, body) = request.into_parts();
    let bytes = to_bytes(body, FORM_BYTES)
        .await
        .map_err(|_| Error::Unusable("error-too-large"))?;
    let in_header = parts
        .headers
        .get(HEADER)
        .and_then(|value| value.to_str().ok())
        .map(str::to_owned);
    let given = in_header.or_else(|| field(&bytes));
    let fits = given.is_some_and(|given| given.as_bytes().ct_eq(expected.as_bytes()).into());
    if fits {
        Ok(Request::from_parts(parts, Body::from(bytes)))
    } else {
        Err(Error::Forged)
    }
}

/// Tokens are base64url, so the field needs no unescaping.
fn field(form: &[u8]) -> Option<String> {
    let form = std::str::from_utf8(form).ok()?;
    form.split('&')
        .filter_map(|pair| pair.split_once('='))
        .find(|(name, _)| *name == FIELD)
        .map(|(_, value)| value.to_owned())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.insert(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn a_foreign_page_cannot_send_our_forms() {
        let settings = Settings {
            public_url: "https://calls.example.ru".to_owned(),
            ..Settings::default()
        };
        let same = |pairs: &[_]| is_same_origin(&headers(pairs), &settings);
        assert!(same(&[("sec-fetch-site", "same-origin")]));
        assert!(!same(&[("sec-fetch-site", "cross-site")]));
        assert!(!same(&[("sec-fetch-site", "same-site")]));
        assert!(same(&[("origin", "https://calls.example.ru")]));
        assert!(same(&[
            ("origin", "http://10.0.0.5:8080"),
            ("host", "10.0.0.5:8080")
        ]));
        assert!(!same(&[
            ("origin", "https://evil.example"),
            ("host", "10.0.0.5:8080")
        ]));
        assert!(!same(&[("origin", "null"), ("host", "10.0.0.5:8080")]));
    }

    #[tokio::test]
    async fn a_form_needs_the_token_of_its_session() {
        let form = |body: &'static str| Request::new(Body::from(body));
        assert!(
            check_token(form("note=hi&csrf=right"), "right")
                .await
                .is_ok()
        );
        assert!(
            check_token(form("note=hi&csrf=wrong"), "right")
                .await
                .is_err()
        );
        assert!(check_token(form("note=hi"), "right").await.is_err());
    }

    #[tokio::test]
    async fn the_checked_form_is_handed_on_whole() {
        let request = check_token(Request::new(Body::from("csrf=t&note=hi")), "t")
            .await
            .unwrap();
        let body = to_bytes(request.into_body(), 1_000).await.unwrap();
        assert_eq!(&body[..], b"csrf=t&note=hi");
    }
}
