//! What a person leaves behind in texts: the numbers in whatever way they are written, and words that
//! stand for the person (ids of cards and calls). Pure.
//!
//! It errs on finding too much: a number is looked for by its last ten digits, for a provider may have
//! written it without the country. That is no way to tell people apart (`phone`), and right for erasing.

use memchr::memmem;

/// Digits by which a number is looked for.
const DIGITS: usize = 10;

/// What is looked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Traces {
    numbers: Vec<String>,
    words: Vec<String>,
}

impl Traces {
    /// Of numbers in E.164, and words that are to be found as they are.
    pub fn new(numbers: &[String], words: &[String]) -> Self {
        let digits = |number: &String| {
            let digits: String = number.chars().filter(char::is_ascii_digit).collect();
            digits[digits.len().saturating_sub(DIGITS)..].to_owned()
        };
        Self {
            numbers: numbers
                .iter()
                .map(digits)
                .filter(|digits| !digits.is_empty())
                .collect(),
            words: words
                .iter()
                .filter(|word| !word.is_empty())
                .cloned()
                .collect(),
        }
    }

    /// Whether any of it is in a text: `+7 (495) 000-00-11`, `8495...` and percent-encoded ones, too.
    pub fn are_in(&self, text: &[u8]) -> bool {
        let decoded = decode(text);
        let squeezed: Vec<u8> = decoded
            .iter()
            .copied()
            // 0xC2 0xA0 is the space that does not break.
            .filter(|byte| !matches!(byte, b' ' | b'-' | b'(' | b')' | b'+' | 0xC2 | 0xA0))
            .collect();
        let numbered = |digits: &String| memmem::find(&squeezed, digits.as_bytes()).is_some();
        self.numbers.iter().any(numbered)
            || self
                .words
                .iter()
                .any(|word| has_word(text, word) || has_word(&decoded, word))
    }

    /// The texts to look for where bytes cannot be understood: a database's file, a log.
    pub fn plain(&self) -> impl Iterator<Item = &str> {
        self.numbers.iter().chain(&self.words).map(String::as_str)
    }
}

/// Whether the word stands there by itself, not as a part of a longer one.
fn has_word(text: &[u8], word: &str) -> bool {
    let is_part = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    memmem::find_iter(text, word).any(|at| {
        let before = at.checked_sub(1).and_then(|at| text.get(at));
        !is_part(before) && !is_part(text.get(at + word.len()))
    })
}

/// `%2B` is `+`. What is no code stays.
fn decode(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        let code = text.get(at + 1..at + 3).filter(|_| byte == b'%');
        let code = code.and_then(|code| std::str::from_utf8(code).ok());
        match code.and_then(|code| u8::from_str_radix(code, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(byte);
                at += 1;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_found_however_it_is_written() {
        let traces = Traces::new(&["+74950000011".to_owned()], &["k-17.1".to_owned()]);
        for text in [
            "+74950000011",
            "from=84950000011&to=201",
            "CallerIDNum: 4950000011",
            "%7B%22number%22%3A%22%2B7%20495%20000-00-11",
            "+7 (495) 000-00-11",
            "in-74950000011-201.wav",
            "8\u{a0}495\u{a0}000\u{a0}00\u{a0}11",
            "Uniqueid: k-17.1\r\n",
        ] {
            assert!(traces.are_in(text.as_bytes()), "{text}");
        }
        for text in [
            "",
            "+74950000012",
            "495000001",
            "k-17.12",
            "xk-17.1",
            "%",
            "%4",
        ] {
            assert!(!traces.are_in(text.as_bytes()), "{text}");
        }
        assert!(!Traces::new(&[], &[String::new()]).are_in(b"anything"));
    }
}
