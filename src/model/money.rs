//! Money in whole minor units (kopecks, cents) of a named currency. Never a float.

use std::fmt;

/// ISO 4217 code in capitals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency([u8; 3]);

impl Currency {
    /// Reads a code in any case.
    pub fn parse(text: &str) -> Option<Self> {
        let code: [u8; 3] = text.trim().as_bytes().try_into().ok()?;
        code.iter()
            .all(u8::is_ascii_alphabetic)
            .then(|| Self(code.map(|letter| letter.to_ascii_uppercase())))
    }

    /// The code.
    pub fn code(&self) -> &str {
        std::str::from_utf8(&self.0).expect("only ASCII letters are let in")
    }

    /// How many digits its minor unit has (ISO 4217); nearly all have two.
    pub fn digits(&self) -> usize {
        match self.code() {
            "JPY" | "KRW" | "VND" | "CLP" | "ISK" | "PYG" | "UGX" | "XAF" | "XOF" | "XPF"
            | "RWF" | "BIF" | "DJF" | "GNF" | "KMF" | "VUV" => 0,
            "BHD" | "IQD" | "JOD" | "KWD" | "LYD" | "OMR" | "TND" => 3,
            _ => 2,
        }
    }

    /// Reads an amount as people and sheet programs write it: `12 345,67`, `12345.67`, `9000`. `None`:
    /// no amount, less than nothing, more digits than the currency has, or it could mean two things.
    pub fn amount(&self, text: &str) -> Option<i64> {
        let text: String = text
            .chars()
            .filter(|c| !c.is_whitespace() && *c != '\u{a0}' && *c != '\'')
            .collect();
        let (whole, part) = match text.rsplit_once([',', '.']) {
            None => (text.as_str(), ""),
            // `1,234,567.89` groups by the other sign; `1,234` alone could mean two things.
            Some((_, part)) if part.len() > self.digits() => return None,
            Some((whole, part)) => (whole, part),
        };
        let whole: String = whole.chars().filter(|c| !matches!(c, ',' | '.')).collect();
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || !digits(&whole) || !digits(part) {
            return None;
        }
        format!("{whole}{part:0<width$}", width = self.digits())
            .parse()
            .ok()
    }

    /// An amount in figures: whole units, and the minor ones if there are any. `group` stands between
    /// thousands, `point` before the minor units.
    pub fn figures(&self, minor: i64, group: char, point: char) -> String {
        let unit = 10_u64.pow(u32::try_from(self.digits()).unwrap_or(0));
        let (whole, rest) = (minor.unsigned_abs() / unit, minor.unsigned_abs() % unit);
        let digits = whole.to_string();
        let mut text = String::new();
        for (place, digit) in digits.chars().enumerate() {
            if place > 0 && (digits.len() - place).is_multiple_of(3) {
                text.push(group);
            }
            text.push(digit);
        }
        if rest > 0 {
            text.push_str(&format!("{point}{rest:0width$}", width = self.digits()));
        }
        if minor < 0 {
            text.insert(0, '−');
        }
        text
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// Part of an amount per thing counted, halves rounded up; `None` where there is nothing to divide by.
pub const fn per(minor: i64, things: i64) -> Option<i64> {
    if things <= 0 {
        return None;
    }
    Some((minor * 2 + things).div_euclid(things * 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_as_people_write_them() {
        let rub = Currency::parse("rub").unwrap();
        assert_eq!(rub.code(), "RUB");
        for (text, minor) in [
            ("9000", Some(900_000)),
            ("12 345,67", Some(1_234_567)),
            ("12\u{a0}345.6", Some(1_234_560)),
            ("1,234,567.89", Some(123_456_789)),
            ("0", Some(0)),
            ("1,234", None),
            ("-5", None),
            ("12 руб", None),
            ("", None),
            (",5", None),
        ] {
            assert_eq!(rub.amount(text), minor, "{text}");
        }
        assert_eq!(Currency::parse("JPY").unwrap().amount("500"), Some(500));
        assert_eq!(Currency::parse("JPY").unwrap().amount("5.5"), None);
        assert_eq!(Currency::parse("roubles"), None);
        assert_eq!(Currency::parse("р"), None);
    }

    #[test]
    fn amounts_are_written_with_groups() {
        let rub = Currency::parse("RUB").unwrap();
        assert_eq!(rub.figures(1_234_567, ' ', ','), "12 345,67");
        assert_eq!(rub.figures(900_000, ' ', ','), "9 000");
        assert_eq!(rub.figures(-105, ',', '.'), "−1.05");
        assert_eq!(
            Currency::parse("JPY").unwrap().figures(1_000, ',', '.'),
            "1,000"
        );
    }

    #[test]
    fn nothing_divides_by_nothing() {
        assert_eq!(per(900_000, 0), None);
        assert_eq!(per(900_000, 12), Some(75_000));
        assert_eq!(per(100, 3), Some(33));
        assert_eq!(per(50, 100), Some(1));
    }
}
