//! Keeps the connections that we dial (Asterisk's AMI): dials, feeds the account's decoder, commits
//! what it understood, dials again with growing pauses.
//!
//! The decoder does the talking; nothing here knows a protocol. A message is read on only after what
//! came before it is durable, so a slow database slows the PBX's socket and nothing is dropped here.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::future::join_all;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::Notify,
};
use tokio_util::sync::CancellationToken;

use super::settings::{Account, Intake};
use crate::{
    flow::{self, Flow},
    model::time::Timestamp,
    pbx::{Decoded, Decoder, Input, Message},
    store::writer::CommitError,
    telemetry,
    web::ops::Connections,
};

/// Most bytes taken from the socket before they are understood and committed.
const READ_BYTES: usize = 65_536;
/// A connection that stood so long was a good one: the next pause is short again.
const GOOD_AFTER: Duration = Duration::from_secs(30);

/// One account that we dial.
pub struct Dial {
    /// The account.
    pub account: Account,
    /// `host:port`.
    pub address: String,
    /// Where messages go.
    pub flow: Flow,
    /// Who is told whether it stands.
    pub connections: Arc<Connections>,
    /// Told when a connection was made or lost: the PBX's own records are then worth reading.
    pub changed: Arc<Notify>,
    /// Limits.
    pub settings: Intake,
    /// Shutdown.
    pub stop: CancellationToken,
}

impl Dial {
    /// Keeps the connection until shutdown.
    pub async fn run(self) {
        let mut pause = Duration::from_millis(self.settings.first_pause_ms);
        while !self.stop.is_cancelled() {
            let began = Instant::now();
            let why = match self.connect().await {
                Ok(stream) => {
                    let why = self.talk(stream).await;
                    self.changed.notify_one();
                    why
                }
                Err(why) => why,
            };
            if self.stop.is_cancelled() {
                return;
            }
            self.connections
                .set(&self.account.name, false, &why, flow::now());
            if began.elapsed() > GOOD_AFTER {
                pause = Duration::from_millis(self.settings.first_pause_ms);
            }
            // Up to half more, so that many gateways do not dial in step.
            let spread = pause.mul_f64(rand::random::<f64>() / 2.0);
            tokio::select! {
                () = tokio::time::sleep(pause + spread) => {}
                () = self.stop.cancelled() => return,
            }
            pause = (pause * 2).min(Duration::from_millis(self.settings.longest_pause_ms));
        }
    }

    async fn connect(&self) -> Result<TcpStream, String> {
        let limit = Duration::from_millis(self.settings.connect_timeout_ms);
        let stream = tokio::time::timeout(limit, TcpStream::connect(&self.address))
            .await
            .map_err(|_| format!("no connection within {} ms", limit.as_millis()))?
            .map_err(|error| error.to_string())?;
        // Small requests must not wait for each other.
        stream
            .set_nodelay(true)
            .map_err(|error| error.to_string())?;
        Ok(stream)
    }

    /// Talks until the connection ends; says why it did.
    async fn talk(&self, stream: TcpStream) -> String {
        let (mut from, mut to) = stream.into_split();
        let mut talk = Talk {
            dial: self,
            decoder: self.account.pbx.decoder(),
            wake_at: None,
        };
        let mut buffer = vec![0; READ_BYTES];
        let mut send = match talk.feed(Input::Opened).await {
            Ok(send) => send,
            Err(why) => return why,
        };
        let silence = Duration::from_millis(self.settings.silence_timeout_ms);
        let mut heard = tokio::time::Instant::now();
        loop {
            if !send.is_empty()
                && let Err(error) = to.write_all(&send).await
            {
                return talk.close(error.to_string()).await;
            }
            let fed = tokio::select! {
                read = from.read(&mut buffer) => match read {
                    Ok(0) => return talk.close("the PBX closed the connection".to_owned()).await,
                    Ok(n) => {
                        heard = tokio::time::Instant::now();
                        talk.feed(Input::Bytes(&buffer[..n])).await
                    }
                    Err(error) => return talk.close(error.to_string()).await,
                },
                bytes = self.account.pbx.outgoing() => Ok(bytes.to_vec()),
                () = until(talk.wake_at) => talk.feed(Input::Timer).await,
                () = tokio::time::sleep_until(heard + silence) => {
                    return talk.close(format!("silent for {} ms", silence.as_millis())).await;
                }
                () = self.stop.cancelled() => return String::new(),
            };
            send = match fed {
                Ok(send) => send,
                Err(why) => return talk.close(why).await,
            };
        }
    }

