//! The account's table in the configuration.

use serde::Deserialize;

use super::{api::Limits, unconfirmed::Choices};
use crate::pbx::{
    SettingsError, dialable,
    recording::RecordingSettings,
    secret,
    webhook::answers::{RawRoute, Route},
};

/// The account's table, as written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The secret part of the path given to the cabinet: letters, digits, `-` and `_`.
    pub token: String,
    /// The PBX's own name: `pbx000001.onpbx.ru`.
    pub domain: String,
    /// Key of the API (`auth_key`).
    pub api_key: String,
    /// Where the API is asked.
    #[serde(default = "default_api_url")]
    pub api_url: String,
    /// Our number that clients see after a click; none: as the cabinet has it.
    #[serde(default)]
    pub line: String,
    /// How far back past calls are read when the account is new, in hours.
    #[serde(default = "default_history_hours")]
    pub history_hours: u16,
    /// How the block "HTTP command" is answered; none: it is not.
    #[serde(default)]
    route: Option<RawRoute>,
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
    "https://api.onlinepbx.ru".to_owned()
}

fn default_history_hours() -> u16 {
    24
}

/// Where files lie.
const HOSTS: [&str; 2] = [".onlinepbx.ru", ".onpbx.ru"];

impl Settings {
    /// Checks what can be, fills in what follows from the rest, and gives how questions are answered.
    pub fn whole(mut self) -> Result<(Self, Option<Route>), SettingsError> {
        let unusable = |text: &str| SettingsError::Unusable(text.to_owned());
        secret::check_token(&self.token)?;
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
        if self.domain.is_empty() || !self.domain.bytes().all(is_name) {
            return Err(unusable("domain must be like pbx000001.onpbx.ru"));
        }
        if self.api_key.is_empty() {
            return Err(unusable("api_key must not be empty"));
        }
        self.line = self.line.trim_start_matches('+').to_owned();
        if !self.line.is_empty() && dialable::digits(&format!("+{}", self.line)).is_err() {
            return Err(unusable("line must be a number in full"));
        }
        if self.recordings.hosts.is_empty() {
            self.recordings.hosts = HOSTS.map(str::to_owned).to_vec();
        }
        self.recordings.url = Some(self.api_url.clone()); // the host that is asked may answer
        let mut told = Vec::new();
        let route = self.route.take();
        let route = route.and_then(|route| route.checked(&mut told));
        match told.is_empty() {
            true => Ok((self, route)),
            false => Err(unusable(&told.join("; "))),
        }
    }
}
