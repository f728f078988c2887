//! The account's table in the configuration.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{api::Limits, unconfirmed::Choices};
use crate::{
    model::ids::Extension,
    pbx::{PbxError, SettingsError, dialable, intake, recording::RecordingSettings},
};

/// The account's table.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The account's address as it was entered at Twilio, without a slash at its end: signatures are over it.
    pub hook_url: String,
    /// `AC...`.
    pub account_sid: String,
    /// Signs in both directions.
    pub auth_token: String,
    /// The secondary token while tokens are exchanged: its signatures are taken too.
    #[serde(default)]
    pub second_auth_token: String,
    /// A key of the API (`SK...`) and its secret, to ask with instead of the token.
    #[serde(default)]
    pub api_key: String,
    #[serde(default)]
    pub api_secret: String,
    /// Where the API is asked.
    #[serde(default = "default_api_url")]
    pub api_url: String,
    /// Our number that clients see after a click; without it there is none.
    #[serde(default)]
    pub line: String,
    /// Who rings where nobody is responsible, and after all others.
    pub otherwise: Vec<Extension>,
    /// What is dialled for an extension.
    #[serde(default)]
    pub phones: Phones,
    /// Whether calls are recorded, each side on a channel of its own.
    #[serde(default)]
    pub record: bool,
    /// How long an employee's phone rings after a click, in seconds.
    #[serde(default = "default_click_ring_s")]
    pub click_ring_s: u16,
    /// How far back past calls are read when the account is new, in hours.
    #[serde(default = "default_history_hours")]
    pub history_hours: u16,
    /// How often the API may be asked.
    #[serde(default)]
    pub limits: Limits,
    /// Which hosts give recordings; empty: the provider's own.
    #[serde(default)]
    pub recordings: RecordingSettings,
    /// What nobody has confirmed and every account can choose.
    #[serde(default, rename = "unconfirmed")]
    pub choices: Choices,
}

fn default_api_url() -> String {
    "https://api.twilio.com".to_owned()
}

fn default_click_ring_s() -> u16 {
    25
}

fn default_history_hours() -> u16 {
    24
}

impl Settings {
    /// Checks what can be, and fills in what follows from the rest.
    pub fn whole(mut self) -> Result<Self, SettingsError> {
        let unusable = |text: &str| SettingsError::Unusable(text.to_owned());
        self.hook_url = self.hook_url.trim_end_matches('/').to_owned();
        self.api_url = self.api_url.trim_end_matches('/').to_owned();
        intake::check_hook_url(&self.hook_url, "Twilio")?;
        let is_sid = self.account_sid.bytes().all(|b| b.is_ascii_alphanumeric());
        if !self.account_sid.starts_with("AC") || !is_sid {
            return Err(unusable(
                "account_sid must be like AC and 32 letters and digits",
            ));
        }
        if self.auth_token.is_empty() {
            return Err(unusable("auth_token must not be empty"));
        }
        if self.api_key.is_empty() != self.api_secret.is_empty() {
            return Err(unusable(
                "api_key and api_secret belong together: both or none",
            ));
        }
        if !self.line.is_empty() && dialable::digits(&self.line).is_err() {
            return Err(unusable("line must be a number with a plus"));
        }
        if self.otherwise.is_empty() {
            return Err(unusable(
                "otherwise must name somebody, or callers are lost",
            ));
        }
        for extension in self.phones.0.keys().chain(&self.otherwise) {
            if self.phones.dialled(extension).is_err() {
                return Err(SettingsError::Unusable(format!(
                    "phones: {extension} is neither a number with a plus, nor sip:..., nor client:..."
                )));
            }
        }
        self.recordings.come_from(".twilio.com");
        self.recordings.url = Some(self.api_url.clone()); // the host that is asked may answer
        Ok(self)
    }

    /// Whether `told` is a phone that the account's table names.
    pub fn is_phone(&self, told: &str) -> bool {
        self.otherwise.contains(&Extension::from(told)) || self.phones.listed(told).is_some()
    }
}

/// What is dialled for each extension.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(transparent)]
pub struct Phones(BTreeMap<Extension, String>);

/// What TwiML can dial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialled<'a> {
    /// A telephone, E.164.
    Number(&'a str),
    /// `sip:...`.
    Sip(&'a str),
    /// A browser or app, by its name.
    Client(&'a str),
}

impl Phones {
    /// What is dialled for this extension; one that is not listed may be a number itself.
    pub fn dialled<'a>(&'a self, extension: &'a Extension) -> Result<Dialled<'a>, PbxError> {
        let listed = self.0.get(extension).map(String::as_str);
        let told = listed.unwrap_or(extension.as_str());
        let is_plain = |rest: &str| {
            let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.@+:;=".contains(&byte);
            (1..=200).contains(&rest.len()) && rest.bytes().all(fits)
        };
        if let Some(name) = told.strip_prefix("client:").filter(|name| is_plain(name)) {
            return Ok(Dialled::Client(name));
        }
        if told.strip_prefix("sip:").is_some_and(is_plain) {
            return Ok(Dialled::Sip(told));
        }
        match told.starts_with('+') && dialable::digits(told).is_ok() {
            true => Ok(Dialled::Number(told)),
            false => Err(PbxError::Refused(
                "nobody knows what to dial for it".to_owned(),
            )),
        }
    }

    /// Whose phone `told` is; one that is not listed stands for itself.
    pub fn extension(&self, told: &str) -> Extension {
        let own = self.listed(told).cloned();
        own.unwrap_or_else(|| Extension::from(told))
    }

    fn listed(&self, told: &str) -> Option<&Extension> {
        // Addresses come back with parameters of ours or theirs behind them.
        let is_it = |dialled: &str| {
            let rest = told.strip_prefix(dialled);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with([';', '?']))
        };
        let mut known = self.0.iter();
        let own = known.find(|(_, dialled)| is_it(dialled));
        own.map(|(extension, _)| extension)
    }
}
