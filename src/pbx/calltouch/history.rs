//! The service's log of calls: `calls-diary/calls`, a page of up to a thousand, by days of the cabinet's
//! clock. A record names its call as webhooks do, so nothing is told twice.

use std::time::Duration;

use jiff::fmt::strtime;
use reqwest::Url;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{settings::Settings, told::Words, unconfirmed};
use crate::{
    http::{Client, Reach, Request},
    model::time::Timestamp,
    pbx::{
        Decoded, Message, Page, PbxError,
        asking::{self, WORK_PATIENCE},
        budget::Budget,
        fields::Fields,
        recording::RecordingSettings,
        span::Span,
    },
};

/// How long "too often" is taken to mean where it is not said.
const TOO_OFTEN: Duration = Duration::from_secs(60);
/// Records of one page, and pages of one part of the log.
const ROWS: u64 = 1_000;
const MOST_PAGES: u64 = 100;

/// Asks for the log of one site.
pub struct Api {
    site: String,
    key: SecretString,
    base: String,
    node_url: String,
    private_network: bool,
    http: Client,
    all: Budget,
}

#[derive(Deserialize)]
struct Answer {
    #[serde(rename = "pageTotal")]
    pages: u64,
    records: Vec<Map<String, Value>>,
}

impl Api {
    /// Of an account that has a site and a key.
    pub fn of(settings: &Settings, http: Client) -> Option<Self> {
        Some(Self {
            site: settings.site_id.clone(),
            key: settings.api_key.clone()?,
            base: settings.api_url.trim_end_matches('/').to_owned(),
            node_url: settings.node_url.trim_end_matches('/').to_owned(),
            private_network: settings.private_network,
            http,
            all: Budget::every_ms(settings.limits.all_every_ms),
        })
    }

    async fn get(&self, url: String) -> Result<Vec<u8>, PbxError> {
        let hosts = RecordingSettings {
            private_network: self.private_network,
            ..RecordingSettings::default()
        };
        let reach: Reach = hosts.reach_of(&url);
        let request = Request {
            url,
            reach,
            ..Request::default()
        };
        let read = |answer| asking::good(answer, TOO_OFTEN).map(|answer| answer.body);
        asking::ask(&self.http, &request, &[&self.all], WORK_PATIENCE, read).await
    }

    /// Where this site's log is: at a node whose number is asked for.
    async fn node(&self) -> Result<String, PbxError> {
        if self.node_url.is_empty() {
            return Ok(self.base.clone());
        }
        let path = format!("calls-service/RestAPI/{}/getnodeid/", self.site);
        let answer = self.get(format!("{}/{path}", self.base)).await?;
        let node = unconfirmed::node(&answer).ok_or(PbxError::Unreadable("no number of a node"))?;
        Ok(self.node_url.replace("{node}", &node.to_string()))
    }

    async fn page(&self, base: &str, days: (&str, &str), page: u64) -> Result<Answer, PbxError> {
        let path = format!("calls-service/RestAPI/{}/calls-diary/calls", self.site);
        let (page, limit) = (page.to_string(), ROWS.to_string());
        let values = [
            ("clientApiId", self.key.expose_secret()),
            ("dateFrom", days.0),
            ("dateTo", days.1),
            ("page", &page),
            ("limit", &limit),
        ];
        let url = Url::parse_with_params(&format!("{base}/{path}"), values)
            .map_err(|_| PbxError::Refused("the address of the API is none".to_owned()))?;
        let answer = self.get(url.into()).await?;
        serde_json::from_slice(&answer).map_err(|_| PbxError::Unreadable("it is no page of calls"))
    }
}

/// Reads records of one account.
pub struct Records<'a> {
    pub words: &'a Words,
}

impl Records<'_> {
    /// The next part of the log after the cursor.
    pub async fn page(
        &self,
        api: &Api,
        cursor: Option<&str>,
        now: Timestamp,
        first_ms: i64,
    ) -> Result<Page, PbxError> {
        let span = Span::after(cursor, now, first_ms);
        let days = (self.day(span.from), self.day(span.to));
        let base = api.node().await?;
        let mut messages: Vec<Message> = Vec::new();
        for page in 1..=MOST_PAGES {
            let answer = api.page(&base, (&days.0, &days.1), page).await?;
            let records = answer.records.into_iter();
            messages.extend(records.filter_map(|record| self.message(record, span, now)));
            if page >= answer.pages {
                return Ok(span.page(messages));
            }
        }
        Err(PbxError::Unreadable(
            "more pages than a site can have calls",
        ))
    }

    /// `dd/mm/yyyy` by the cabinet's clock. (The log of leads turns day and month round.)
    fn day(&self, at: Timestamp) -> String {
        let at = jiff::Timestamp::from_microsecond(at.as_micros()).unwrap_or_default();
        let day = at.to_zoned(self.words.zone.clone());
        strtime::format("%d/%m/%Y", &day).unwrap_or_default()
    }

    /// A record as a message, if its call belongs to this part and has settled. It has no facts: what it
    /// says of the visit is read when it is taken in.
    fn message(&self, record: Map<String, Value>, span: Span, now: Timestamp) -> Option<Message> {
        let raw = Value::Object(record).to_string().into_bytes();
        let told = Fields::of_body(&raw).and_then(|fields| {
            let visit = self.words.visit(&fields, now)?;
            Ok((visit.at, Words::ended(&fields, visit.at)))
        });
        span.message(told, Decoded::default(), now, || raw)
    }
}
