//! Why the connection to a PBX does not stand, in closed words with details beside them: pages say it in
//! the reader's language, logs and commands in the English of this file.

use std::{fmt, io};

use super::DecodeError;

/// Why the connection to a PBX does not stand.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Nothing has been tried yet.
    #[error("not connected yet")]
    NotYet,
    /// Nobody is there.
    #[error("not connected: {0}")]
    Unreachable(Detail),
    /// Nobody has answered.
    #[error("not connected in time")]
    Late,
    /// Somebody takes the connection and says nothing at all: a PBX that hangs.
    #[error("the PBX takes the connection and does not answer: restart it if that goes on")]
    Hung,
    /// Whoever is there speaks no TLS, or is not whom we trust, or we have nothing to show.
    #[error("no TLS: {0}")]
    Untrusted(Detail),
    /// We cannot listen.
    #[error("not listened on: {0}")]
    Deaf(Detail),
    /// There is nobody to connect with.
    #[error("this PBX posts")]
    Posts,
    /// The PBX has gone, with or without a goodbye.
    #[error("the PBX closed the connection")]
    Closed,
    /// The connection broke.
    #[error("connection lost: {0}")]
    Lost(Detail),
    /// Not even a sign of life has come.
    #[error("the PBX has gone silent")]
    Silent,
    /// What we say is not read.
    #[error("the PBX does not read")]
    Unheard,
    /// Our decoder failed.
    #[error("the decoder gave up")]
    Decoder,
    /// Messages come faster than the store takes them.
    #[error("more messages than can be kept: the store is behind")]
    Behind,
    /// The PBX does not let us in, in its words.
    #[error("the PBX refused us: {0}")]
    Refused(String),
    /// Whoever answers does not speak as this PBX does.
    #[error("whoever answers does not speak as this PBX does: {0}")]
    Stranger(String),
    /// Whoever dials us does not show user and secret.
    #[error("who dials us does not show user and secret")]
    Intruder,
    /// Whoever dials us wants something else than this PBX does.
    #[error("who dials us is not this PBX")]
    Uninvited,
    /// Another program has taken our place at the PBX.
    #[error("another program has taken our place at the PBX")]
    Replaced,
    /// The PBX is too old to be asked in this way.
    #[error("no answer over this connection, which is given since {0}")]
    Mute(&'static str),
    /// The PBX says what cannot be read.
    #[error("{0}")]
    Unreadable(String),
}

impl From<DecodeError> for Fault {
    fn from(error: DecodeError) -> Self {
        match error {
            DecodeError::Down(fault) => fault,
            error => Self::Unreadable(error.to_string()),
        }
    }
}

/// What the system says of a failure: a closed word if there is one, and its own words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Detail {
    /// One of [`Detail::WORDS`], or nothing.
    pub word: &'static str,
    /// In the system's words.
    pub words: String,
}

impl Detail {
    /// Every closed word.
    pub const WORDS: [&str; 14] = [
        "refused",
        "unresolved",
        "unrouted",
        "timeout",
        "broken",
        "taken",
        "not_ours",
        "forbidden",
        "no_file",
        "no_tls",
        "unknown_authority",
        "expired",
        "other_name",
        "no_name",
    ];

    /// Beside a closed word.
    pub fn new(word: &'static str, words: impl fmt::Display) -> Self {
        let words = words.to_string();
        Self { word, words }
    }
}

impl fmt::Display for Detail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words)
    }
}

impl From<io::Error> for Detail {
    fn from(error: io::Error) -> Self {
        use io::ErrorKind as Kind;
        let words = error.to_string();
        let word = match error.kind() {
            Kind::ConnectionRefused => "refused",
            Kind::HostUnreachable | Kind::NetworkUnreachable | Kind::NetworkDown => "unrouted",
            Kind::TimedOut => "timeout",
            Kind::ConnectionReset
            | Kind::ConnectionAborted
            | Kind::BrokenPipe
            | Kind::UnexpectedEof => "broken",
            Kind::AddrInUse => "taken",
            Kind::AddrNotAvailable => "not_ours",
            Kind::PermissionDenied => "forbidden",
            Kind::NotFound => "no_file",
            // The standard library has no kind for a name that nobody knows, but these words of its own.
            _ if words.starts_with("failed to lookup address information") => "unresolved",
            _ => "",
        };
        Self { word, words }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_says_has_a_closed_word() {
        for kind in [
            io::ErrorKind::ConnectionRefused,
            io::ErrorKind::NetworkUnreachable,
            io::ErrorKind::TimedOut,
            io::ErrorKind::UnexpectedEof,
            io::ErrorKind::AddrInUse,
            io::ErrorKind::AddrNotAvailable,
            io::ErrorKind::PermissionDenied,
            io::ErrorKind::NotFound,
        ] {
            let detail = Detail::from(io::Error::from(kind));
            assert!(Detail::WORDS.contains(&detail.word), "{kind}");
            assert_eq!(detail.to_string(), kind.to_string());
        }
        for (words, word) in [
            ("something else", ""),
            (
                "failed to lookup address information: Name or service not known",
                "unresolved",
            ),
        ] {
            let detail = Detail::from(io::Error::other(words));
            assert_eq!((detail.word, detail.words.as_str()), (word, words));
        }
    }

    #[test]
    fn what_a_decoder_says_of_the_connection_is_the_fault() {
        let refused = Fault::Refused("Authentication failed".to_owned());
        let down = DecodeError::Down(refused.clone());
        assert_eq!(
            down.to_string(),
            "the PBX refused us: Authentication failed"
        );
        assert_eq!(Fault::from(down), refused);
        let unreadable = Fault::from(DecodeError::Field("type"));
        assert_eq!(unreadable.to_string(), "field type is missing or unusable");
    }
}
