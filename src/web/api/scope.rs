//! What a token may be used for. A scope narrows what its person may do and never widens it: rights
//! stay with `policy::can`.

use std::collections::BTreeSet;

/// One thing a token may be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// Read calls.
    CallsRead,
    /// Have a phone call a client.
    CallsDial,
    /// Read clients' cards.
    CardsRead,
    /// Change cards and write notes.
    CardsWrite,
    /// See numbers in full where the rights allow it, and uncover them.
    Numbers,
    /// Read lines and channels.
    LinesRead,
    /// Read what is known of recordings, and fetch their sound.
    RecordingsRead,
    /// Read tasks.
    TasksRead,
    /// Close tasks.
    TasksWrite,
    /// Read what clients wrote.
    TouchesRead,
    /// Hand in what clients wrote.
    TouchesWrite,
    /// Read who can be rung.
    AvailabilityRead,
    /// Say who can be rung.
    AvailabilityWrite,
}

impl Scope {
    /// Every scope, in the order people read them.
    pub const ALL: [Self; 13] = [
        Self::CallsRead,
        Self::CallsDial,
        Self::CardsRead,
        Self::CardsWrite,
        Self::Numbers,
        Self::LinesRead,
        Self::RecordingsRead,
        Self::TasksRead,
        Self::TasksWrite,
        Self::TouchesRead,
        Self::TouchesWrite,
        Self::AvailabilityRead,
        Self::AvailabilityWrite,
    ];

    /// The word used in the database, on the command line and in the document.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CallsRead => "calls:read",
            Self::CallsDial => "calls:dial",
            Self::CardsRead => "cards:read",
            Self::CardsWrite => "cards:write",
            Self::Numbers => "numbers",
            Self::LinesRead => "lines:read",
            Self::RecordingsRead => "recordings:read",
            Self::TasksRead => "tasks:read",
            Self::TasksWrite => "tasks:write",
            Self::TouchesRead => "touches:read",
            Self::TouchesWrite => "touches:write",
            Self::AvailabilityRead => "availability:read",
            Self::AvailabilityWrite => "availability:write",
        }
    }

    /// Reads the word back.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == word)
    }

    /// The last part of the key of its text.
    pub fn text_word(self) -> String {
        self.as_str().replace(':', "-")
    }
}

/// What a token may be used for, all of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scopes(BTreeSet<Scope>);

impl Scopes {
    /// Reads stored words. A word this version does not know allows nothing.
    pub fn stored(words: &str) -> Self {
        Self(words.split_whitespace().filter_map(Scope::parse).collect())
    }

    /// Reads what somebody asks for; the first word that is no scope is the error.
    pub fn parse(words: &[String]) -> Result<Self, String> {
        let read = |word: &String| Scope::parse(word).ok_or_else(|| word.clone());
        words.iter().map(read).collect::<Result<_, _>>().map(Self)
    }

    /// Whether this is among them.
    pub fn has(&self, scope: Scope) -> bool {
        self.0.contains(&scope)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// As they are stored.
    pub fn words(&self) -> String {
        let words: Vec<&str> = self.0.iter().map(|scope| scope.as_str()).collect();
        words.join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_lead_back_to_their_scopes() {
        for scope in Scope::ALL {
            assert_eq!(Scope::parse(scope.as_str()), Some(scope));
        }
        let all: Vec<String> = Scope::ALL.map(|scope| scope.as_str().to_owned()).into();
        let scopes = Scopes::parse(&all).unwrap();
        assert_eq!(Scopes::stored(&scopes.words()), scopes);
    }

    #[test]
    fn a_word_that_is_no_scope_allows_nothing() {
        let known = Scopes::stored("calls:read calls:burn");
        assert!(known.has(Scope::CallsRead));
        assert_eq!(known.words(), "calls:read");
        assert_eq!(
            Scopes::parse(&["calls:read".to_owned(), "all".to_owned()]),
            Err("all".to_owned())
        );
    }
}
