//! The description of a PBX as its account's table has it, read part by part, so that every problem is told
//! at once and by its key. What stands in a part is in `parts` and
//! `answers`.

use std::collections::{BTreeMap, BTreeSet};

use serde::de::DeserializeOwned;
use toml::{Table, Value};

use super::{
    answers::{Answer, Click, FileRequest, RawAnswer, RawClick, RawFileRequest, RawRoute, Route},
    clock::Clock,
    parts::{Field, Kind, Places, RawRule, RawTime, Rule, Sets, Words},
    place::{Body, Place},
    signature::{RawSignature, Signature},
};
use crate::{
    model::event::{Cause, Direction, Side},
    pbx::{recording::RecordingSettings, secret},
};

/// A PBX as the configuration describes it, checked.
pub struct Dialect {
    pub methods: BTreeSet<String>,
    /// The secret first part of the path.
    pub token: Option<String>,
    pub signature: Option<Signature>,
    pub body: Body,
    pub json_field: Option<String>,
    pub rules: Vec<Rule>,
    pub clock: Clock,
    pub direction: Option<Words<Direction>>,
    pub cause: Option<Words<Cause>>,
    pub hangup_by: Option<Words<Side>>,
    /// Our name of a visit's property, and where it stands.
    pub tracking: Vec<(String, Place)>,
    pub answer: Answer,
    pub route: Option<Route>,
    pub click: Option<Click>,
    pub recordings: RecordingSettings,
    pub file_request: Option<FileRequest>,
}

impl Dialect {
    /// Reads and checks a description; `Err` has every problem, each beginning with its key.
    pub fn read(table: Table) -> Result<Self, Vec<String>> {
        let mut reader = Reader {
            table,
            problems: Vec::new(),
        };
        let secrets = reader.secrets();
        let fields = reader.fields();
        let click = reader.part::<RawClick>("click");
        let file_request = reader.part::<RawFileRequest>("recording_request");
        let route = reader.part::<RawRoute>("route");
        let answer = reader.part::<RawAnswer>("answer").unwrap_or_default();
        let time = reader.part::<RawTime>("time").unwrap_or_default();
        let signature = reader.part::<RawSignature>("signature");
        let mut recordings: RecordingSettings = reader.part("recordings").unwrap_or_default();
        let file_request =
            file_request.and_then(|raw| reader.checked(|told| raw.checked(&secrets, told)));
        if let Some(request) = &file_request {
            recordings.url = Some(request.base.clone()); // the host that is asked may answer
        }
        let dialect = Self {
            methods: reader.methods(),
            token: reader.token(),
            signature: signature.and_then(|raw| reader.checked(|told| raw.checked(told))),
            body: reader.part("body").unwrap_or_default(),
            json_field: reader.part("json_field"),
            tracking: reader.tracking(),
            rules: reader.rules(&fields),
            clock: reader
                .checked(|told| time.checked(told))
                .unwrap_or_default(),
            direction: reader.part("direction"),
            cause: reader.part("cause"),
            hangup_by: reader.part("hangup_by"),
            answer: reader
                .checked(|told| answer.checked(told))
                .unwrap_or_default(),
            route: route.and_then(|raw| reader.checked(|told| raw.checked(told))),
            click: click.and_then(|raw| reader.checked(|told| raw.checked(&secrets, told))),
            recordings,
            file_request,
        };
        reader.check_whole(&dialect);
        match reader.problems.is_empty() {
            true => Ok(dialect),
            false => Err(reader.problems),
        }
    }
}

/// Takes part after part and remembers what was wrong.
struct Reader {
    table: Table,
    problems: Vec<String>,
}

impl Reader {
    fn problem(&mut self, key: &str, text: &str) {
        self.problems.push(format!("{key} {text}"));
    }

    fn part<T: DeserializeOwned>(&mut self, key: &str) -> Option<T> {
        let value = self.table.remove(key)?;
        self.value(key, value)
    }

