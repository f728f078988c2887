//! What a form of the set-up may hold: each value is exactly what it should be, or refused.

use toml::{Table, Value};

use super::account::Values;
use crate::{model::ids::AccountName, web::Error};

/// Longest name of an account or user.
pub(super) const NAME_CHARS: usize = 40;
/// Longest address and secret.
pub(super) const TEXT_CHARS: usize = 200;

/// Small letters, digits, `-` and `_`, beginning with a letter or digit: part of addresses and of a file's name.
pub(super) fn name(typed: &str) -> Result<AccountName, Error> {
    let typed = typed.trim();
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    let begins = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    match typed.len() <= NAME_CHARS && typed.starts_with(begins) && typed.chars().all(fits) {
        true => Ok(AccountName::from(typed)),
        false => Err(Error::Unusable("error-account-name")),
    }
}

/// `host:port`. What the configuration would read as a reference is no address.
pub(super) fn address(typed: &str) -> Result<String, Error> {
    let typed = typed.trim();
    let wrong = || Error::Unusable("error-account-address");
    let (host, port) = typed.rsplit_once(':').ok_or_else(wrong)?;
    let fits = |c: char| c.is_ascii_alphanumeric() || ".-:[]".contains(c);
    let is_reference = ["env", "file"].contains(&host);
    let is_host = !host.is_empty() && host.len() <= TEXT_CHARS && host.chars().all(fits);
    match is_host && !is_reference && port.parse::<u16>().is_ok_and(|port| port > 0) {
        true => Ok(typed.to_owned()),
        false => Err(wrong()),
    }
}

/// `https://` and a host, with a port perhaps.
pub(super) fn site_of(typed: &str) -> Result<String, Error> {
    let typed = typed.trim().trim_end_matches('/');
    let fits = |c: char| c.is_ascii_alphanumeric() || ".-:".contains(c);
    let host = typed.strip_prefix("https://").unwrap_or_default();
    match !host.is_empty() && host.len() <= TEXT_CHARS && host.chars().all(fits) {
        true => Ok(typed.to_owned()),
        false => Err(Error::Unusable("error-account-site")),
    }
}

/// A number in full, with a plus.
pub(super) fn phone(typed: &str) -> Result<String, Error> {
    let digits = typed.trim().strip_prefix('+').unwrap_or_default();
    match (5..=15).contains(&digits.len()) && digits.chars().all(|c| c.is_ascii_digit()) {
        true => Ok(format!("+{digits}")),
        false => Err(Error::Unusable("error-account-phone")),
    }
}

/// A user's name: letters, digits and a few signs.
pub(super) fn word(typed: &str, problem: &'static str) -> Result<String, Error> {
    let typed = typed.trim();
    let fits = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    match !typed.is_empty() && typed.len() <= NAME_CHARS && typed.chars().all(fits) {
        true => Ok(typed.to_owned()),
        false => Err(Error::Unusable(problem)),
    }
}

/// A secret: visible signs without spaces, so that a line of a file holds exactly it.
pub(super) fn secret(typed: &str) -> Result<String, Error> {
    let fits = |c: char| c.is_ascii_graphic();
    match !typed.is_empty() && typed.len() <= TEXT_CHARS && typed.chars().all(fits) {
        true => Ok(typed.to_owned()),
        false => Err(Error::Unusable("error-account-secret")),
    }
}

pub(super) fn numbers(area_code: &str) -> Result<Values, Error> {
    let code = area_code.trim();
    if code.is_empty() {
        return Ok(Vec::new());
    }
    if code.len() > 5 || !code.chars().all(|c| c.is_ascii_digit()) {
        return Err(Error::Unusable("error-account-area"));
    }
    let plan = [("country", "RU"), ("area_code", code)];
    let plan = plan.map(|(key, value)| (key.to_owned(), Value::from(value)));
    Ok(vec![("numbers", Value::Table(Table::from_iter(plan)))])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_exactly_right_gets_into_a_file() {
        for wrong in ["", "Office", "-a", "../a", "a/b", "a b", "a\"", "a\nb", "а"] {
            assert!(name(wrong).is_err(), "{wrong:?}");
        }
        assert_eq!(name(" head-office_2 ").unwrap().as_str(), "head-office_2");
        for wrong in [
            "",
            "host",
            "host:",
            ":5038",
            "host:0",
            "host:99999",
            "env:5038",
            "file:5038",
            "a/b:5038",
            "a b:5038",
            "a\"\n:5038",
            "http://a:5038",
        ] {
            assert!(address(wrong).is_err(), "{wrong:?}");
        }
        for wrong in [
            "",
            "vats.example.com",
            "http://vats.example.com",
            "https://",
            "https://a/b",
            "env:A",
        ] {
            assert!(site_of(wrong).is_err(), "{wrong:?}");
        }
        let site = "https://vats.example.com";
        assert_eq!(site_of(&format!(" {site}/ ")).unwrap(), site);
        for right in [
            "127.0.0.1:5038",
            "pbx.example.com:5038",
            "[2001:db8::1]:5038",
        ] {
            assert_eq!(address(right).unwrap(), right);
        }
        for wrong in ["", "a b", "a:b", "env:X", "a\nb", "a\"b"] {
            assert!(word(wrong, "error-account-user").is_err(), "{wrong:?}");
        }
        for wrong in ["", "74950000039", "+7495", "+7 495", "+7495000003a"] {
            assert!(phone(wrong).is_err(), "{wrong:?}");
        }
        assert_eq!(phone(" +74950000039 ").unwrap(), "+74950000039");
        for wrong in ["", "a b", "a\nb", "пароль"] {
            assert!(secret(wrong).is_err(), "{wrong:?}");
        }
        assert_eq!(secret("a\"'#$[]").unwrap(), "a\"'#$[]");
        assert!(numbers("4x5").is_err() && numbers("123456").is_err());
        assert!(numbers("").unwrap().is_empty());
    }
}