    async fn commit(&self, mut decoded: Decoded, now: Timestamp) {
        let messages = std::mem::take(&mut decoded.messages);
        join_all(messages.into_iter().map(|message| self.keep(message, now))).await;
        if !decoded.events.is_empty() {
            let message = Message {
                raw: Bytes::new(),
                events: decoded.events,
                error: None,
            };
            self.keep(message, now).await;
        }
    }

    async fn keep(&self, message: Message, now: Timestamp) {
        let began = Instant::now();
        let outcome = match &message.error {
            Some(_) => "undecodable",
            None => "applied",
        };
        let kept = keep(&self.flow, &self.account, "dial", message, now, &self.stop).await;
        telemetry::Ingested {
            provider: self.account.pbx.provider(),
            way: "dial",
            outcome: if kept.is_some() { outcome } else { "busy" },
            account: self.account.name.as_str(),
            took: began.elapsed(),
        }
        .emit();
    }
}

/// One connection's state.
struct Talk<'a> {
    dial: &'a Dial,
    decoder: Box<dyn Decoder>,
    wake_at: Option<Timestamp>,
}

impl Talk<'_> {
    /// Feeds the decoder, commits what it made, and gives back what is to be sent.
    async fn feed(&mut self, input: Input<'_>) -> Result<Vec<u8>, String> {
        let now = flow::now();
        let mut decoded = Decoded::default();
        let fed = catch_unwind(AssertUnwindSafe(|| {
            self.decoder.feed(input, now, &mut decoded)
        }));
        self.wake_at = decoded.wake_at;
        let send = std::mem::take(&mut decoded.send);
        let notes = std::mem::take(&mut decoded.notes);
        self.dial.commit(decoded, now).await;
        if notes.contains(&"ready") {
            let dial = self.dial;
            dial.connections
                .set(&dial.account.name, true, "", flow::now());
            dial.changed.notify_one();
        }
        match fed {
            Ok(Ok(())) => Ok(send),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("the decoder gave up".to_owned()),
        }
    }

    async fn close(&mut self, why: String) -> String {
        // What the decoder would still send has nowhere to go.
        match self.feed(Input::Closed).await {
            Ok(_) => why,
            Err(also) => format!("{why}; {also}"),
        }
    }
}

/// Commits one message of a stream or a file however long the store is away: nobody would send it
/// again. `None` only at shutdown; otherwise how many facts were new.
pub(super) async fn keep(
    flow: &Flow,
    account: &Account,
    source: &'static str,
    message: Message,
    now: Timestamp,
    stop: &CancellationToken,
) -> Option<usize> {
    loop {
        let decoded = Decoded {
            events: message.events.clone(),
            ..Decoded::default()
        };
        let received = flow::Message {
            account: account.name.clone(),
            source,
            received_at: now,
            raw: message.raw.clone(),
        };
        match flow
            .receive(received, decoded, message.error.as_ref())
            .await
        {
            Ok(receipt) => return Some(receipt.new_facts),
            Err(CommitError::Busy) if !stop.is_cancelled() => {}
            Err(_) => return None,
        }
    }
}

/// Waits for a moment of the wall clock; for ever without one.
async fn until(moment: Option<Timestamp>) {
    match moment {
        None => std::future::pending().await,
        Some(moment) => {
            let millis = moment.millis_since(flow::now());
            tokio::time::sleep(Duration::from_millis(u64::try_from(millis).unwrap_or(0))).await;
        }
    }
}
