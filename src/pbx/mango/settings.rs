//! What the configuration says of an account at Mango.

use serde::Deserialize;

use super::api::Limits;
use crate::pbx::{SettingsError, dialable, recording::RecordingSettings};

/// The account's table in the configuration.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// "Уникальный код вашей АТС" in the cabinet.
    pub vpbx_api_key: String,
    /// "Ключ для создания подписи".
    pub vpbx_api_salt: String,
    /// Where the PBX is asked.
    #[serde(default = "default_api_url")]
    pub api_url: String,
    /// The number of ours that clients see when somebody clicks to call; none: the cabinet decides.
    #[serde(default)]
    pub callback_line: Option<String>,
    /// Whether calls in a menu or queue are sent to the responsible manager by command.
    #[serde(default)]
    pub route_calls: bool,
    /// Whether Mango is asked who the visitor is to whom a dynamic number was shown.
    #[serde(default = "yes")]
    pub ask_visitors: bool,
    /// How far back past calls are read when the account is new, in hours.
    #[serde(default = "default_history_hours")]
    pub history_hours: u16,
    /// How often Mango may be asked.
    #[serde(default)]
    pub limits: Limits,
    /// Which hosts give recordings; empty: Mango's own.
    #[serde(default)]
    pub recordings: RecordingSettings,
}

fn default_api_url() -> String {
    "https://app.mango-office.ru/vpbx".to_owned()
}

fn yes() -> bool {
    true
}

fn default_history_hours() -> u16 {
    24
}

impl Settings {
    /// Checks what can be, and fills in what follows from the rest.
    pub fn whole(mut self) -> Result<Self, SettingsError> {
        for (key, value) in [
            ("vpbx_api_key", &self.vpbx_api_key),
            ("vpbx_api_salt", &self.vpbx_api_salt),
        ] {
            if value.is_empty() {
                return Err(SettingsError::Unusable(format!("{key} must not be empty")));
            }
        }
        self.recordings.come_from(".mango-office.ru");
        // The host that is asked is allowed to answer.
        self.recordings.url = Some(self.api_url.clone());
        if let Some(line) = &self.callback_line {
            dialable::digits(&format!("+{}", line.trim_start_matches('+'))).map_err(|_| {
                SettingsError::Unusable("callback_line must be a number in full".to_owned())
            })?;
        }
        Ok(self)
    }
}
