//! Phone numbers as they come and as they are compared.
//!
//! One normaliser for every account: [`NumberingPlan::read`] turns what a message says into a
//! [`Number`]. libphonenumber's data decides what is a valid number; this module does what it leaves
//! to the caller: SIP and `tel:` URIs, withheld words, extensions in Russian, local numbers of the
//! account's own city, and the refusal to guess. PBX-internal short numbers and the tails that single
//! vendors hang on numbers are the adapters' business.

use std::borrow::Cow;

use rlibphonenumber::{
    PHONE_NUMBER_UTIL, PhoneNumber, PhoneNumberFormat, PhoneNumberType, Region,
    get_national_significant_number_owned,
};
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

/// What [`NumberingPlan::read`] made of a text, for people who want to know why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Reading {
    /// The text as given.
    pub raw: String,
    /// What it means.
    pub number: Number,
    /// What kind that is: `e164`, `service`, `withheld` or `other`.
    pub kind: &'static str,
    /// `+` and digits of a public number.
    pub e164: Option<String>,
    /// Extension behind it.
    pub ext: Option<String>,
    /// As people read it; absent for withheld and empty numbers.
    pub formatted: Option<String>,
    /// As people without the right to full numbers see it.
    pub masked: Option<String>,
    /// Country of a public number (`RU`); absent where several share the code and none fits.
    pub country: Option<String>,
    /// `fixed_line`, `mobile`, `toll_free` and so on, as the numbering plan says.
    pub line_type: Option<&'static str>,
}

/// Words that stand in the place of a number when the caller has withheld it; compared in lower
/// case and without the brackets that some PBXes put around them.
const WITHHELD: &[&str] = &[
    "anonymous",
    "anonymous.invalid",
    "anonymus",
    "hidden",
    "no caller id",
    "not available",
    "private",
    "private number",
    "restricted",
    "unavailable",
    "unknown",
    "withheld",
    "аноним",
    "анонимный",
    "неизвестен",
    "неизвестно",
    "неизвестный",
    "номер скрыт",
    "скрыт",
    "скрытый",
    "скрытый номер",
];

/// What people and machines write between a number and its extension, longest first, so that no
/// marker hides in a longer one. `х` in the last place is the Cyrillic letter.
const EXTENSION_MARKERS: &[&str] = &[
    "добавочный",
    "внутренний",
    "extension",
    "внутр",
    "extn",
    "доб",
    "ext",
    "вн",
    "x",
    "#",
    "х",
];

/// Longest text that can be a number with all its decoration; libphonenumber has the same limit.
const LONGEST_CHARS: usize = 250;
/// How much of an unreadable number is kept.
const KEPT_CHARS: usize = 64;
/// Longest extension that is believed.
const LONGEST_EXTENSION: usize = 10;
const LONGEST_AFTER_PAUSE: usize = 6; // `8495...,,12`; more digits or a space: another number

impl NumberingPlan {
    /// Reads one number field of a message.
    ///
    /// An empty field means that nothing is known: it gives an empty [`Number::Other`], not
    /// [`Number::Withheld`], because nobody has withheld anything. Two numbers in one field give
    /// [`Number::Other`]: either could be the caller.
    pub fn read(&self, raw: &str) -> Number {
        self.interpret(raw)
            .unwrap_or_else(|| Number::Other(cut(raw)))
    }

    /// Reads a number and tells everything known about it.
    pub fn explain(&self, raw: &str) -> Reading {
        let number = self.read(raw);
        let parsed = number.e164().and_then(|e164| parse(e164, None));
        Reading {
            raw: raw.to_owned(),
            kind: number.kind(),
            e164: number.e164().map(str::to_owned),
            ext: number.ext().map(str::to_owned),
            formatted: number.formatted(),
            masked: number.masked(),
            country: parsed
                .as_ref()
                .and_then(|phone| PHONE_NUMBER_UTIL.get_region_for_number(phone))
                .map(|region| region.to_string()),
            line_type: parsed.as_ref().and_then(line_type),
            number,
        }
    }

    /// What is wrong with the plan, if anything: told when the configuration is read.
    pub fn problem(&self) -> Option<String> {
        let code = |it| PHONE_NUMBER_UTIL.get_country_code_for_region(it);
        if self.region().and_then(code).is_none() {
            return Some(format!(
                "country {:?} is not an ISO 3166 code such as \"RU\"",
                self.country
            ));
        }
        if !self.area_code.bytes().all(|byte| byte.is_ascii_digit()) || self.area_code.len() > 6 {
            return Some(format!(
                "area_code {:?} must be up to six digits without country code, such as \"495\"",
                self.area_code
            ));
        }
        None
    }

