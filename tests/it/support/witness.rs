//! Hears the manager interface by itself, past the gateway and its cuts: what the event log cannot
//! know (who rang and when, who was on hold), on Asterisk's own clock.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    task::JoinHandle,
};

use super::{asterisk::SECRET, scripted::eventually};

/// What was heard; moments in microseconds, channels by their Uniqueid.
#[derive(Clone, Debug, Default)]
pub struct Heard {
    /// When each channel began to ring.
    pub rang: BTreeMap<String, i64>,
    /// Holds: whose device, from, to.
    pub holds: Vec<(String, i64, Option<i64>)>,
    /// The last channel of each phone, by its extension: name and Uniqueid.
    channels: BTreeMap<String, (String, String)>,
    /// Channels that are in a bridge.
    inside: BTreeSet<String>,
    /// Parking spaces taken since the beginning.
    parked: usize,
    logins: usize,
}

impl Heard {
    /// Whether the phone's last channel is connected with somebody.
    fn talks(&self, extension: &str) -> bool {
        let last = self.channels.get(extension);
        last.is_some_and(|(_, unique)| self.inside.contains(unique))
    }

    /// Whether the phone's last channel has rung.
    fn has_rung(&self, extension: &str) -> bool {
        let last = self.channels.get(extension);
        last.is_some_and(|(_, unique)| self.rang.contains_key(unique))
    }
}

/// The connection; it lives as long as this, through restarts of Asterisk.
pub struct Witness {
    heard: Arc<Mutex<Heard>>,
    port: u16,
    task: JoinHandle<()>,
}

impl Witness {
    /// Begins to listen at this port; whoever starts Asterisk then waits with [`Witness::listens`].
    pub fn start(port: u16) -> Self {
        let heard = Arc::new(Mutex::new(Heard::default()));
        let task = tokio::spawn(listen(port, Arc::clone(&heard)));
        Self { heard, port, task }
    }

    /// Presses keys of a phone that talks, as if its device had sent them.
    pub async fn press(&self, extension: &str, keys: &str) {
        let (channel, _) = self.heard().channels[extension].clone();
        let mut socket = connect(self.port).await.expect("Asterisk runs");
        for key in keys.chars() {
            let action = format!(
                "Action: PlayDTMF\r\nChannel: {channel}\r\nDigit: {key}\r\nDuration: 80\r\n\
                 Receive: true\r\n\r\n"
            );
            let sent = socket.write_all(action.as_bytes()).await;
            sent.expect("Asterisk reads");
            tokio::time::sleep(Duration::from_millis(120)).await;
        }
    }

    /// Has Asterisk do something; the fields are lines `Key: value`.
    pub async fn act(&self, action: &str, fields: &[&str]) {
        let mut socket = connect(self.port).await.expect("Asterisk runs");
        let action = format!("Action: {action}\r\n{}\r\n\r\n", fields.join("\r\n"));
        let sent = socket.write_all(action.as_bytes()).await;
        sent.expect("Asterisk reads");
        let mut lines = BufReader::new(socket).lines();
        let mut answers = Vec::new();
        // To the login and to the action.
        while answers.len() < 2 {
            let line = lines.next_line().await.expect("Asterisk answers");
            let line = line.expect("Asterisk does not hang up");
            answers.extend(line.strip_prefix("Response: ").map(str::to_owned));
        }
        assert_eq!(answers, ["Success", "Success"], "{action}");
    }

    /// Waits until it has logged in so many times.
    pub async fn listens(&self, logins: usize) {
        eventually("the witness listens", async || {
            self.heard().logins >= logins
        })
        .await;
    }

    /// Waits until the phone rings.
    pub async fn rings(&self, extension: &str) {
        eventually("the phone rings", async || self.heard().has_rung(extension)).await;
    }

    /// Waits until the phone is connected with somebody.
    pub async fn talks(&self, extension: &str) {
        eventually("somebody talks", async || self.heard().talks(extension)).await;
    }

    /// Waits until so many calls have been parked since the beginning.
    pub async fn parks(&self, calls: usize) {
        eventually("the call is parked", async || self.heard().parked >= calls).await;
    }

    /// What was heard so far.
    pub fn heard(&self) -> Heard {
        self.heard.lock().expect("nobody panics with it").clone()
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn listen(port: u16, heard: Arc<Mutex<Heard>>) {
    loop {
        if let Ok(socket) = connect(port).await {
            hear(socket, &heard).await;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn connect(port: u16) -> std::io::Result<TcpStream> {
    let mut socket = TcpStream::connect(("127.0.0.1", port)).await?;
    let login = format!(
        "Action: Login\r\nUsername: lab\r\nSecret: {SECRET}\r\nEvents: call,system\r\n\r\n"
    );
    socket.write_all(login.as_bytes()).await?;
    Ok(socket)
}

async fn hear(socket: TcpStream, heard: &Mutex<Heard>) {
    let mut lines = BufReader::new(socket).lines();
    let mut block: BTreeMap<String, String> = BTreeMap::new();
    while let Ok(Some(line)) = lines.next_line().await {
        if !line.is_empty() {
            if let Some((name, value)) = line.split_once(": ") {
                block.insert(name.to_owned(), value.to_owned());
            }
            continue;
        }
        let mut heard = heard.lock().expect("nobody panics with it");
        note(&std::mem::take(&mut block), &mut heard);
    }
}

fn note(block: &BTreeMap<String, String>, heard: &mut Heard) {
    let field = |name: &str| block.get(name).map(String::as_str).unwrap_or_default();
    let unique = field("Uniqueid").to_owned();
    let at = field("Timestamp").replace('.', "").parse().unwrap_or(0);
    if field("Event") == "Newchannel"
        && let Some((extension, _)) = field("Channel")
            .strip_prefix("PJSIP/")
            .and_then(|name| name.split_once('-'))
    {
        let channel = field("Channel").to_owned();
        let named = (channel, unique.clone());
        heard.channels.insert(extension.to_owned(), named);
    }
    match field("Event") {
        "FullyBooted" => heard.logins += 1,
        "BridgeEnter" => drop(heard.inside.insert(unique)),
        "BridgeLeave" => drop(heard.inside.remove(&unique)),
        "ParkedCall" => heard.parked += 1,
        // 5 is "Ringing": the device has said 180.
        "Newstate" | "Newchannel" if field("ChannelState") == "5" => {
            heard.rang.entry(unique).or_insert(at);
        }
        "Hold" => heard.holds.push((unique, at, None)),
        "Unhold" => {
            let mut holds = heard.holds.iter_mut();
            if let Some(hold) = holds.rfind(|hold| hold.0 == unique && hold.2.is_none()) {
                hold.2 = Some(at);
            }
        }
        _ => {}
    }
}
