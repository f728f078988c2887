//! The manager socket of a PBX that is not there: login, live channels, Originate, and the events it is
//! told to send.
//!
//! Like a real one it keeps nothing for a client that is away: who is not connected misses events and
//! has to read the live channels and the CEL file.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use md5::{Digest, Md5};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream, tcp::OwnedWriteHalf},
    sync::mpsc,
    task::JoinHandle,
};

/// Headers of one action or event, in order.
type Headers = Vec<(String, String)>;

/// A click-to-call that arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Originate {
    /// `PJSIP/201`.
    pub channel: String,
    /// The number to dial then.
    pub exten: String,
    /// The id the first channel must get, if asked for.
    pub channel_id: Option<String>,
    /// Its `ActionID`.
    pub action_id: String,
}

/// What a user of this interface may do.
const COMMANDS: &str = "Originate: Originate a call.  (Priv: originate,all)\r\n\
    Redirect: Redirect (transfer) a call.  (Priv: call,all)\r\n\
    Getvar: Gets a channel variable or function value.  (Priv: call,reporting,all)\r\n\
    CoreShowChannels: List currently active channels.  (Priv: system,reporting,all)\r\n\
    Ping: Keepalive command.  (Priv: <none>)\r\n";

/// A listening manager interface.
pub struct AmiServer {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

struct Shared {
    user: String,
    secret: String,
    state: Mutex<State>,
    originates: mpsc::UnboundedSender<Originate>,
}

#[derive(Default)]
struct State {
    sessions: BTreeMap<u64, Session>,
    next_session: u64,
    /// Last snapshot of each live channel, by Uniqueid.
    channels: BTreeMap<String, Headers>,
    logins: u64,
    /// The PBX's time: that of the last event it told.
    clock: String,
    /// Nobody gets through to it.
    away: bool,
}

struct Session {
    out: mpsc::UnboundedSender<String>,
    logged_in: bool,
    /// Has been told the live channels.
    listed: bool,
}

impl AmiServer {
    /// Listens on `address` (port 0: any) and lets `user` with `secret` in. Clicks come out of the
    /// second value.
    pub async fn start(
        address: &str,
        user: &str,
        secret: &str,
    ) -> std::io::Result<(Self, mpsc::UnboundedReceiver<Originate>)> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let (originates, clicks) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared {
            user: user.to_owned(),
            secret: secret.to_owned(),
            state: Mutex::default(),
            originates,
        });
        let accepting = tokio::spawn(accept(listener, Arc::clone(&shared)));
        let server = Self {
            address,
            shared,
            accepting,
        };
        Ok((server, clicks))
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sends one block to everyone who is logged in, and remembers what it says about channels.
    pub fn send(&self, block: &str) {
        self.send_all([block]);
    }

    /// Sends what happens in one moment: no list of channels shows a state in between.
    pub fn send_all<'a>(&self, blocks: impl IntoIterator<Item = &'a str>) {
        let mut state = self.shared.lock();
        for block in blocks {
            state.learn(block);
            state.sessions.retain(|_, session| {
                !session.logged_in || session.out.send(block.to_owned()).is_ok()
            });
        }
    }

    /// How many clients are logged in now.
    pub fn listeners(&self) -> usize {
        let state = self.shared.lock();
        let logged_in = state.sessions.values().filter(|session| session.logged_in);
        logged_in.count()
    }

    /// How many log-ins there were so far.
    pub fn logins(&self) -> u64 {
        self.shared.lock().logins
    }

    /// Whether somebody is logged in and has been told the live channels.
    pub fn is_listed(&self) -> bool {
        let state = self.shared.lock();
        let mut sessions = state.sessions.values();
        sessions.any(|session| session.logged_in && session.listed)
    }

    /// Cuts every connection; the channels live on.
    pub fn cut(&self) {
        self.shared.lock().sessions.clear();
    }

    /// Cuts every connection and takes no other, until [`AmiServer::come_back`].
    pub fn go_away(&self) {
        let mut state = self.shared.lock();
        state.away = true;
        state.sessions.clear();
    }

    /// Can be reached again.
    pub fn come_back(&self) {
        self.shared.lock().away = false;
    }

    /// The PBX itself dies: connections cut, channels gone.
    pub fn die(&self) {
        let mut state = self.shared.lock();
        state.sessions.clear();
        state.channels.clear();
    }
}

impl Drop for AmiServer {
    fn drop(&mut self) {
        self.accepting.abort();
        self.cut();
    }
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        // A panic while the lock was held leaves a consistent map: each change is one statement.
        self.state
            .lock()
            .unwrap_or_else(|broken| broken.into_inner())
    }
}