    fn region(&self) -> Option<Region> {
        self.country.parse().ok()
    }

    fn interpret(&self, raw: &str) -> Option<Number> {
        if raw.chars().count() > LONGEST_CHARS {
            return None;
        }
        let plain = fold_width(raw);
        let address = address_of(plain.trim());
        if is_withheld(&address) {
            return Some(Number::Withheld);
        }
        let (base, ext) = split_extension(&address);
        let digits = dialled_digits(base)?;
        if let Some(e164) = self.public_number(&digits) {
            return Some(Number::E164 { e164, ext });
        }
        let is_short = (2..=6).contains(&digits.len()) && !digits.starts_with('+');
        (is_short && ext.is_none()).then_some(Number::Service(digits))
    }

    /// The E.164 form of a dialled number, in the order in which a telephone exchange would read it:
    /// with `+`, nationally, with `00`, locally, and at last as bare international digits.
    fn public_number(&self, digits: &str) -> Option<String> {
        if digits.starts_with('+') {
            return valid(&parse(digits, None)?);
        }
        let region = self.region();
        let national = parse(digits, region);
        if let Some(e164) = national.as_ref().and_then(valid) {
            return Some(e164);
        }
        // Trunks from other countries send 00 where the Russian exchange would want 810.
        if let Some(rest) = digits.strip_prefix("00")
            && rest.len() >= 8
        {
            return valid(&parse(&format!("+{rest}"), None)?);
        }
        if !self.area_code.is_empty() && (5..=8).contains(&digits.len()) {
            return valid(&parse(&format!("{}{digits}", self.area_code), region)?);
        }
        // `81234567890` has the length of a Russian number and is none; read as +81... it would be a
        // number in Japan. So only what cannot be national by its length is read as international.
        let has_national_length =
            national.is_some_and(|phone| PHONE_NUMBER_UTIL.is_possible_number(&phone));
        if has_national_length || digits.len() < 11 {
            return None;
        }
        valid(&parse(&format!("+{digits}"), None)?)
    }
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

    fn kind(&self) -> &'static str {
        match self {
            Self::E164 { .. } => "e164",
            Self::Service(_) => "service",
            Self::Withheld => "withheld",
            Self::Other(_) => "other",
        }
    }

    /// The number as people write it: `+7 495 000-00-11`, with `#12` for an extension. `None` where
    /// there is nothing to write; the word for "withheld" is the page's, in its language.
    pub fn formatted(&self) -> Option<String> {
        match self {
            Self::E164 { e164, ext } => {
                let text = spaced(e164);
                Some(match ext {
                    Some(ext) => format!("{text} #{ext}"),
                    None => text,
                })
            }
            Self::Service(text) | Self::Other(text) if !text.is_empty() => Some(text.clone()),
            Self::Withheld | Self::Service(_) | Self::Other(_) => None,
        }
    }

    /// The number for eyes that may not see all of it: `+7 495 •••-••-11`. Country, area and the
    /// last two digits stay, so that two callers in a list can be told apart. Service numbers belong
    /// to nobody and stay whole.
    pub fn masked(&self) -> Option<String> {
        match self {
            Self::E164 { e164, ext } => {
                let text = mask(&spaced(e164), shown_prefix(e164), 2);
                Some(match ext {
                    Some(_) => format!("{text} #••"),
                    None => text,
                })
            }
            Self::Other(text) if !text.is_empty() => Some(mask(text, 0, 2)),
            _ => self.formatted(),
        }
    }
}

/// ASCII forms of full-width characters (`＋７`) and plain spaces for no-break ones.
fn fold_width(raw: &str) -> String {
    raw.chars()
        .map(|c| match c {
            '\u{ff01}'..='\u{ff5e}' => {
                char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c) // the block mirrors ASCII
            }
            '\u{a0}' | '\u{202f}' | '\u{2007}' | '\u{3000}' => ' ',
            c => c,
        })
        .collect()
}