    fn value<T: DeserializeOwned>(&mut self, key: &str, value: Value) -> Option<T> {
        let read = value.try_into();
        read.map_err(|error: toml::de::Error| {
            let text = error
                .message()
                .lines()
                .next()
                .unwrap_or_default()
                .to_owned();
            self.problems.push(format!("{key}: {text}"));
        })
        .ok()
    }

    /// What a check makes of a part, unless it tells problems.
    fn checked<T>(&mut self, check: impl FnOnce(&mut Vec<String>) -> Option<T>) -> Option<T> {
        check(&mut self.problems)
    }

    fn methods(&mut self) -> BTreeSet<String> {
        let given: Option<Vec<String>> = self.part("methods");
        let methods = given.unwrap_or_else(|| vec!["GET".to_owned(), "POST".to_owned()]);
        let is_known = |method: &String| matches!(method.as_str(), "GET" | "POST");
        if methods.is_empty() || !methods.iter().all(is_known) {
            self.problem("methods", "can be \"GET\", \"POST\" or both");
        }
        methods.into_iter().collect()
    }

    fn token(&mut self) -> Option<String> {
        let token: String = self.part("token")?;
        if !secret::is_token(&token) {
            self.problem("token", secret::TOKEN_RULE);
        }
        Some(token)
    }

    fn secrets(&mut self) -> BTreeMap<String, String> {
        let secrets: BTreeMap<String, String> = self.part("secrets").unwrap_or_default();
        for name in secrets.keys().filter(|name| !name.ends_with("_secret")) {
            let text = "must end in _secret: so it is kept out of the file and of logs";
            self.problems.push(format!("secrets.{name} {text}"));
        }
        secrets
    }

    /// Fields of all calls, and below `in`, `out` and `internal` those of one direction.
    fn fields(&mut self) -> Sets {
        let mut table: Table = self.part("fields").unwrap_or_default();
        let mut sets = Sets::default();
        for direction in [Direction::In, Direction::Out, Direction::Internal] {
            let key = format!("fields.{}", direction.as_str());
            let Some(own) = table.remove(direction.as_str()) else {
                continue;
            };
            if let Some(own) = self.value(&key, own) {
                let places = self.places(&key, own);
                sets.of.insert(direction, places);
            }
        }
        sets.any = self.places("fields", table);
        sets
    }

    fn places(&mut self, key: &str, table: Table) -> Places {
        let mut places = Places::new();
        for (name, value) in table {
            let key = format!("{key}.{name}");
            let Some(field) = Field::named(&name) else {
                self.problem(&key, &format!("is none; there are {}", Field::names()));
                continue;
            };
            if let Some(place) = self.place(&key, value) {
                places.insert(field, place);
            }
        }
        places
    }

    fn place(&mut self, key: &str, value: Value) -> Option<Place> {
        let Ok(place) = value.try_into::<Place>() else {
            let text = "must be a name, a list of names, or a table of `at`, `after` and `before`";
            self.problem(key, text);
            return None;
        };
        if let Some(text) = place.problem() {
            self.problem(key, text);
        }
        Some(place)
    }

    fn tracking(&mut self) -> Vec<(String, Place)> {
        let table: Table = self.part("tracking").unwrap_or_default();
        let places = table.into_iter().filter_map(|(name, value)| {
            let place = self.place(&format!("tracking.{name}"), value)?;
            Some((name, place))
        });
        places.collect()
    }

    fn rules(&mut self, fields: &Sets) -> Vec<Rule> {
        let tables: Vec<Value> = self.part("events").unwrap_or_default();
        let mut rules = Vec::with_capacity(tables.len());
        for (n, table) in tables.into_iter().enumerate() {
            let key = format!("events[{}]", n + 1);
            let Some(mut raw) = self.value::<RawRule>(&key, table) else {
                continue;
            };
            let own = std::mem::take(&mut raw.fields);
            let own = self.places(&format!("{key}.fields"), own);
            rules.extend(self.checked(|told| raw.checked(&key, fields.with(own), told)));
        }
        rules
    }