impl State {
    fn learn(&mut self, block: &str) {
        let headers = read_headers(block);
        if let Ok(told_at) = get(&headers, "Timestamp").parse::<f64>() {
            // Whoever asks, asks after everything of this moment has been told and logged.
            self.clock = format!("{:.6}", told_at + 0.001);
        }
        match get(&headers, "Event") {
            "Newchannel" | "Newstate" | "NewCallerid" | "BridgeEnter" | "BridgeLeave" => {
                let unique = get(&headers, "Uniqueid").to_owned();
                self.channels.insert(unique, headers);
            }
            "Hangup" => {
                self.channels.remove(get(&headers, "Uniqueid"));
            }
            _ => {}
        }
    }
}

fn read_headers(block: &str) -> Headers {
    block
        .lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned()))
        .collect()
}

fn get<'a>(headers: &'a Headers, name: &str) -> &'a str {
    headers
        .iter()
        .find(|(key, _)| key.eq_ignore_ascii_case(name))
        .map_or("", |(_, value)| value)
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((socket, _)) = listener.accept().await {
        tokio::spawn(serve(socket, Arc::clone(&shared)));
    }
}

/// One connection, until either side ends it or [`AmiServer::cut`] drops its sender.
async fn serve(socket: TcpStream, shared: Arc<Shared>) {
    let (read, write) = socket.into_split();
    let (out, queue) = mpsc::unbounded_channel();
    let id = {
        let mut state = shared.lock();
        if state.away {
            return;
        }
        state.next_session += 1;
        let id = state.next_session;
        let greeting = "Asterisk Call Manager/11.0.0\r\n".to_owned();
        // The receiver lives in this function, so the greeting cannot fail to be queued.
        let _ = out.send(greeting);
        let session = Session {
            out,
            logged_in: false,
            listed: false,
        };
        state.sessions.insert(id, session);
        id
    };
    let mut lines = BufReader::new(read).lines();
    let mut writing = tokio::spawn(write_out(write, queue));
    let challenge = (100_000_000 + id * 7_919).to_string();
    let mut action = String::new();
    loop {
        let line = tokio::select! {
            line = lines.next_line() => line,
            _ = &mut writing => break, // cut
        };
        match line {
            Ok(Some(line)) if line.is_empty() => {
                if !answer(&shared, id, &challenge, &read_headers(&action)) {
                    break;
                }
                action.clear();
            }
            Ok(Some(line)) => {
                action.push_str(&line);
                action.push('\n');
            }
            _ => break,
        }
    }
    // Without its sender the writing task ends by itself, after what is still queued.
    shared.lock().sessions.remove(&id);
    if !writing.is_finished() {
        let _ = writing.await;
    }
}

