//! A PBX made for stories: it says what the story wants and signs with a word in the query.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use ringcard::{
    app::settings::Account,
    model::{
        event::{CallEvent, Clock, Direction, Fact},
        ids::LegKey,
        phone::Number,
        time::Timestamp,
    },
    pbx::{
        Command, DecodeError, Decoded, Decoder, Enquiry, Input, Intake, Message, Page, Pbx,
        PbxError, Refused, Reply, Request, RouteAnswer, Taken,
    },
};

/// Posts bodies of one word each: `start <call>`, `ping`, `odd`, `ask`, `panic`, anything else is not
/// understood. Lines of a stream say the same.
pub struct Scripted {
    intake: Intake,
    history: Vec<String>,
}

impl Scripted {
    /// An account that posts.
    pub fn posting(name: &str) -> Account {
        Self::account(name, Intake::Webhook, Vec::new())
    }

    /// An account that is dialled at this address and keeps these records.
    pub fn dialled(name: &str, address: String, history: Vec<String>) -> Account {
        Self::account(name, Intake::Dial { address, tls: None }, history)
    }

    fn account(name: &str, intake: Intake, history: Vec<String>) -> Account {
        Account {
            name: name.into(),
            pbx: Arc::new(Self { intake, history }),
        }
    }
}

#[async_trait]
impl Pbx for Scripted {
    fn provider(&self) -> &'static str {
        "scripted"
    }

    fn intake(&self) -> Intake {
        self.intake.clone()
    }

    fn verify(&self, request: &Request, _now: Timestamp) -> Result<(), Refused> {
        match request.query.as_str() {
            "sign=good" => Ok(()),
            "sign=old" => Err(Refused::Stale),
            _ if request.path == "/nowhere" => Err(Refused::Token),
            _ => Err(Refused::Signature),
        }
    }

    fn decoder(&self) -> Box<dyn Decoder> {
        Box::new(Words {
            rest: String::new(),
        })
    }

    fn accepted(&self) -> Reply {
        Reply::json("{\"ok\":true}")
    }

    fn format_route(&self, _enquiry: &Enquiry, answer: &RouteAnswer) -> Reply {
        let phones: Vec<&str> = answer.targets.iter().map(|phone| phone.as_str()).collect();
        Reply {
            status: 200,
            content_type: "text/plain; charset=utf-8",
            body: format!("{} {}", answer.reason, phones.join("&")).into(),
        }
    }

    /// Takes every command, and says nothing more of it.
    async fn command(&self, _command: &Command) -> Result<Taken, PbxError> {
        Ok(Taken::ByCommand)
    }

    /// Pauses every recording, and leaves it to the story to tell that it was done.
    async fn pause_recording(&self, _leg: &LegKey, _pause: bool) -> Result<(), PbxError> {
        Ok(())
    }

    async fn history(&self, cursor: Option<&str>, _: Timestamp) -> Result<Page, PbxError> {
        if self.history.is_empty() {
            return Err(PbxError::Unsupported);
        }
        let from: usize = cursor.map_or(0, |cursor| cursor.parse().expect("our own cursor"));
        let messages: Vec<Message> = self.history[from..]
            .iter()
            .take(1)
            .map(|line| message(line))
            .collect();
        Ok(Page {
            cursor: (from + messages.len()).to_string(),
            more: from + messages.len() < self.history.len(),
            messages,
            ..Page::default()
        })
    }
}

struct Words {
    rest: String,
}

impl Decoder for Words {
    fn feed(
        &mut self,
        input: Input<'_>,
        now: Timestamp,
        out: &mut Decoded,
    ) -> Result<(), DecodeError> {
        match input {
            Input::Request(request) => one_request(request, now, out),
            Input::Opened => {
                out.send = b"hello\n".to_vec();
                Ok(())
            }
            Input::Bytes(bytes) => {
                self.rest.push_str(&String::from_utf8_lossy(bytes));
                while let Some(end) = self.rest.find('\n') {
                    let line: String = self.rest.drain(..=end).collect();
                    match line.trim() {
                        "panic" => panic!("planted"),
                        "welcome" => out.notes.push("ready"),
                        line => out.messages.push(message(line)),
                    }
                }
                Ok(())
            }
            Input::Message(raw) | Input::Records(raw) => {
                let message = message(&String::from_utf8_lossy(raw));
                out.events = message.events;
                message.error.map_or(Ok(()), Err)
            }
            Input::Timer | Input::Closed => Ok(()),
        }
    }
}

fn one_request(request: &Request, now: Timestamp, out: &mut Decoded) -> Result<(), DecodeError> {
    let body = String::from_utf8_lossy(&request.body).into_owned();
    match body.split_once(' ').unwrap_or((&body, "")) {
        ("start", call) => out.events.push(start(call)),
        ("ping", _) => out.notes.push("ping"),
        ("odd", _) => out.ignored.push("odd"),
        ("ask", caller) => out.enquiries.push(enquiry(caller, now)),
        ("panic", _) => panic!("planted"),
        _ => return Err(DecodeError::Field("word")),
    }
    Ok(())
}

fn message(line: &str) -> Message {
    let raw = line.to_owned().into();
    match line.strip_prefix("start ") {
        Some(call) => Message {
            raw,
            events: vec![start(call)],
            error: None,
        },
        None => Message {
            raw,
            events: Vec::new(),
            error: Some(DecodeError::Field("word")),
        },
    }
}

/// When every scripted call starts.
const STARTED: Timestamp = Timestamp::from_seconds(1_790_000_000);

fn start(call: &str) -> CallEvent {
    CallEvent {
        account: "office".into(),
        call: call.into(),
        leg: None,
        at: STARTED,
        clock: Clock::Exact,
        id: format!("{call}/parties").into(),
        fact: Fact::Parties {
            direction: Some(Direction::In),
            client: Some(number("+74950000011")),
            client_name: None,
            did: Some(number("+74950000001")),
        },
    }
}

fn enquiry(caller: &str, now: Timestamp) -> Enquiry {
    Enquiry {
        account: "office".into(),
        call: Some(format!("asked {caller}").as_str().into()),
        client: Some(number(caller)),
        did: Some(number("+74950000001")),
        attempt: 1,
        is_it: None,
        digits: String::new(),
        rung: Vec::new(),
        at: now,
    }
}

fn number(text: &str) -> Number {
    Number::E164 {
        e164: text.to_owned(),
        ext: None,
    }
}

/// Waits until something holds, asking again and again; fails the story after half a minute.
pub async fn eventually<F: Future<Output = bool>>(what: &str, holds: impl Fn() -> F) {
    let missing = async || match holds().await {
        true => Vec::new(),
        false => vec![what.to_owned()],
    };
    eventually_nothing(what, missing).await;
}

/// Waits until nothing is wrong any more; fails the story after half a minute with what still is.
pub async fn eventually_nothing(what: &str, wrong: impl AsyncFn() -> Vec<String>) {
    let mut left = Vec::new();
    for _ in 0..3_000 {
        left = wrong().await;
        if left.is_empty() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never came true: {what}: {left:#?}");
}
