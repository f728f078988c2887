//! What the configuration says of an account at UIS, CoMagic or Novofon 2.0.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use serde::Deserialize;

use super::api::Limits;
use crate::{
    model::ids::Extension,
    pbx::{SettingsError, dialable, recording::RecordingSettings, secret},
};

/// The account's table in the configuration.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The secret part of the paths given to the platform: letters, digits, `-` and `_`.
    pub token: String,
    /// The key of Call API and Data API; without it nothing can be asked.
    #[serde(default)]
    pub access_token: String,
    /// Whose customer the account is: it decides where the APIs are.
    #[serde(default)]
    pub brand: Brand,
    /// Where the Call API is asked; empty: at the brand's.
    #[serde(default)]
    pub call_api_url: String,
    /// Where the Data API is asked; empty: at the brand's.
    #[serde(default)]
    pub data_api_url: String,
    /// What links to recordings begin with that the Data API names by their ids; empty: the brand's.
    #[serde(default)]
    pub records_url: String,
    /// The clock by which notifications and reports are written (IANA name): that of the account.
    #[serde(default = "default_time_zone")]
    pub time_zone: String,
    /// The number of ours that clients see when somebody clicks to call. Without it nobody can.
    #[serde(default)]
    pub virtual_number: String,
    /// Extensions by the ids of employees, for messages that name only the id.
    #[serde(default)]
    pub employees: BTreeMap<String, Extension>,
    /// Full numbers by extensions, for the answer to the question who should ring.
    #[serde(default)]
    pub phones: BTreeMap<String, String>,
    /// Whether an extension without a full number may be answered as it is.
    #[serde(default)]
    pub answer_extensions: bool,
    /// The code of the scenario's branch that goes on without us.
    #[serde(default = "default_otherwise_code")]
    pub otherwise_code: u32,
    /// The code of the branch for callers who are not to be put through; none: as `otherwise_code`.
    #[serde(default)]
    pub blocked_code: Option<u32>,
    /// Whether the question's `cdr_id` is the key of its call.
    #[serde(default)]
    pub cdr_is_call: bool,
    /// How far back past calls are read when the account is new, in hours.
    #[serde(default = "default_history_hours")]
    pub history_hours: u16,
    /// How often the platform may be asked.
    #[serde(default)]
    pub limits: Limits,
    /// Which hosts give recordings; empty: the platform's own.
    #[serde(default)]
    pub recordings: RecordingSettings,
}

/// Brands of the platform.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Brand {
    #[default]
    Uis,
    Comagic,
    Novofon,
}

/// Hosts of recordings; links of one brand were seen at the host of another.
const HOSTS: [&str; 3] = [".uiscom.ru", ".comagic.ru", ".novofon.ru"];

impl Brand {
    /// Call API, Data API and links to recordings. Those of Novofon 2.0 are `unconfirmed`.
    const fn addresses(self) -> [&'static str; 3] {
        match self {
            Self::Uis => [
                "https://callapi.uiscom.ru/v4.0",
                "https://dataapi.uiscom.ru/v2.0",
                "https://app.uiscom.ru/system/media/talk",
            ],
            Self::Comagic => [
                "https://callapi.comagic.ru/v4.0",
                "https://dataapi.comagic.ru/v2.0",
                "https://app.comagic.ru/system/media/talk",
            ],
            Self::Novofon => super::unconfirmed::NOVOFON,
        }
    }
}

fn default_time_zone() -> String {
    "Europe/Moscow".to_owned()
}

const fn default_otherwise_code() -> u32 {
    1
}

const fn default_history_hours() -> u16 {
    24
}

impl Settings {
    /// Checks what can be, fills in what follows from the rest, and gives the account's clock.
    pub fn whole(mut self) -> Result<(Self, TimeZone), SettingsError> {
        let unusable = |text: &str| SettingsError::Unusable(text.to_owned());
        secret::check_token(&self.token)?;
        let own = [
            &mut self.call_api_url,
            &mut self.data_api_url,
            &mut self.records_url,
        ];
        for (address, theirs) in own.into_iter().zip(self.brand.addresses()) {
            if address.is_empty() {
                theirs.clone_into(address);
            }
        }
        if self.recordings.hosts.is_empty() {
            self.recordings.hosts = HOSTS.map(str::to_owned).to_vec();
        }
        self.virtual_number = self.virtual_number.trim_start_matches('+').to_owned();
        let digits = |number: &str| dialable::digits(&format!("+{number}")).is_ok();
        if !self.virtual_number.is_empty() && !digits(&self.virtual_number) {
            return Err(unusable("virtual_number must be a number in full"));
        }
        for number in self.phones.values_mut() {
            *number = number.trim_start_matches('+').to_owned();
            if !digits(number) {
                return Err(unusable("phones must be numbers in full"));
            }
        }
        let zone = TimeZone::get(&self.time_zone)
            .map_err(|_| unusable("time_zone is none; names are like Europe/Moscow"))?;
        Ok((self, zone))
    }
}