/// The part of a name-addr, SIP or `tel:` URI that holds the number (RFC 3261 §19.1.1, RFC 3966);
/// any other text as it is.
fn address_of(text: &str) -> Cow<'_, str> {
    // `"Name" <uri>;tag=1`: a quoted name may hold brackets itself, the address stands in the last.
    let address = match (text.rfind('<'), text.rfind('>')) {
        (Some(open), Some(close)) if open < close => text[open + 1..close].trim(),
        _ => text,
    };
    if let Some(tel) = strip_scheme(address, "tel:") {
        return subscriber(tel);
    }
    let sip = strip_scheme(address, "sip:").or_else(|| strip_scheme(address, "sips:"));
    let uri = sip.unwrap_or(address);
    match uri.rsplit_once('@') {
        Some((_, host)) if host.to_lowercase().starts_with("anonymous.invalid") => {
            Cow::Borrowed("anonymous") // RFC 3323 §4.1.1.3
        }
        Some((user, _)) => subscriber(user),
        // `sip:host` names no user; its address is no number even if it looks like one.
        None if sip.is_some() => Cow::Borrowed("-"),
        None => Cow::Borrowed(address),
    }
}

fn strip_scheme<'a>(text: &'a str, scheme: &str) -> Option<&'a str> {
    let head = text.get(..scheme.len())?;
    head.eq_ignore_ascii_case(scheme)
        .then(|| &text[scheme.len()..])
}

/// The telephone-subscriber of RFC 3966 §3: number, extension and the context of a local number.
/// A number cannot hold other escaped characters than these (RFC 3261 §19.1.2).
fn subscriber(user: &str) -> Cow<'_, str> {
    let unescaped = user
        .replace("%2B", "+")
        .replace("%2b", "+")
        .replace("%23", "#")
        .replace("%20", " ");
    let mut parts = unescaped.split(';');
    let number = parts.next().unwrap_or_default(); // `split` gives at least one part
    // `user:password@`, which RFC 3261 allows and nobody should send.
    let number = number.split(':').next().unwrap_or_default();
    let mut whole = number.to_owned();
    for part in parts {
        match part.split_once('=') {
            Some(("ext", ext)) => whole = format!("{whole};ext={ext}"),
            Some(("phone-context", context))
                if context.starts_with('+') && !number.starts_with('+') =>
            {
                whole = format!("{context}{whole}");
            }
            _ => {} // isub, user and other parameters say nothing about the number
        }
    }
    Cow::Owned(whole)
}

fn is_withheld(address: &str) -> bool {
    let word = address
        .trim_matches(|c: char| matches!(c, '<' | '>' | '"' | '(' | ')') || c.is_whitespace())
        .to_lowercase();
    WITHHELD.contains(&word.as_str())
}

/// Splits "number marker extension". What does not fit the pattern stays whole and will be refused
/// for its letters.
fn split_extension(address: &str) -> (&str, Option<String>) {
    let tail_len = address
        .chars()
        .rev()
        .take_while(|c| c.is_ascii_digit() || matches!(c, ')' | ' '))
        .map(char::len_utf8)
        .sum::<usize>();
    let (head, tail) = address.split_at(address.len() - tail_len);
    let ext: String = tail.chars().filter(char::is_ascii_digit).collect();
    if ext.is_empty() || ext.len() > LONGEST_EXTENSION {
        return (address, None);
    }
    let head = head.trim_end_matches([' ', '.', ':', '=', '№']);
    if head.ends_with(',') && tail == ext && ext.len() <= LONGEST_AFTER_PAUSE {
        return (head.trim_end_matches([' ', ',']), Some(ext));
    }
    let lower = head.to_lowercase();
    for marker in EXTENSION_MARKERS {
        // Lower case may change the length of exotic letters, never of these markers.
        if lower.ends_with(marker) && head.len() == lower.len() {
            let base = head[..head.len() - marker.len()].trim_end_matches([' ', ',', '(', ';']);
            return (base, Some(ext));
        }
    }
    (address, None)
}

/// Digits of a number without its decoration, with a leading `+` kept; `None` for anything that is
/// not one number.
fn dialled_digits(base: &str) -> Option<String> {
    let mut digits = String::with_capacity(base.len());
    for c in base.trim().chars() {
        match c {
            '0'..='9' => digits.push(c),
            '+' if digits.is_empty() => digits.push('+'),
            // `8~10`: the tilde is where one waits for the dialling tone.
            ' ' | '-' | '(' | ')' | '.' | '~' | '/' | '\u{2010}'..='\u{2015}' | '\u{2212}' => {}
            _ => return None,
        }
    }
    let counts = base
        .split('/')
        .map(|part| part.bytes().filter(u8::is_ascii_digit).count());
    let is_two_numbers = counts.filter(|&count| count >= 5).count() > 1;
    (digits.len() > usize::from(digits.starts_with('+')) && !is_two_numbers).then_some(digits)
}

