//! The parts of a description that say what is answered, and what is asked of the PBX.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{
    place::{Fields, Place, Texts},
    template::{Context, Template},
};
use crate::pbx::{Enquiry, PbxError, Reply, RouteAnswer};

/// What a message without a question is answered.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawAnswer {
    status: u16,
    content_type: String,
    body: String,
}

impl Default for RawAnswer {
    fn default() -> Self {
        Self {
            status: 200,
            content_type: "text/plain".to_owned(),
            body: String::new(),
        }
    }
}

/// The same, checked.
#[derive(Clone)]
pub struct Answer(pub Reply);

impl Default for Answer {
    fn default() -> Self {
        Self(Reply::empty())
    }
}

impl RawAnswer {
    pub fn checked(self, told: &mut Vec<String>) -> Option<Answer> {
        let (content_type, context) = content_type("answer", &self.content_type, told)?;
        if !(200..300).contains(&self.status) {
            told.push("answer.status must be from 200 to 299: the message was taken".to_owned());
        }
        if !self.body.is_empty() {
            read(&self.body, context, &[], "answer.body", told)?;
        }
        Some(Answer(Reply {
            status: self.status,
            content_type,
            body: self.body.into(),
        }))
    }
}

/// How a question is answered.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawRoute {
    #[serde(default = "json")]
    content_type: String,
    body: String,
    nobody: String,
    #[serde(default)]
    blocked: Option<String>,
    #[serde(default = "comma")]
    separator: String,
}

fn json() -> String {
    "application/json".to_owned()
}

fn comma() -> String {
    ",".to_owned()
}

/// The same, checked.
pub struct Route {
    pub content_type: &'static str,
    /// Somebody is to ring.
    pub body: Template,
    /// Nobody in particular, or, where one was asked about, not that one.
    pub nobody: Template,
    /// The caller is not to be put through.
    pub blocked: Template,
    /// Between several extensions.
    pub separator: String,
}

impl RawRoute {
    pub fn checked(self, told: &mut Vec<String>) -> Option<Route> {
        const KNOWN: [&str; 6] = [
            "extension",
            "extensions",
            "name",
            "reason",
            "ring_s",
            "ring_ms",
        ];
        let (content_type, context) = content_type("route", &self.content_type, told)?;
        let body = read(&self.body, context, &KNOWN, "route.body", told);
        let nobody = read(&self.nobody, context, &["reason"], "route.nobody", told);
        let blocked = self.blocked.as_ref().unwrap_or(&self.nobody);
        let blocked = read(blocked, context, &["reason"], "route.blocked", told);
        Some(Route {
            content_type,
            body: body?,
            nobody: nobody?,
            blocked: blocked?,
            separator: self.separator,
        })
    }
}

impl Route {
    /// The answer in the PBX's words; an error where a value fits nowhere.
    pub fn reply(&self, enquiry: &Enquiry, answer: &RouteAnswer) -> Result<Reply, PbxError> {
        let chosen = match &enquiry.is_it {
            Some(asked) => answer.targets.iter().find(|target| *target == asked),
            None => answer.targets.first(),
        };
        let template = match chosen {
            _ if answer.is_blocked() => &self.blocked,
            Some(_) => &self.body,
            None => &self.nobody,
        };
        let all = || answer.targets.iter().map(|target| target.as_str());
        let body = template.fill(|name| match name {
            "extension" => chosen.map(|target| target.as_str().to_owned()),
            "extensions" => Some(all().collect::<Vec<_>>().join(&self.separator)),
            "name" => answer.display_name.clone(),
            "reason" => Some(answer.reason.clone()),
            "ring_s" => Some((answer.ring_ms / 1_000).to_string()),
            "ring_ms" => Some(answer.ring_ms.to_string()),
            _ => None,
        })?;
        Ok(Reply {
            status: 200,
            content_type: self.content_type,
            body: body.into(),
        })
    }
}

fn content_type(
    key: &str,
    written: &str,
    told: &mut Vec<String>,
) -> Option<(&'static str, Context)> {
    match written {
        "application/json" => Some(("application/json", Context::Json)),
        "application/xml" => Some(("application/xml", Context::Xml)),
        "text/xml" => Some(("text/xml; charset=utf-8", Context::Xml)),
        "text/plain" => Some(("text/plain; charset=utf-8", Context::Plain)),
        _ => {
            let known = "application/json, application/xml, text/xml and text/plain";
            told.push(format!("{key}.content_type can be {known}"));
            None
        }
    }
}

fn read(
    text: &str,
    context: Context,
    known: &[&str],
    key: &str,
    told: &mut Vec<String>,
) -> Option<Template> {
    Template::read(text, context, known)
        .map_err(|problem| told.push(format!("{key} {problem}")))
        .ok()
}

