//! What the configuration says of an account.

use jiff::tz::TimeZone;
use secrecy::SecretString;
use serde::Deserialize;

use super::unconfirmed;
use crate::{
    model::visit::WITHIN_MS,
    pbx::{SettingsError, secret},
};

/// The account's table in the configuration.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The secret part of the path given to the cabinet: letters, digits, `-` and `_`.
    pub token: String,
    /// PBX accounts whose calls it tells of; none: all.
    #[serde(default)]
    pub pbx: Vec<String>,
    /// How far the start of a call may be from the time told here, in seconds.
    #[serde(default = "default_within_s")]
    pub join_within_s: u32,
    /// The site in the cabinet, for the log of calls.
    #[serde(default)]
    pub site_id: String,
    /// Key of the API.
    #[serde(default)]
    pub api_key: Option<SecretString>,
    /// Where the API is asked.
    #[serde(default = "default_api_url")]
    pub api_url: String,
    /// Where the site's own node is asked, `{node}` being its number; empty: the API itself.
    #[serde(default = "default_node_url")]
    pub node_url: String,
    /// Whether these addresses may lie in a private network.
    #[serde(default)]
    pub private_network: bool,
    /// The clock of the cabinet (IANA name).
    #[serde(default = "default_time_zone")]
    time_zone: String,
    /// How far back the log is read when the account is new, in hours.
    #[serde(default = "default_history_hours")]
    pub history_hours: u16,
    /// How often the API may be asked.
    #[serde(default)]
    pub limits: Limits,
}

/// How often one account may be asked: table `limits` of the account.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Any two requests, in milliseconds.
    pub all_every_ms: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            all_every_ms: unconfirmed::ALL_EVERY_MS,
        }
    }
}

fn default_within_s() -> u32 {
    (WITHIN_MS / 1_000) as u32
}

fn default_api_url() -> String {
    "https://api.calltouch.ru".to_owned()
}

fn default_node_url() -> String {
    "https://api-node{node}.calltouch.ru".to_owned()
}

fn default_time_zone() -> String {
    "Europe/Moscow".to_owned()
}

fn default_history_hours() -> u16 {
    24
}

/// Calls farther apart are not one.
const MOST_WITHIN_S: u32 = 3_600;

impl Settings {
    /// Checks what can be, and reads the clock.
    pub fn whole(self) -> Result<(Self, TimeZone), SettingsError> {
        let unusable = |text: &str| Err(SettingsError::Unusable(text.to_owned()));
        secret::check_token(&self.token)?;
        if !(1..=MOST_WITHIN_S).contains(&self.join_within_s) {
            return unusable("join_within_s must be between 1 and 3600");
        }
        if self.site_id.is_empty() != self.api_key.is_none() {
            return unusable("site_id and api_key belong together: both or none");
        }
        if !self.site_id.bytes().all(|byte| byte.is_ascii_digit()) {
            return unusable("site_id is a number");
        }
        match TimeZone::get(&self.time_zone) {
            Ok(zone) => Ok((self, zone)),
            Err(_) => unusable("time_zone is none; names are like Europe/Moscow"),
        }
    }
}
