//! The account's table in the configuration.

use jiff::tz::TimeZone;
use serde::Deserialize;

use super::{api::Limits, unconfirmed::Choices};
use crate::pbx::{SettingsError, people::People, recording::RecordingSettings};

/// A shorter token could be guessed; 22 letters and digits make 128 bits.
const SHORTEST_TOKEN: usize = 12;

/// The account's table.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The text that both sides know: entered at the PBX as the key of the CRM.
    pub crm_token: String,
    /// Short numbers of employees by login, where they stand with people instead of the login.
    #[serde(default, rename = "users")]
    pub people: People,
    /// Address of the PBX itself (`https://vats000001.megapbx.ru`); without it nothing is asked.
    #[serde(default)]
    pub api_url: String,
    /// Key of its API.
    #[serde(default)]
    pub api_key: String,
    /// Clicks go by the form API of older PBXes.
    #[serde(default)]
    pub legacy_click: bool,
    /// How far back past calls are read when the account is new, in hours.
    #[serde(default = "default_history_hours")]
    pub history_hours: u16,
    /// How often the PBX may be asked.
    #[serde(default)]
    pub limits: Limits,
    /// Which hosts give recordings, besides the PBX itself.
    #[serde(default)]
    pub recordings: RecordingSettings,
    /// The clock that records are written by, whatever letter stands behind it (IANA name).
    #[serde(default = "default_time_zone")]
    time_zone: String,
    /// What nobody has confirmed and every account can choose.
    #[serde(default, rename = "unconfirmed")]
    pub choices: Choices,
}

fn default_history_hours() -> u16 {
    24
}

fn default_time_zone() -> String {
    "UTC".to_owned()
}

impl Settings {
    /// The table, if it can be used.
    pub fn whole(mut self) -> Result<Self, SettingsError> {
        let is_plain = |byte: u8| byte.is_ascii_graphic();
        if self.crm_token.len() < SHORTEST_TOKEN || !self.crm_token.bytes().all(is_plain) {
            return Err(SettingsError::Unusable(format!(
                "crm_token must have at least {SHORTEST_TOKEN} visible characters (32 are better)"
            )));
        }
        if self.api_url.is_empty() != self.api_key.is_empty() {
            let text = "api_url and api_key belong together: both or none";
            return Err(SettingsError::Unusable(text.to_owned()));
        }
        if !self.api_url.is_empty() {
            self.recordings.url = Some(self.api_url.clone()); // the host that is asked may answer
        }
        self.people.check()?;
        Ok(self)
    }

    /// The clock of records.
    pub fn zone(&self) -> Result<TimeZone, SettingsError> {
        TimeZone::get(&self.time_zone).map_err(|_| {
            SettingsError::Unusable("time_zone is none; names are like Europe/Moscow".to_owned())
        })
    }
}
