//! The parts of a description that say what messages mean. What is answered and asked is in `answers`.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{
    clock::{Clock, Spans},
    place::{Fields, Place, Texts},
};
use crate::model::event::{Cause, Direction, Side};

/// What a value can be of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Field {
    Call,
    Leg,
    Time,
    Client,
    ClientName,
    Did,
    Extension,
    CallerExtension,
    TransferFrom,
    Employee,
    Started,
    Answered,
    Ended,
    Wait,
    Talk,
    Duration,
    Recording,
    RecordingLink,
    RecordingFile,
    Digits,
    Asked,
    Attempt,
}

const FIELDS: [(&str, Field); 22] = [
    ("call", Field::Call),
    ("leg", Field::Leg),
    ("time", Field::Time),
    ("client", Field::Client),
    ("client_name", Field::ClientName),
    ("did", Field::Did),
    ("extension", Field::Extension),
    ("caller_extension", Field::CallerExtension),
    ("transfer_from", Field::TransferFrom),
    ("employee", Field::Employee),
    ("started", Field::Started),
    ("answered", Field::Answered),
    ("ended", Field::Ended),
    ("wait", Field::Wait),
    ("talk", Field::Talk),
    ("duration", Field::Duration),
    ("recording", Field::Recording),
    ("recording_link", Field::RecordingLink),
    ("recording_file", Field::RecordingFile),
    ("digits", Field::Digits),
    ("asked", Field::Asked),
    ("attempt", Field::Attempt),
];

impl Field {
    /// The field of this name in the configuration.
    pub fn named(name: &str) -> Option<Self> {
        let mut known = FIELDS.iter();
        known.find_map(|(known, field)| (*known == name).then_some(*field))
    }

    /// Every name.
    pub fn names() -> String {
        FIELDS.map(|(name, _)| name).join(", ")
    }
}

/// What a message can mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Started,
    Rings,
    Answered,
    LegEnded,
    Ended,
    Transferred,
    Recording,
    Tracking,
    Digits,
    Question,
    Ping,
    Ignored,
}

/// Values of a field and our words for them.
#[derive(Clone, Debug, Deserialize)]
#[serde(bound(deserialize = "T: Ord + Deserialize<'de>"))]
pub struct Words<T> {
    /// Where the value stands.
    pub at: Place,
    #[serde(flatten)]
    words: BTreeMap<T, Texts>,
}

impl<T: Ord + Copy> Words<T> {
    /// Our word for what the message says.
    pub fn read(&self, fields: &Fields) -> Option<T> {
        let value = fields.get(&self.at)?;
        let mut words = self.words.iter();
        words.find_map(|(word, values)| values.contains(&value).then_some(*word))
    }
}

impl Texts {
    pub fn contains(&self, value: &str) -> bool {
        match self {
            Self::One(text) => text == value,
            Self::Several(texts) => texts.iter().any(|text| text == value),
        }
    }

    /// Whether a value fits: `*` is any that says something, nothing stands for one that is empty or not
    /// there.
    fn fits(&self, value: Option<&str>) -> bool {
        match value.map(str::trim).filter(|value| !value.is_empty()) {
            Some(value) => self.contains(value) || self.contains("*"),
            None => self.contains(""),
        }
    }
}

/// One kind of message, as the configuration has it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawRule {
    #[serde(default)]
    path: String,
    #[serde(default)]
    when: BTreeMap<String, Texts>,
    is: Kinds,
    #[serde(default)]
    direction: Option<Direction>,
    #[serde(default)]
    cause: Option<Cause>,
    #[serde(default)]
    hangup_by: Option<Side>,
    #[serde(default)]
    answered: Option<bool>,
    #[serde(default)]
    initiator: bool,
    /// Fields that stand elsewhere than in other messages.
    #[serde(default)]
    pub fields: toml::Table,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Kinds {
    One(Kind),
    Several(Vec<Kind>),
}

/// One kind of message: how it is known, and what it means.
pub struct Rule {
    path: String,
    when: BTreeMap<String, Texts>,
    pub is: Vec<Kind>,
    /// Which way such a call goes, whatever the message says.
    pub direction: Option<Direction>,
    pub cause: Option<Cause>,
    pub hangup_by: Option<Side>,
    /// Whether somebody talked, where the kind of message says so.
    pub answered: Option<bool>,
    /// The leg is the employee's own of a click-to-call.
    pub initiator: bool,
    fields: Sets,
}