fn parse(digits: &str, region: Option<Region>) -> Option<PhoneNumber> {
    PHONE_NUMBER_UTIL.parse(digits, region).ok()
}

/// The E.164 text of a number that the numbering plan calls valid. Its data knows German numbers of
/// sixteen digits; ITU-T E.164 §6.1 ends at fifteen.
fn valid(phone: &PhoneNumber) -> Option<String> {
    if !PHONE_NUMBER_UTIL.is_valid_number(phone) {
        return None;
    }
    let e164 = PHONE_NUMBER_UTIL.format(phone, PhoneNumberFormat::E164);
    (e164.len() <= 16).then(|| e164.into_owned())
}

fn spaced(e164: &str) -> String {
    match parse(e164, None) {
        Some(phone) => PHONE_NUMBER_UTIL
            .format(&phone, PhoneNumberFormat::International)
            .into_owned(),
        None => e164.to_owned(),
    }
}

/// How many leading digits a masked number shows: country and area, unless fewer than four digits
/// would then stay hidden.
fn shown_prefix(e164: &str) -> usize {
    let Some(phone) = parse(e164, None) else {
        return 0;
    };
    let country = phone.country_code.to_string().len();
    let national = get_national_significant_number_owned(&phone).len();
    let area = PHONE_NUMBER_UTIL.get_length_of_national_destination_code(&phone);
    if area + 6 <= national {
        country + area
    } else {
        country
    }
}

/// Puts a dot in place of every letter and digit but the first `head` and the last `tail`.
fn mask(text: &str, head: usize, tail: usize) -> String {
    let total = text.chars().filter(|c| c.is_alphanumeric()).count();
    let tail = if total >= head + tail + 4 { tail } else { 0 };
    let mut seen = 0;
    text.chars()
        .map(|c| {
            if !c.is_alphanumeric() {
                return c;
            }
            seen += 1;
            let shown = seen <= head || seen + tail > total;
            if shown { c } else { '•' }
        })
        .collect()
}

fn cut(raw: &str) -> String {
    raw.trim()
        .chars()
        .filter(|c| !c.is_control())
        .take(KEPT_CHARS)
        .collect()
}

