//! Tries the connection of an account that we dial, once and apart from the one that stands, and says
//! what is wrong in one word.
//!
//! The account must be one of its own, opened for this: a decoder shares with its account what commands
//! wait for. Nothing that is heard here is kept.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

use bytes::BytesMut;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::{Instant, timeout_at},
};

use super::{
    dial::{
        READY,
        way::{Socket, connect},
    },
    now,
};
use crate::pbx::{Decoded, Decoder, Fault, Input, Intake, Pbx};

/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(4);
/// How long the PBX may take to let us in and say what we may do.
const TALK: Duration = Duration::from_secs(4);

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Probe {
    /// Logged in, events flow, every right is there.
    Good,
    /// Nobody listens there.
    Refused,
    /// Nobody answers there, or the name is not known.
    Unreachable,
    /// Whoever listens speaks no TLS, or is not whom we trust.
    Untrusted(Fault),
    /// Whoever listens hangs up at once: our address is not permitted.
    HungUp,
    /// Something listens that does not speak as this PBX does.
    Stranger,
    /// The login was refused.
    Denied(Fault),
    /// Logged in, and no event comes.
    NoEvents,
    /// Logged in, and these rights are missing.
    Missing(Vec<&'static str>),
}

impl Probe {
    /// The closed word.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Refused => "refused",
            Self::Unreachable => "unreachable",
            Self::Untrusted(_) => "untrusted",
            Self::HungUp => "hung_up",
            Self::Stranger => "stranger",
            Self::Denied(_) => "denied",
            Self::NoEvents => "no_events",
            Self::Missing(_) => "missing",
        }
    }

    /// Every word.
    pub const WORDS: [&str; 9] = [
        "good",
        "refused",
        "unreachable",
        "untrusted",
        "hung_up",
        "stranger",
        "denied",
        "no_events",
        "missing",
    ];
}

/// Tries it; `None`: this account is not dialled.
pub async fn probe(pbx: &dyn Pbx) -> Option<Probe> {
    let intake = pbx.intake();
    if !matches!(intake, Intake::Dial { .. }) {
        return None;
    }
    let socket = match connect(&intake, CONNECT).await {
        Ok(socket) => socket,
        Err(Fault::Unreachable(why)) if why.word == "refused" => return Some(Probe::Refused),
        Err(why @ Fault::Untrusted(_)) => return Some(Probe::Untrusted(why)),
        Err(_) => return Some(Probe::Unreachable),
    };
    let mut talk = Talk {
        socket,
        decoder: pbx.decoder(),
        heard_bytes: false,
        ready: false,
        asked: false,
        missing: Vec::new(),
    };
    Some(talk.hold().await)
}

struct Talk {
    socket: Socket,
    decoder: Box<dyn Decoder>,
    heard_bytes: bool,
    ready: bool,
    /// The PBX has answered what we ask of it after the login.
    asked: bool,
    missing: Vec<&'static str>,
}

impl Talk {
    async fn hold(&mut self) -> Probe {
        let until = Instant::now() + TALK;
        let mut fed = self.feed(Input::Opened).await;
        let mut buffer = BytesMut::with_capacity(16 * 1024);
        loop {
            if let Err(why) = fed {
                return match (self.ready, why) {
                    (true, _) => self.verdict(),
                    (false, Fault::Stranger(_)) => Probe::Stranger,
                    (false, Fault::Closed) => Probe::HungUp,
                    (false, why) => Probe::Denied(why),
                };
            }
            if self.ready && self.asked {
                return self.verdict();
            }
            buffer.clear();
            match timeout_at(until, self.socket.read_buf(&mut buffer)).await {
                Err(_) => return self.verdict(),
                Ok(Ok(0) | Err(_)) if !self.heard_bytes => return Probe::HungUp,
                Ok(Ok(0) | Err(_)) => return self.verdict(),
                Ok(Ok(_)) => self.heard_bytes = true,
            }
            fed = self.feed(Input::Bytes(&buffer)).await;
        }
    }

    fn verdict(&mut self) -> Probe {
        match (self.ready, self.heard_bytes, self.missing.is_empty()) {
            (true, _, true) => Probe::Good,
            (_, _, false) => Probe::Missing(std::mem::take(&mut self.missing)),
            (false, true, true) => Probe::NoEvents,
            (false, false, true) => Probe::Stranger,
        }
    }

    async fn feed(&mut self, input: Input<'_>) -> Result<(), Fault> {
        let mut decoded = Decoded::default();
        let fed = catch_unwind(AssertUnwindSafe(|| {
            self.decoder.feed(input, now(), &mut decoded)
        }));
        self.ready |= decoded.notes.contains(&READY);
        self.asked |= decoded.alive.is_some();
        let missing = decoded.notes.iter();
        let missing = missing.filter(|note| note.starts_with("missing_right"));
        self.missing.extend(missing);
        if !decoded.send.is_empty() {
            // Whoever does not read any more will not be heard either.
            let _ = self.socket.write_all(&decoded.send).await;
            let _ = self.socket.flush().await;
        }
        let fed = fed.unwrap_or(Ok(()));
        fed.map_err(Fault::from)
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;
    use crate::pbx::{Tools, asterisk::PROVIDER};

    /// What trying ARI comes to where this is said.
    async fn over_ari(said: &'static str) -> Probe {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let settings = format!("over = 'ari'\naddress = '{address}'\nsecret = 'invented'");
        let settings = toml::from_str(&settings).unwrap();
        let tools = Tools::of_tests(Default::default());
        let pbx = (PROVIDER.open)("office".into(), settings, tools).unwrap();
        let saying = async {
            let (mut socket, _) = listener.accept().await.unwrap();
            socket.write_all(said.as_bytes()).await.unwrap();
            socket
        };
        let (probed, _socket) = tokio::join!(probe(&*pbx), saying);
        probed.unwrap()
    }

    #[tokio::test]
    async fn another_port_and_another_secret_are_told_apart() {
        for other in [
            "Asterisk Call Manager/9.0.0\r\n",
            "SSH-2.0-OpenSSH_9\r\n",
            "HTTP/1.1 404 Not Found\r\n\r\n",
        ] {
            assert_eq!(over_ari(other).await, Probe::Stranger, "{other}");
        }
        let denied = over_ari("HTTP/1.1 401 Unauthorized\r\n\r\n").await;
        assert!(matches!(&denied, Probe::Denied(_)), "{denied:?}");
    }
}
