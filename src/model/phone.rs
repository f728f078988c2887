//! Phone numbers as they come and as they are compared.

use serde::{Deserialize, Serialize};

/// How one account writes numbers without a country code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NumberingPlan {
    /// ISO 3166 country of national numbers (`RU`).
    pub country: String,
    /// Area code put before local numbers (`495`); empty: local numbers stay unread.
    pub area_code: String,
}

impl Default for NumberingPlan {
    fn default() -> Self {
        Self {
            country: "RU".to_owned(),
            area_code: String::new(),
        }
    }
}

/// A number as a message gave it, and what it means.
///
/// Only a number that the numbering plan calls valid gets an E.164 form: the identity of a client is
/// never a guess from "the last ten digits".
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Number {
    /// A valid public number in E.164 (`+74950000011`), with the extension behind it, if any.
    E164 {
        /// `+` and digits.
        e164: String,
        /// Extension behind the number ("доб. 12", `;ext=12`).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ext: Option<String>,
    },
    /// A short service number (`112`, `0890`): shown, never a client.
    Service(String),
    /// The caller withheld the number.
    Withheld,
    /// Anything else, as it came (cut to a sane length): shown, never matched.
    Other(String),
}

impl Number {
    /// The E.164 form of a public number.
    pub fn e164(&self) -> Option<&str> {
        match self {
            Self::E164 { e164, .. } => Some(e164),
            _ => None,
        }
    }

    /// The extension behind a public number.
    pub fn ext(&self) -> Option<&str> {
        match self {
            Self::E164 { ext, .. } => ext.as_deref(),
            _ => None,
        }
    }
}