/// Secrets that templates may name.
pub type Secrets = BTreeMap<String, String>;
/// Headers of a request of ours.
pub type Headers = Vec<(String, Template)>;

/// How a call is ordered.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawClick {
    #[serde(default)]
    method: Option<String>,
    url: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    form: Option<BTreeMap<String, String>>,
    #[serde(default)]
    json: Option<String>,
    #[serde(default)]
    success: Option<Success>,
    #[serde(default)]
    call: Option<Place>,
    #[serde(default = "usual_pause")]
    every_ms: u64,
}

/// Nobody has told how often one may ask: twice a second is what people's clicks come to.
fn usual_pause() -> u64 {
    500
}

/// How an answer says that the order was taken.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Success {
    at: Place,
    is: Texts,
}

impl Success {
    /// Whether this answer says so.
    pub fn is_told(&self, fields: &Fields) -> bool {
        fields
            .get(&self.at)
            .is_some_and(|told| self.is.contains(&told))
    }
}

/// The same, checked.
pub struct Click {
    pub url: Template,
    pub headers: Headers,
    pub form: Option<Vec<(String, Template)>>,
    pub json: Option<Template>,
    /// Without it any answer of 200 to 299 is success.
    pub success: Option<Success>,
    /// Where the answer names the call.
    pub call: Option<Place>,
    pub every_ms: u64,
    pub secrets: Secrets,
    /// The address up to the first value: its host may answer.
    pub base: String,
}

impl RawClick {
    pub fn checked(self, secrets: &Secrets, told: &mut Vec<String>) -> Option<Click> {
        let own = ["extension", "client", "client_e164", "command"];
        let known: Vec<&str> = own.into_iter().chain(names(secrets)).collect();
        let posts = self.form.is_some() || self.json.is_some();
        if self.form.is_some() && self.json.is_some() {
            told.push("click.form and click.json exclude each other".to_owned());
        }
        match self.method.as_deref() {
            None => {}
            Some("GET") if !posts => {}
            Some("POST") if posts => {}
            Some("GET") => told.push("click.method GET carries neither form nor json".to_owned()),
            Some("POST") => {
                told.push("click.method POST needs click.form or click.json".to_owned())
            }
            Some(_) => told.push("click.method can be GET or POST".to_owned()),
        }
        for (key, place) in [
            ("click.success.at", self.success.as_ref().map(|it| &it.at)),
            ("click.call", self.call.as_ref()),
        ] {
            if let Some(text) = place.and_then(Place::problem) {
                told.push(format!("{key} {text}"));
            }
        }
        let url = read(&self.url, Context::Url, &known, "click.url", told);
        let headers = headers(self.headers, &known, "click", told);
        let form = self.form.map(|form| {
            let fields = form.into_iter().filter_map(|(name, text)| {
                let key = format!("click.form.{name}");
                let value = read(&text, Context::Field, &known, &key, told)?;
                Some((name, value))
            });
            fields.collect()
        });
        let json = self
            .json
            .map(|text| read(&text, Context::Json, &known, "click.json", told));
        Some(Click {
            base: base(&self.url),
            url: url?,
            headers,
            form,
            json: match json {
                None => None,
                Some(read) => Some(read?),
            },
            success: self.success,
            call: self.call,
            every_ms: self.every_ms,
            secrets: secrets.clone(),
        })
    }
}

/// How the file of a recording is asked for that messages name by an id.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawFileRequest {
    url: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
}

/// The same, checked.
pub struct FileRequest {
    pub url: Template,
    pub headers: Headers,
    pub secrets: Secrets,
    /// The address up to the first value: its host may answer.
    pub base: String,
}

impl RawFileRequest {
    pub fn checked(self, secrets: &Secrets, told: &mut Vec<String>) -> Option<FileRequest> {
        let known: Vec<&str> = ["recording"].into_iter().chain(names(secrets)).collect();
        let url = read(
            &self.url,
            Context::Url,
            &known,
            "recording_request.url",
            told,
        );
        Some(FileRequest {
            base: base(&self.url),
            headers: headers(self.headers, &known, "recording_request", told),
            url: url?,
            secrets: secrets.clone(),
        })
    }
}

fn names(secrets: &Secrets) -> impl Iterator<Item = &str> {
    secrets.keys().map(String::as_str)
}

fn base(url: &str) -> String {
    url.split('{').next().unwrap_or_default().to_owned()
}

fn headers(
    written: BTreeMap<String, String>,
    known: &[&str],
    part: &str,
    told: &mut Vec<String>,
) -> Headers {
    let mut headers = Vec::with_capacity(written.len());
    for (name, text) in written {
        let key = format!("{part}.headers.{name}");
        let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if name.is_empty() || !name.bytes().all(fits) {
            told.push(format!("{key} must be a header's name in small letters"));
        }
        headers.extend(read(&text, Context::Header, known, &key, told).map(|value| (name, value)));
    }
    headers
}