    /// What only the whole shows.
    fn check_whole(&mut self, dialect: &Dialect) {
        let unknown: Vec<String> = self.table.keys().cloned().collect();
        for key in unknown {
            self.problem(&key, "is an unknown key");
        }
        if dialect.token.is_none() && dialect.signature.is_none() {
            self.problem("token", "is missing; without it there must be a signature");
        }
        let words = [
            (
                "direction",
                dialect.direction.as_ref().map(|words| &words.at),
            ),
            ("cause", dialect.cause.as_ref().map(|words| &words.at)),
            (
                "hangup_by",
                dialect.hangup_by.as_ref().map(|words| &words.at),
            ),
        ];
        for (key, place) in words {
            if let Some(text) = place.and_then(Place::problem) {
                self.problem(&format!("{key}.at"), text);
            }
        }
        let tells = |kind| dialect.rules.iter().any(|rule| rule.is.contains(&kind));
        if dialect.rules.is_empty() {
            self.problem("events", "tells of no message what it means");
        }
        if tells(Kind::Tracking) && dialect.tracking.is_empty() {
            self.problem("tracking", "is missing, and an event tells of it");
        }
        match (tells(Kind::Question), &dialect.route) {
            (true, None) => self.problem("route", "is missing, and an event asks"),
            (false, Some(_)) => self.problem("route", "answers no event; `is` must say question"),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(text: &str) -> Vec<String> {
        let read = Dialect::read(text.parse().unwrap());
        read.map(|_| ()).expect_err("there are problems")
    }

    #[test]
    fn every_problem_is_told_at_once_and_by_its_key() {
        let told = problems(
            r#"
            token = "short"
            methods = ["PUT"]
            colour = "green"
            body = "yaml"
            secrets = { key = "k" }
            time = { form = "%H:%M" }
            answer = { status = 500, content_type = "text/html" }
            route = { body = '{"to":{extension}}', nobody = "{}" }
            click = { url = "https://{client}.example/", json = '{"n":"{number}"}', headers = { "X A" = "b" } }
            recording_request = { url = "https://u@files.example/{recording}" }
            signature = { scheme = "sha1", secret = "maple-secret", at = "sign" }
            direction = { at = "" }
            tracking = { utm_source = 7 }
            [fields]
            call = { at = "id", after = "" }
            colour = "c"
            in = { caller = "from" }
            [[events]]
            is = ["ping", "rings"]
            [[events]]
            is = "recording"
            [[events]]
            is = "explodes"
            [[events]]
            is = "ping"
            unless = "no"
            "#,
        );
        for key in [
            "token must",
            "methods can",
            "colour is an unknown key",
            "body: unknown variant",
            "secrets.key must end in _secret",
            "time.form needs time.zone",
            "answer.content_type can",
            "route.body is no JSON, or has a value outside",
            "click.url has a value outside of path and query",
            "click.json knows no {number}",
            "click.headers.X A must",
            "recording_request.url must not hold a user",
            "signature.over must hold {secret}",
            "direction.at names no field",
            "tracking.utm_source must be",
            "fields.call `after`",
            "fields.colour is none; there are call,",
            "fields.in.caller is none",
            "events[1] can be nothing else beside",
            "events[2] needs fields.recording or",
            "events[3]: ",
            "events[4]: unknown field `unless`",
        ] {
            let named = told.iter().filter(|problem| problem.starts_with(key));
            assert_eq!(named.count(), 1, "{key}: {told:#?}");
        }
    }

    #[test]
    fn what_only_the_whole_shows_is_told_too() {
        let told = problems(
            "[fields]\nclient = 'c'\n[[events]]\npath = 'who'\nis = 'question'\n\
             [[events]]\nis = 'tracking'",
        );
        for key in [
            "token is missing",
            "route is missing, and an event asks",
            "tracking is missing",
        ] {
            assert!(
                told.iter().any(|problem| problem.starts_with(key)),
                "{key}: {told:?}"
            );
        }
        let token = "token = 'a-token-long-enough'";
        let none = problems(token);
        assert!(
            none[0].starts_with("events tells of no message"),
            "{none:?}"
        );
    }
}