fn line_type(phone: &PhoneNumber) -> Option<&'static str> {
    Some(match PHONE_NUMBER_UTIL.get_number_type(phone) {
        PhoneNumberType::FixedLine => "fixed_line",
        PhoneNumberType::Mobile => "mobile",
        PhoneNumberType::FixedLineOrMobile => "fixed_line_or_mobile",
        PhoneNumberType::TollFree => "toll_free",
        PhoneNumberType::PremiumRate => "premium_rate",
        PhoneNumberType::SharedCost => "shared_cost",
        PhoneNumberType::VoIP => "voip",
        PhoneNumberType::PersonalNumber => "personal",
        PhoneNumberType::Pager => "pager",
        PhoneNumberType::UAN => "universal_access",
        PhoneNumberType::VoiceMail => "voicemail",
        PhoneNumberType::Unknown => return None,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn moscow() -> NumberingPlan {
        NumberingPlan {
            country: "RU".to_owned(),
            area_code: "495".to_owned(),
        }
    }

    fn public(e164: &str) -> Number {
        Number::E164 {
            e164: e164.to_owned(),
            ext: None,
        }
    }

    fn with_ext(e164: &str, ext: &str) -> Number {
        Number::E164 {
            e164: e164.to_owned(),
            ext: Some(ext.to_owned()),
        }
    }

    #[test]
    fn one_client_has_one_identity_however_written() {
        for raw in [
            "+74950000011",
            "74950000011",
            "84950000011",
            "4950000011",
            "+7 495 000-00-11",
            "8 (495) 000-00-11",
            "8-495-000-00-11",
            "8 495 000 00 11 ",
            "000-00-11",
            "0000011",
            "0074950000011",
            "＋７４９５０００００１１",
            "８（４９５）０００－００－１１",
            "+7\u{a0}495\u{a0}000–00–11",
            "tel:+7-495-000-00-11",
            "TEL:000-00-11;phone-context=+7495",
            "sip:+74950000011@pbx.example.test;user=phone",
            "sip:84950000011@10.0.0.5:5060",
            "sips:%2B74950000011@pbx.example.test",
            "<sip:74950000011@[2001:db8::5]:5060;transport=udp>;tag=12",
            "\"Client <the first>\" <sip:+74950000011@pbx.example.test>",
            "\"Клиент\" <74950000011>",
            "74950000011@pbx.example.test",
            "sip:+74950000011:secret@pbx.example.test",
        ] {
            assert_eq!(moscow().read(raw), public("+74950000011"), "{raw}");
        }
    }

    #[test]
    fn extensions_stand_apart() {
        for raw in [
            "+7 495 000-00-11 доб. 12",
            "+7 495 000-00-11, доб.12",
            "+7 495 000-00-11 (доб. 12)",
            "84950000011 Добавочный 12",
            "8 495 000-00-11 вн. 12",
            "8 495 000-00-11 внутр.: 12",
            "74950000011;ext=12",
            "tel:+74950000011;ext=12",
            "sip:+74950000011;ext=12@pbx.example.test;user=phone",
            "74950000011 ext. 12",
            "74950000011x12",
            "74950000011 х12",
            "74950000011#12",
            "84950000011,12",
            "+7 495 000-00-11,,12",
            "000-00-11 доб 12",
        ] {
            assert_eq!(moscow().read(raw), with_ext("+74950000011", "12"), "{raw}");
        }
    }

    #[test]
    fn other_countries_are_read_by_their_own_plan() {
        // Ofcom keeps 020 7946 0xxx for film and drama.
        for raw in [
            "810 44 20 7946 0011",
            "8~10 44 20 7946 0011",
            "442079460011",
            "00442079460011",
            "00 44 20 7946 0011",
            "+44 (20) 7946-0011",
        ] {
            assert_eq!(moscow().read(raw), public("+442079460011"), "{raw}");
        }
        let london = NumberingPlan {
            country: "GB".to_owned(),
            area_code: "20".to_owned(),
        };
        for raw in ["020 7946 0011", "7946 0011", "0044 20 7946 0011"] {
            assert_eq!(london.read(raw), public("+442079460011"), "{raw}");
        }
        assert_eq!(london.read("74950000011"), public("+74950000011"));
    }

    #[test]
    fn withheld_is_said_in_many_words() {
        for raw in [
            "anonymous",
            "Anonymous",
            "<unknown>",
            "unknown",
            "RESTRICTED",
            "private",
            "hidden",
            "\"Anonymous\" <sip:anonymous@anonymous.invalid>",
            "sip:c8oqz84zk7z@anonymous.invalid",
            "sip:anonymous@pbx.example.test",
            "Номер скрыт",
        ] {
            assert_eq!(moscow().read(raw), Number::Withheld, "{raw}");
        }
    }

    #[test]
    fn nothing_said_is_not_withheld() {
        for raw in ["", "   ", "\u{a0}", "\r\n"] {
            assert_eq!(moscow().read(raw), Number::Other(String::new()), "{raw:?}");
        }
        assert_eq!(moscow().read("").formatted(), None);
    }

    #[test]
    fn short_numbers_are_nobodys() {
        for raw in ["112", "0890", "01", "sip:900@pbx.example.test"] {
            assert!(
                matches!(moscow().read(raw), Number::Service(_)),
                "{raw}: {:?}",
                moscow().read(raw)
            );
        }
    }

    #[test]
    fn what_is_not_one_valid_number_gets_no_identity() {
        for raw in [
            "+7 495 000-00-11, +7 495 000-00-12",
            "84950000011; 84950000012",
            "84950000011/84950000012",
            "000-00-11 / 000-00-12",
            "84950000011 84950000012",
            "84950000011, 12",
            "81234567890",  // Russian by length, valid only as a guess at Japan
            "71234567890",  // no such area code
            "7495000001",   // a digit short
            "749500000111", // a digit too many
            "+88005553535", // Bangladesh by its plus, a Russian free number by guess
            "00074950000011",
            "1-800-FLOWERS",
            "user201",
            "sip:user201@vpbx.example.test",
            "sip:84950000011",
            "sip:10.0.0.5",
            "доб. 12",
            "112 доб. 12",
            "*100#",
            "4951000000000000", // valid in Germany, too long for the world
            "+",
            "0",
            "7+4950000011",
            "84950000011 вызов",
            "84950000011_id0042",
            "+7495000\u{0660}\u{0660}11",
        ] {
            assert!(
                matches!(moscow().read(raw), Number::Other(_)),
                "{raw}: {:?}",
                moscow().read(raw)
            );
        }
    }

    #[test]
    fn a_local_number_needs_the_area_code() {
        let nowhere = NumberingPlan::default();
        assert_eq!(
            nowhere.read("000-00-11"),
            Number::Other("000-00-11".to_owned())
        );
    }

    #[test]
    fn unreadable_text_is_kept_short_and_clean() {
        let number = moscow().read(&format!("caller\u{0}\u{7}{}", "ы".repeat(10_000)));
        let Number::Other(text) = number else {
            panic!("must be unreadable");
        };
        assert_eq!(text.chars().count(), KEPT_CHARS);
        assert!(text.starts_with("callerы"));
    }

    #[test]
    fn people_see_spaces_or_dots() {
        let number = moscow().read("84950000011");
        assert_eq!(number.formatted().as_deref(), Some("+7 495 000-00-11"));
        assert_eq!(number.masked().as_deref(), Some("+7 495 •••-••-11"));
        let number = with_ext("+74950000011", "12");
        assert_eq!(number.formatted().as_deref(), Some("+7 495 000-00-11 #12"));
        assert_eq!(number.masked().as_deref(), Some("+7 495 •••-••-11 #••"));
        assert_eq!(
            moscow().read(&number.formatted().unwrap()),
            number,
            "what people see can be read again"
        );
        assert_eq!(
            Number::Service("112".to_owned()).masked().as_deref(),
            Some("112")
        );
        assert_eq!(
            Number::Other("user201".to_owned()).masked().as_deref(),
            Some("•••••01")
        );
        assert_eq!(
            Number::Other("anna".to_owned()).masked().as_deref(),
            Some("••••")
        );
        assert_eq!(Number::Withheld.masked(), None);
    }

    #[test]
    fn a_reading_can_be_printed() {
        let reading = moscow().explain("8 (495) 000-00-11 доб. 12");
        assert_eq!(
            serde_json::to_value(&reading).unwrap(),
            serde_json::json!({
                "raw": "8 (495) 000-00-11 доб. 12",
                "number": {"e164": {"e164": "+74950000011", "ext": "12"}},
                "kind": "e164",
                "e164": "+74950000011",
                "ext": "12",
                "formatted": "+7 495 000-00-11 #12",
                "masked": "+7 495 •••-••-11 #••",
                "country": "RU",
                "line_type": "fixed_line",
            })
        );
        assert_eq!(moscow().explain("unknown").line_type, None);
    }

    #[test]
    fn a_wrong_plan_is_told() {
        assert_eq!(moscow().problem(), None);
        let country = NumberingPlan {
            country: "Russia".to_owned(),
            ..moscow()
        };
        assert!(country.problem().unwrap().contains("country"));
        let area = NumberingPlan {
            area_code: "+7495".to_owned(),
            ..moscow()
        };
        assert!(area.problem().unwrap().contains("area_code"));
    }

    fn number_like() -> impl Strategy<Value = String> {
        proptest::collection::vec(
            prop_oneof![
                6 => "[0-9]{1,4}",
                1 => "[+ ()\\-./~#;,@<>\"*:%]{1,2}",
                1 => proptest::sample::select(vec![
                    "+7", "8", "7495", "sip:", "tel:", ";ext=", "доб.", "вн.", "x", "@[::1]",
                    ";phone-context=+7", "anonymous", "％", "７",
                ]).prop_map(str::to_owned),
            ],
            0..8,
        )
        .prop_map(|parts| parts.concat())
    }

    proptest! {
        #[test]
        fn no_text_panics(raw in "\\PC*") {
            let number = moscow().read(&raw);
            number.formatted();
            number.masked();
        }

        #[test]
        fn what_was_read_reads_the_same(raw in number_like()) {
            for plan in [moscow(), NumberingPlan::default()] {
                let number = plan.read(&raw);
                if let Some(e164) = number.e164() {
                    prop_assert!(e164.len() <= 16 && e164[1..].bytes().all(|b| b.is_ascii_digit()));
                    prop_assert_eq!(plan.read(e164), public(e164));
                    let shown = number.formatted().unwrap();
                    prop_assert_eq!(plan.read(&shown), number);
                }
            }
        }

        #[test]
        fn a_mask_hides_at_least_four_digits(raw in number_like()) {
            let number = moscow().read(&raw);
            if let (Some(e164), Some(masked)) = (number.e164(), number.masked()) {
                let hidden = masked.chars().filter(|&c| c == '•').count();
                prop_assert!(hidden >= 4, "{} shows {}", e164, masked);
            }
        }
    }
}
