//! What happens around every page: session, language, form check, the right of the route, the error
//! page.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::{
    extract::{ConnectInfo, FromRequestParts, Request, State as Extract},
    http::{HeaderMap, Method, header, request::Parts},
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::{
    Error, Site, State, auth, csrf,
    error::Told,
    i18n::{Language, Texts},
    layout,
    routes::Access,
};
use crate::{
    model::{ids::PersonId, people::Person},
    policy::{self, Object},
    store::sessions,
};

/// How often the last use of a session is written down.
const TOUCH_EVERY_MS: i64 = 5 * 60_000;

/// Somebody who may not be signed in.
#[derive(Clone, Debug)]
pub struct Guest {
    /// Texts of the person's language.
    pub texts: Texts,
    /// Address of the browser.
    pub remote: IpAddr,
    /// Path and query asked for.
    pub path: String,
}

/// The token that somebody came with instead of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bearer {
    /// Its row.
    pub token: i64,
    /// Whether it is a program's own; then nobody stands behind it.
    pub is_service: bool,
    /// Whether it may show what its person may see of numbers; else they are masked.
    pub full_numbers: bool,
}

/// A person who is signed in, or whoever came with a token of the API.
#[derive(Clone, Debug)]
pub struct Visitor {
    /// Who. A service has the rights of its role, and an id that is no row.
    pub person: Person,
    /// The token, if there is no session.
    pub bearer: Option<Bearer>,
    /// Token that every form must carry.
    pub csrf: String,
    /// Hash of the session's token.
    pub session: Vec<u8>,
    /// Texts of the person's language.
    pub texts: Texts,
    /// Address of the browser.
    pub remote: IpAddr,
    /// Path and query asked for.
    pub path: String,
}

impl Visitor {
    /// The person as rows may name them; `None`: a service.
    pub fn known(&self) -> Option<PersonId> {
        let is_service = self.bearer.is_some_and(|bearer| bearer.is_service);
        (!is_service).then_some(self.person.id)
    }

    /// Whether what the visitor came with may show numbers in full at all.
    pub fn shows_numbers(&self) -> bool {
        self.bearer.is_none_or(|bearer| bearer.full_numbers)
    }
}

impl<S: Sync> FromRequestParts<S> for Guest {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        parts
            .extensions
            .get::<Self>()
            .cloned()
            .ok_or_else(|| Error::Unavailable("the frame did not run".to_owned()))
    }
}

impl<S: Sync> FromRequestParts<S> for Visitor {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        let next = parts.uri.to_string();
        parts
            .extensions
            .get::<Self>()
            .cloned()
            .ok_or(Error::SignInFirst { next })
    }
}

/// Around every request: finds the session and the language, checks forms, draws error pages.
pub async fn frame(Extract(site): Extract<State>, request: Request, next: Next) -> Response {
    let guest = guest(&site, &request);
    let session = match session(&site, request.headers(), &guest).await {
        Ok(session) => session,
        Err(error) => return draw(&site, &guest, None, error.into_response()),
    };
    let guest = match &session {
        Some(visitor) => Guest {
            texts: visitor.texts,
            ..guest
        },
        None => guest,
    };
    let answer = match check_form(&site, request, session.as_ref()).await {
        Ok(mut request) => {
            request.extensions_mut().insert(guest.clone());
            if let Some(visitor) = &session {
                request.extensions_mut().insert(visitor.clone());
            }
            next.run(request).await
        }
        Err(error) => error.into_response(),
    };
    draw(&site, &guest, session.as_ref(), answer)
}

/// Before every handler: the right of its route at any reach.
pub async fn admit(Extract(access): Extract<Access>, request: Request, next: Next) -> Response {
    let Access::Right(action) = access else {
        return next.run(request).await;
    };
    let Some(visitor) = request.extensions().get::<Visitor>() else {
        let next = match *request.method() {
            Method::GET => request.uri().to_string(),
            _ => "/".to_owned(),
        };
        return Error::SignInFirst { next }.into_response();
    };
    if policy::can(&visitor.person, action, &Object::Whole).is_allowed() {
        next.run(request).await
    } else {
        Error::Forbidden.into_response()
    }
}

fn guest(site: &Site, request: &Request) -> Guest {
    let headers = request.headers();
    let accepted = headers
        .get(header::ACCEPT_LANGUAGE)
        .and_then(|value| value.to_str().ok())
        .and_then(Language::accepted);
    let chosen = auth::cookie_value(headers, layout::LANGUAGE_COOKIE).and_then(Language::parse);
    let peer = request
        .extensions()
        .get::<ConnectInfo<SocketAddr>>()
        .map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |info| info.0.ip());
    Guest {
        texts: Texts::new(chosen.or(accepted).unwrap_or_default()),
        remote: super::remote(headers, peer, &site.trusted_proxies),
        path: request.uri().to_string(),
    }
}

async fn session(
    site: &Site,
    headers: &HeaderMap,
    guest: &Guest,
) -> Result<Option<Visitor>, Error> {
    let Some(token) = auth::token_of(headers) else {
        return Ok(None);
    };
    let hash = auth::token_hash(token);
    let now = super::now();
    let used_since = now.plus_millis(-site.settings.session_idle_hours * 3_600_000);
    let Some(found) = sessions::find(&site.db, &hash, now, used_since).await? else {
        return Ok(None);
    };
    if now.millis_since(found.seen_at) > TOUCH_EVERY_MS {
        sessions::touch(&site.db, &hash, now).await?;
    }
    let language = Language::parse(&found.person.language).unwrap_or(guest.texts.language);
    Ok(Some(Visitor {
        person: found.person,
        bearer: None,
        csrf: found.csrf,
        session: hash,
        texts: Texts::new(language),
        remote: guest.remote,
        path: guest.path.clone(),
    }))
}

async fn check_form(
    site: &Site,
    request: Request,
    visitor: Option<&Visitor>,
) -> Result<Request, Error> {
    if matches!(*request.method(), Method::GET | Method::HEAD) {
        return Ok(request);
    }
    if !csrf::is_same_origin(request.headers(), &site.settings) {
        return Err(Error::Forged);
    }
    match visitor {
        Some(visitor) => csrf::check_token(request, &visitor.csrf).await,
        None => Ok(request),
    }
}

/// Draws the page of an error; other answers pass.
fn draw(site: &Site, guest: &Guest, visitor: Option<&Visitor>, answer: Response) -> Response {
    let Some(Told(key)) = answer.extensions().get::<Told>().copied() else {
        return answer;
    };
    let page = layout::error_page(site, guest, visitor, answer.status(), key);
    (answer.status(), page).into_response()
}