async fn write_out(mut write: OwnedWriteHalf, mut queue: mpsc::UnboundedReceiver<String>) {
    while let Some(mut text) = queue.recv().await {
        while let Ok(more) = queue.try_recv() {
            text.push_str(&more);
            if text.len() > 60_000 {
                break;
            }
        }
        if write.write_all(text.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// Answers one action; `false` ends the connection.
fn answer(shared: &Shared, id: u64, challenge: &str, action: &Headers) -> bool {
    let mut state = shared.lock();
    let action_id = get(action, "ActionID");
    let tag = if action_id.is_empty() {
        String::new()
    } else {
        format!("ActionID: {action_id}\r\n")
    };
    let ok = |text: &str| format!("Response: Success\r\n{tag}{text}\r\n");
    let name = get(action, "Action").to_ascii_lowercase();
    let Some(logged_in) = state.sessions.get(&id).map(|session| session.logged_in) else {
        return false;
    };
    let reply = match name.as_str() {
        "challenge" => ok(&format!("Challenge: {challenge}\r\n")),
        "login" => {
            let mut hash = Md5::new();
            hash.update(challenge.as_bytes());
            hash.update(shared.secret.as_bytes());
            let fits = get(action, "Key") == hex::encode(hash.finalize());
            if !fits || get(action, "Username") != shared.user {
                let text =
                    format!("Response: Error\r\n{tag}Message: Authentication failed\r\n\r\n");
                push(&state, id, text);
                return false;
            }
            state.logins += 1;
            if let Some(session) = state.sessions.get_mut(&id) {
                session.logged_in = true;
            }
            let booted = "Event: FullyBooted\r\nPrivilege: system,all\r\nUptime: 864000\r\n\
                          LastReload: 864000\r\nStatus: Fully Booted\r\n\r\n";
            ok("Message: Authentication accepted\r\n") + booted
        }
        _ if !logged_in => {
            format!("Response: Error\r\n{tag}Message: Permission denied\r\n\r\n")
        }
        "ping" => ok(&format!("Ping: Pong\r\nTimestamp: {}\r\n", state.clock)),
        "listcommands" => ok(COMMANDS),
        "coreshowchannels" => {
            if let Some(session) = state.sessions.get_mut(&id) {
                session.listed = true;
            }
            channels(&state, &tag)
        }
        "originate" => {
            let channel_id = get(action, "ChannelId").to_owned();
            let originate = Originate {
                channel: get(action, "Channel").to_owned(),
                exten: get(action, "Exten").to_owned(),
                channel_id: Some(channel_id).filter(|id| !id.is_empty()),
                action_id: action_id.to_owned(),
            };
            // Nobody listens for clicks in simulations that have none.
            let _ = shared.originates.send(originate);
            ok("Message: Originate successfully queued\r\n")
        }
        "logoff" => {
            push(&state, id, format!("Response: Goodbye\r\n{tag}\r\n"));
            return false;
        }
        "filter" | "events" | "setvar" => ok("Message: Done\r\n"),
        _ => format!("Response: Error\r\n{tag}Message: Invalid/unknown command\r\n\r\n"),
    };
    push(&state, id, reply);
    true
}

fn push(state: &State, id: u64, text: String) {
    if let Some(session) = state.sessions.get(&id) {
        // A closed connection is cleaned up by its own task.
        let _ = session.out.send(text);
    }
}

fn channels(state: &State, tag: &str) -> String {
    let mut text = format!(
        "Response: Success\r\n{tag}EventList: start\r\nMessage: Channels will follow\r\n\r\n"
    );
    for channel in state.channels.values() {
        text.push_str("Event: CoreShowChannel\r\n");
        text.push_str(tag);
        let bridge = if get(channel, "Event") == "BridgeEnter" {
            get(channel, "BridgeUniqueid")
        } else {
            ""
        };
        for (name, value) in channel {
            if !matches!(name.as_str(), "Event" | "Privilege" | "Timestamp")
                && !name.starts_with("Bridge")
            {
                text.push_str(&format!("{name}: {value}\r\n"));
            }
        }
        text.push_str(&format!(
            "BridgeId: {bridge}\r\nApplication: \r\nApplicationData: \r\nDuration: 00:00:01\r\n\r\n"
        ));
    }
    text.push_str(&format!(
        "Event: CoreShowChannelsComplete\r\n{tag}EventList: Complete\r\nListItems: {}\r\n\r\n",
        state.channels.len()
    ));
    text
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;

    use super::*;

    async fn say(socket: &mut TcpStream, text: &str, until: &str) -> String {
        socket.write_all(text.as_bytes()).await.unwrap();
        let mut seen = Vec::new();
        let mut buffer = [0; 4096];
        while !String::from_utf8_lossy(&seen).contains(until) {
            let n = socket.read(&mut buffer).await.unwrap();
            assert_ne!(n, 0, "closed after {}", String::from_utf8_lossy(&seen));
            seen.extend_from_slice(&buffer[..n]);
        }
        String::from_utf8(seen).unwrap()
    }

    #[tokio::test]
    async fn a_client_logs_in_sees_channels_and_is_cut() {
        let (server, mut clicks) = AmiServer::start("127.0.0.1:0", "gw", "s3").await.unwrap();
        let mut socket = TcpStream::connect(server.address()).await.unwrap();
        let text = "Action: Challenge\r\nAuthType: MD5\r\nActionID: 1\r\n\r\n";
        let told = say(&mut socket, text, "Challenge: ").await;
        let challenge = told.rsplit("Challenge: ").next().unwrap().trim();
        let mut hash = Md5::new();
        hash.update(format!("{challenge}s3"));
        let key = hex::encode(hash.finalize());
        let text = format!("Action: Login\r\nUsername: gw\r\nKey: {key}\r\nActionID: 2\r\n\r\n");
        say(&mut socket, &text, "FullyBooted").await;
        assert_eq!(server.listeners(), 1);

        server.send("Event: Newchannel\r\nChannel: PJSIP/201-1\r\nUniqueid: 5.1\r\n\r\n");
        let text = "Action: CoreShowChannels\r\nActionID: 3\r\n\r\n";
        let told = say(&mut socket, text, "ListItems: 1\r\n").await;
        assert!(told.contains("Event: CoreShowChannel\r\nActionID: 3\r\nChannel: PJSIP/201-1"));

        let text = "Action: Originate\r\nChannel: PJSIP/201\r\nExten: 7\r\nActionID: 4\r\n\r\n";
        say(&mut socket, text, "successfully queued").await;
        assert_eq!(clicks.recv().await.unwrap().channel, "PJSIP/201");

        server.cut();
        let mut rest = Vec::new();
        socket.read_to_end(&mut rest).await.unwrap();
        assert_eq!(server.listeners(), 0);
    }

    #[tokio::test]
    async fn a_wrong_secret_is_sent_away() {
        let (server, _clicks) = AmiServer::start("127.0.0.1:0", "gw", "s3").await.unwrap();
        let mut socket = TcpStream::connect(server.address()).await.unwrap();
        let text = "Action: Login\r\nUsername: gw\r\nKey: 00\r\n\r\n";
        say(&mut socket, text, "Authentication failed").await;
        assert_eq!(server.logins(), 0);
    }
}
