//! Whose name at a PBX is whose short number here, for PBXes that know people by a login, a name or an id.
//! Without an entry the PBX's own word stands with the person.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::SettingsError;
use crate::model::ids::Extension;

/// The table `users` of an account: the PBX's word, and the short number.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(transparent)]
pub struct People(BTreeMap<String, String>);

impl People {
    /// No number may be two logins': nobody could tell who is meant.
    pub fn check(&self) -> Result<(), SettingsError> {
        let mut numbers: Vec<&String> = self.0.values().collect();
        numbers.sort();
        match numbers.windows(2).find(|pair| pair[0] == pair[1]) {
            None => Ok(()),
            Some(pair) => Err(SettingsError::Unusable(format!(
                "users: two logins have the number {}",
                pair[0]
            ))),
        }
    }

    /// The PBX has one more word for this person.
    pub fn also(&mut self, word: &str, extension: &str) {
        self.0.insert(word.to_owned(), extension.to_owned());
    }

    /// What stands with a person whom the PBX calls so.
    pub fn extension(&self, login: &str) -> Extension {
        Extension::from(self.0.get(login).map_or(login, String::as_str))
    }

    /// The same, if the table knows the word or it is a short number of the table.
    pub fn known(&self, word: &str) -> Option<Extension> {
        let is_number = || self.0.values().any(|number| number == word);
        let number = self.0.get(word).map(String::as_str);
        number
            .or_else(|| is_number().then_some(word))
            .map(Extension::from)
    }

    /// The PBX's word for what stands with a person.
    pub fn login(&self, extension: &Extension) -> String {
        let mut known = self.0.iter();
        let own = known.find(|(_, number)| number.as_str() == extension.as_str());
        own.map_or(extension.as_str(), |(login, _)| login)
            .to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_and_its_number_are_one_person() {
        let people: People = toml::from_str("'Mona Birch' = '301'\n'o.oak' = '302'").unwrap();
        assert!(people.check().is_ok());
        assert_eq!(people.extension("Mona Birch"), "301".into());
        assert_eq!(people.extension("w7"), "w7".into());
        assert_eq!(people.known("o.oak"), Some("302".into()));
        assert_eq!(people.known("302"), Some("302".into()));
        assert_eq!(people.known("303"), None);
        assert_eq!(people.login(&"301".into()), "Mona Birch");
        let mut more = people.clone();
        more.also("74950000041", "301");
        assert_eq!(more.known("74950000041"), Some("301".into()));
        let twice: People = toml::from_str("a = '301'\nb = '301'").unwrap();
        assert!(twice.check().is_err());
    }
}
