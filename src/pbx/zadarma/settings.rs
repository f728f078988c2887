//! What the configuration says of an account.

use jiff::tz::{Offset, TimeZone};
use serde::Deserialize;

use super::api::Limits;
use crate::pbx::{SettingsError, recording::RecordingSettings, secret};

/// The account's table in the configuration.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The secret part of the path given to the cabinet: letters, digits, `-` and `_`.
    pub token: String,
    /// "Key" of the API.
    pub api_key: String,
    /// "Secret" of the API: signs in both directions.
    pub api_secret: String,
    /// Where the API is asked; none: the brand's own address.
    #[serde(default)]
    pub api_url: String,
    /// The clock of the cabinet, as an IANA name or as the API tells it (`UTC+3`).
    #[serde(default = "default_time_zone")]
    time_zone: String,
    /// Whether the answer to a new call says who rings.
    #[serde(default)]
    pub route_calls: bool,
    /// How far back past calls are read when the account is new, in hours.
    #[serde(default = "default_history_hours")]
    pub history_hours: u16,
    /// How often the API may be asked.
    #[serde(default)]
    pub limits: Limits,
    /// Which hosts give recordings; empty: the brand's own.
    #[serde(default)]
    pub recordings: RecordingSettings,
}

fn default_time_zone() -> String {
    "Europe/Moscow".to_owned()
}

fn default_history_hours() -> u16 {
    24
}

impl Settings {
    /// Checks what can be, fills in what follows from the rest, and reads the clock.
    pub fn whole(mut self, api_url: &str, hosts: &str) -> Result<(Self, TimeZone), SettingsError> {
        secret::check_token(&self.token)?;
        for (key, value) in [("api_key", &self.api_key), ("api_secret", &self.api_secret)] {
            if value.is_empty() {
                return Err(SettingsError::Unusable(format!("{key} must not be empty")));
            }
        }
        if self.api_url.is_empty() {
            self.api_url = api_url.to_owned();
        }
        self.recordings.come_from(hosts);
        self.recordings.url = Some(self.api_url.clone()); // the host that is asked may answer
        let zone = zone(&self.time_zone).ok_or_else(|| {
            let text = "time_zone is none; names are like Europe/Moscow, or UTC+3";
            SettingsError::Unusable(text.to_owned())
        })?;
        Ok((self, zone))
    }
}

/// `Europe/Moscow`, or `UTC+3` and `UTC+5:30` as the API tells it.
fn zone(text: &str) -> Option<TimeZone> {
    let Some(offset) = text.strip_prefix("UTC").filter(|offset| !offset.is_empty()) else {
        return TimeZone::get(text).ok();
    };
    let (sign, offset) = match (offset.strip_prefix('+'), offset.strip_prefix('-')) {
        (Some(east), _) => (1, east),
        (None, west) => (-1, west?),
    };
    let (hours, minutes) = offset.split_once(':').unwrap_or((offset, "0"));
    let (hours, minutes): (i32, i32) = (hours.parse().ok()?, minutes.parse().ok()?);
    let fits = (0..=14).contains(&hours) && (0..60).contains(&minutes);
    let seconds = sign * (hours * 3_600 + minutes * 60);
    let offset = Offset::from_seconds(seconds).ok().filter(|_| fits)?;
    Some(TimeZone::fixed(offset))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_has_a_name_or_is_so_far_from_greenwich() {
        let offset = |text: &str| {
            let at = jiff::Timestamp::UNIX_EPOCH;
            zone(text).map(|zone| zone.to_offset(at).seconds())
        };
        assert_eq!(offset("Europe/Moscow"), Some(3 * 3_600));
        assert_eq!(offset("UTC+3"), Some(3 * 3_600));
        assert_eq!(offset("UTC-5"), Some(-5 * 3_600));
        assert_eq!(offset("UTC+5:30"), Some(5 * 3_600 + 1_800));
        assert_eq!(offset("UTC"), Some(0));
        for wrong in ["", "UTC3", "UTC+", "UTC+15", "UTC+3:60", "UTC+-3", "Moscow"] {
            assert_eq!(offset(wrong), None, "{wrong}");
        }
    }
}