/// Where fields stand.
pub type Places = BTreeMap<Field, Place>;

/// Where fields stand in calls of each direction; a direction's own places come before those of all.
#[derive(Clone, Debug, Default)]
pub struct Sets {
    pub any: Places,
    pub of: BTreeMap<Direction, Places>,
}

impl Sets {
    /// The same, where what stands here comes first.
    pub fn with(&self, own: Places) -> Self {
        let mut sets = self.clone();
        for set in sets.of.values_mut() {
            set.extend(own.clone());
        }
        sets.any.extend(own);
        sets
    }

    fn has(&self, field: Field) -> bool {
        self.any.contains_key(&field) || self.of.values().any(|set| set.contains_key(&field))
    }
}

impl RawRule {
    /// Checks it; problems begin with `key`.
    pub fn checked(self, key: &str, fields: Sets, told: &mut Vec<String>) -> Option<Rule> {
        let is = match self.is {
            Kinds::One(kind) => vec![kind],
            Kinds::Several(kinds) => kinds,
        };
        let before = told.len();
        let mut problem = |text: &str| told.push(format!("{key} {text}"));
        let alone = [Kind::Question, Kind::Ping, Kind::Ignored];
        if is.is_empty() {
            problem("says nothing in `is`");
        }
        if is.len() > 1 && is.iter().any(|kind| alone.contains(kind)) {
            problem("can be nothing else beside question, ping or ignored");
        }
        for kind in &is {
            for one_of in needs(*kind) {
                if !one_of.iter().any(|field| fields.has(*field)) {
                    let names = FIELDS.iter().filter(|(_, field)| one_of.contains(field));
                    let names: Vec<&str> = names.map(|(name, _)| *name).collect();
                    problem(&format!("needs fields.{}", names.join(" or fields.")));
                }
            }
        }
        (told.len() == before).then_some(Rule {
            path: self.path.trim_matches('/').to_owned(),
            when: self.when,
            is,
            direction: self.direction,
            cause: self.cause,
            hangup_by: self.hangup_by,
            answered: self.answered,
            initiator: self.initiator,
            fields,
        })
    }
}

/// Of each of these lists a message of this kind must have one field.
fn needs(kind: Kind) -> &'static [&'static [Field]] {
    const CALL: &[Field] = &[Field::Call];
    const LEG: &[Field] = &[Field::Leg, Field::Extension];
    match kind {
        Kind::Started | Kind::Answered => &[CALL],
        Kind::Rings | Kind::LegEnded => &[CALL, LEG],
        Kind::Ended => &[CALL, &[Field::Time, Field::Ended, Field::Started]],
        Kind::Transferred => &[CALL, LEG, &[Field::TransferFrom]],
        Kind::Recording => &[
            CALL,
            &[Field::Recording, Field::RecordingLink, Field::RecordingFile],
        ],
        Kind::Digits => &[CALL, &[Field::Digits]],
        Kind::Question => &[&[Field::Client]],
        Kind::Tracking | Kind::Ping | Kind::Ignored => &[],
    }
}

impl Rule {
    /// Where a field stands in a call of this direction.
    pub fn place(&self, field: Field, direction: Option<Direction>) -> Option<&Place> {
        let own = direction.and_then(|direction| self.fields.of.get(&direction)?.get(&field));
        own.or_else(|| self.fields.any.get(&field))
    }

    /// Whether a message below this path is of this kind.
    pub fn fits(&self, path: &str, fields: &Fields) -> bool {
        let is_so = |(name, texts): (&String, &Texts)| texts.fits(fields.named(name).as_deref());
        self.path == path && self.when.iter().all(is_so)
    }
}

/// How moments are written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawTime {
    form: String,
    zone: Option<String>,
    spans: Spans,
}

impl Default for RawTime {
    fn default() -> Self {
        Self {
            form: "unix".to_owned(),
            zone: None,
            spans: Spans::Seconds,
        }
    }
}

impl RawTime {
    pub fn checked(self, told: &mut Vec<String>) -> Option<Clock> {
        let clock = Clock::new(&self.form, self.zone.as_deref(), self.spans);
        clock
            .map_err(|text| told.push(format!("time.form {text}")))
            .ok()
    }
}
