//! Texts in Russian and English. The catalogues are Fluent files in `locales/`; tests hold that both
//! languages have the same keys, that every key asked for exists, and that none is left unused.
//!
//! Keys are asked for as literals (`t.say("desk-title")`), or as a family and a closed word
//! (`t.word("result", "no_route")` is `result-no-route`).

use std::sync::LazyLock;

use fluent_bundle::{FluentArgs, FluentResource, FluentValue, concurrent::FluentBundle};
use unic_langid::langid;

type Bundle = FluentBundle<FluentResource>;

const RUSSIAN: &[&str] = &[
    include_str!("locales/ru/frame.ftl"),
    include_str!("locales/ru/calls.ftl"),
    include_str!("locales/ru/cards.ftl"),
    include_str!("locales/ru/figures.ftl"),
    include_str!("locales/ru/api.ftl"),
    include_str!("locales/ru/channels.ftl"),
    include_str!("locales/ru/outside.ftl"),
    include_str!("locales/ru/health.ftl"),
    include_str!("locales/ru/guide.ftl"),
    include_str!("locales/ru/recorded.ftl"),
    include_str!("locales/ru/people.ftl"),
];
const ENGLISH: &[&str] = &[
    include_str!("locales/en/frame.ftl"),
    include_str!("locales/en/calls.ftl"),
    include_str!("locales/en/cards.ftl"),
    include_str!("locales/en/figures.ftl"),
    include_str!("locales/en/api.ftl"),
    include_str!("locales/en/channels.ftl"),
    include_str!("locales/en/outside.ftl"),
    include_str!("locales/en/health.ftl"),
    include_str!("locales/en/guide.ftl"),
    include_str!("locales/en/recorded.ftl"),
    include_str!("locales/en/people.ftl"),
];

static BUNDLES: LazyLock<[Bundle; 2]> = LazyLock::new(|| {
    [
        bundle(langid!("ru"), RUSSIAN),
        bundle(langid!("en"), ENGLISH),
    ]
});

fn bundle(language: unic_langid::LanguageIdentifier, files: &[&str]) -> Bundle {
    let mut bundle = Bundle::new_concurrent(vec![language]);
    // Isolation marks are for mixed writing directions; both languages run left to right.
    bundle.set_use_isolating(false);
    for text in files {
        let resource = match FluentResource::try_new((*text).to_owned()) {
            Ok(whole) => whole,
            Err((readable, _)) => readable, // a test refuses catalogues with unreadable entries
        };
        bundle.add_resource_overriding(resource);
    }
    bundle
}

/// A language of the pages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Language {
    /// Russian, the default.
    #[default]
    Russian,
    /// English.
    English,
}

impl Language {
    /// Every language.
    pub const ALL: [Self; 2] = [Self::Russian, Self::English];

    /// `ru` or `en`.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Russian => "ru",
            Self::English => "en",
        }
    }

    /// Its own name.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Russian => "Русский",
            Self::English => "English",
        }
    }

    /// Reads a code.
    pub fn parse(code: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|language| language.code() == code)
    }

    /// The first of ours in an `Accept-Language` header, whose order browsers keep by preference.
    pub fn accepted(header: &str) -> Option<Self> {
        header
            .split(',')
            .filter_map(|entry| entry.trim().get(..2))
            .find_map(|code| Self::parse(&code.to_ascii_lowercase()))
    }
}

/// The texts of one language.
#[derive(Clone, Copy, Debug)]
pub struct Texts {
    /// Which.
    pub language: Language,
}

impl Texts {
    /// The texts of this language.
    pub const fn new(language: Language) -> Self {
        Self { language }
    }

    /// A text without values.
    pub fn say(self, key: &'static str) -> String {
        self.format(key, None)
    }

    /// A text about a number of things, in the right plural.
    pub fn count(self, key: &'static str, n: i64) -> String {
        self.fill(key, &[("n", Value::Number(n))])
    }

    /// A text with values.
    pub fn fill(self, key: &'static str, values: &[(&'static str, Value)]) -> String {
        let mut args = FluentArgs::with_capacity(values.len());
        for (name, value) in values {
            match value {
                Value::Number(n) => args.set(*name, FluentValue::from(*n)),
                Value::Text(text) => args.set(*name, FluentValue::from(text.clone())),
            }
        }
        self.format(key, Some(&args))
    }

    /// The name of a closed word in a family of words; the word itself if it has none.
    pub fn word(self, family: &'static str, word: &str) -> String {
        let key = format!("{family}-{}", word.replace('_', "-"));
        if self.bundle().has_message(&key) {
            self.format(&key, None)
        } else {
            word.to_owned()
        }
    }

    fn bundle(self) -> &'static Bundle {
        &BUNDLES[self.language as usize]
    }

    fn format(self, key: &str, args: Option<&FluentArgs<'_>>) -> String {
        let bundle = self.bundle();
        let Some(pattern) = bundle.get_message(key).and_then(|message| message.value()) else {
            return key.to_owned(); // tests hold that this does not happen
        };
        let mut problems = Vec::new();
        bundle
            .format_pattern(pattern, args, &mut problems)
            .into_owned()
    }
}

/// A value in a text.
#[derive(Clone, Debug)]
pub enum Value {
    /// Decides plurals.
    Number(i64),
    /// Shown as it is.
    Text(String),
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

#[cfg(test)]
mod tests;
