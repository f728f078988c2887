//! Commands on the live connection: click-to-call by Originate, sending on by Redirect, pauses of recordings.
//!
//! Nothing that people or clients wrote goes into an action unchecked: the manager interface separates
//! by line ends and commas, and a dialplan executes what it is given.

use std::{
    collections::HashMap,
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, timeout_at},
};

use super::{
    Settings,
    events::{COMMAND, SEND_ON},
    facts::{Directory, OWN, OWN_PEER},
    route,
    wire::Action,
};
use crate::pbx::PbxError;

/// How long the PBX may take to accept an action.
const PATIENCE: Duration = Duration::from_secs(5);
/// Most actions waiting for the connection.
const QUEUE: usize = 256;

/// Actions on their way to the PBX and those that wait for its answer.
pub struct Commands {
    connected: AtomicBool,
    queue: mpsc::Sender<Outgoing>,
    leaving: tokio::sync::Mutex<mpsc::Receiver<Outgoing>>,
    waiting: Mutex<HashMap<String, oneshot::Sender<Answer>>>,
}

/// What the PBX says to an action: the `Value` of its answer, if it has one.
type Answer = Result<String, PbxError>;

struct Outgoing {
    bytes: Bytes,
    until: Instant,
}

impl Default for Commands {
    fn default() -> Self {
        let (queue, leaving) = mpsc::channel(QUEUE);
        Self {
            connected: AtomicBool::new(false),
            queue,
            leaving: tokio::sync::Mutex::new(leaving),
            waiting: Mutex::default(),
        }
    }
}

impl Commands {
    /// Sends an action and waits until the PBX has accepted it.
    pub async fn carry_out(&self, id: &str, action: impl Into<Bytes>) -> Answer {
        if !self.connected.load(Ordering::Acquire) {
            return Err(PbxError::Unreachable);
        }
        let until = Instant::now() + PATIENCE;
        let (answer, answered) = oneshot::channel();
        self.waiting().insert(id.to_owned(), answer);
        let outgoing = Outgoing {
            bytes: action.into(),
            until,
        };
        let result = match self.queue.try_send(outgoing) {
            Ok(()) => match timeout_at(until, answered).await {
                Ok(Ok(result)) => result,
                Ok(Err(_)) | Err(_) => Err(PbxError::Unreachable),
            },
            Err(_) => Err(PbxError::Unreachable),
        };
        self.waiting().remove(id);
        result
    }

    /// The next bytes to send. What has waited too long is dropped: a phone must not ring long after
    /// its click.
    pub async fn next(&self) -> Bytes {
        let mut leaving = self.leaving.lock().await;
        loop {
            match leaving.recv().await {
                Some(outgoing) if outgoing.until > Instant::now() => return outgoing.bytes,
                Some(_) => {}
                None => std::future::pending().await,
            }
        }
    }

    /// The PBX has answered the action of this id.
    pub fn answered(&self, id: &str, answer: Answer) {
        if let Some(waiting) = self.waiting().remove(id) {
            // Whoever asked may have given up meanwhile.
            let _ = waiting.send(answer);
        }
    }

    /// Logged in: commands may go.
    pub fn connected(&self) {
        self.connected.store(true, Ordering::Release);
    }

    /// The connection is gone, and with it every answer.
    pub fn disconnected(&self) {
        self.connected.store(false, Ordering::Release);
        self.waiting().clear();
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<String, oneshot::Sender<Answer>>> {
        // Each change of the map is one statement, so a panic elsewhere leaves it whole.
        self.waiting
            .lock()
            .unwrap_or_else(|broken| broken.into_inner())
    }
}

/// Whom a click rings, and then dials.
pub struct Click {
    /// The employee's channel.
    pub channel: String,
    /// The client's number, as the dialplan dials it.
    pub number: String,
}

/// Reads a click; nothing unchecked gets into what is asked of the PBX.
pub fn click(
    settings: &Settings,
    directory: &Directory,
    command: &str,
    extension: &str,
    client: &str,
) -> Result<Click, PbxError> {
    let refuse = |what: &str| Err(PbxError::Refused(format!("{what} cannot be dialled")));
    if !is_name(command, 64) {
        return refuse("this command");
    }
    let endpoint = directory.endpoint(extension);
    if !is_name(endpoint, 32) {
        return refuse("this extension");
    }
    // RFC 3966 §5.1.4: a global number is a plus and digits; E.164 allows 15 of them.
    let digits = match client.strip_prefix('+') {
        Some(digits) if (5..=15).contains(&digits.len()) && all_digits(digits) => digits,
        _ => return refuse("this number"),
    };
    Ok(Click {
        channel: settings.click_channel.replace("{endpoint}", endpoint),
        number: format!("{}{digits}", settings.dial_prefix),
    })
}

/// The action that rings the employee and then the client, with its id.
pub fn click_to_call(
    settings: &Settings,
    directory: &Directory,
    command: &str,
    extension: &str,
    client: &str,
) -> Result<(String, Action), PbxError> {
    let Click { channel, number } = click(settings, directory, command, extension, client)?;
    let id = format!("{COMMAND}{command}");
    let action = Action::new("Originate", &id)
        .with("Channel", &channel)
        .with("Context", &settings.click_context)
        .with("Exten", &number)
        .with("Priority", "1")
        .with("CallerID", &format!("<{number}>"))
        .with("Timeout", &settings.click_timeout_ms.to_string())
        .with("ChannelId", &format!("{OWN}{command}"))
        .with("OtherChannelId", &format!("{OWN}{command}{OWN_PEER}"))
        .with("Async", "true");
    Ok((id, action))
}

/// The action that silences the recordings of this channel, or lets them hear again, with its id.
pub fn pause_recording(channel: &str, pause: bool) -> Result<(String, Action), PbxError> {
    if !is_name(channel, 150) {
        return Err(PbxError::Refused("no such channel".to_owned()));
    }
    let state = if pause { "1" } else { "0" };
    let id = format!("{COMMAND}record/{channel}/{state}");
    // A channel is found by its Uniqueid as well (main/channel.c, ast_channel_get_by_name).
    let action = Action::new("MixMonitorMute", &id)
        .with("Channel", channel)
        .with("Direction", "both")
        .with("State", state);
    Ok((id, action))
}

/// What is told and asked to send a ringing client on, in this order; each waits for the one before.
pub struct SendOn {
    /// Tells the dialplan how long the phone may ring.
    pub ring: (String, Action),
    /// Asks whom the client is connected with: nobody, or the call is left alone.
    pub peer: (String, Action),
    /// Sends the client to the phone.
    pub redirect: (String, Action),
}

/// The actions that send the client on this channel to `extension` in `context`.
pub fn send_on(
    context: &str,
    (uniqueid, extension): (&str, &str),
    ring_ms: i64,
    command: &str,
) -> Result<SendOn, PbxError> {
    let refuse = |what: &str| Err(PbxError::Refused(format!("{what} cannot be sent on")));
    if !is_name(uniqueid, 128) || !is_name(command, 64) {
        return refuse("this call");
    }
    if !(1..=32).contains(&extension.len()) || !all_digits(extension) {
        return refuse("a call to this extension");
    }
    let of = |name: &str, what: &str| {
        let id = format!("{SEND_ON}{what}/{command}");
        // asterisk/main/channel.c, ast_channel_get_by_name: a Uniqueid is taken for a name.
        let action = Action::new(name, &id).with("Channel", uniqueid);
        (id, action)
    };
    let (ring, peer, redirect) = (
        of("Setvar", "ring"),
        of("Getvar", "peer"),
        of("Redirect", "redirect"),
    );
    Ok(SendOn {
        ring: (
            ring.0,
            ring.1
                .with("Variable", "RINGCARD_RING")
                .with("Value", &route::seconds(ring_ms)),
        ),
        peer: (peer.0, peer.1.with("Variable", "BRIDGEPEER")),
        redirect: (
            redirect.0,
            redirect
                .1
                .with("Context", context)
                .with("Exten", extension)
                .with("Priority", "1"),
        ),
    })
}

/// Letters, digits, `-`, `_` and `.`, and not too many.
pub fn is_name(text: &str, longest: usize) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    (1..=longest).contains(&text.len()) && text.bytes().all(allowed)
}

/// Whether there is nothing but digits.
pub fn all_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn click(command: &str, extension: &str, client: &str) -> Result<String, PbxError> {
        let (settings, directory) = (Settings::default(), Directory::default());
        click_to_call(&settings, &directory, command, extension, client)
            .map(|(_, action)| String::from_utf8(action.bytes()).unwrap())
    }

    #[test]
    fn a_click_names_its_channels_after_the_command() {
        let text = click("0198-ab", "101", "+74950000077").unwrap();
        for line in [
            "Channel: PJSIP/101\r\n",
            "Exten: 74950000077\r\n",
            "ChannelId: ringcard-0198-ab\r\n",
            "OtherChannelId: ringcard-0198-ab-peer\r\n",
            "Async: true\r\n",
        ] {
            assert!(text.contains(line), "{text}");
        }
    }

    #[test]
    fn a_pause_names_the_channel_and_nothing_else() {
        let (_, action) = pause_recording("1773728100.7", true).unwrap();
        let text = String::from_utf8(action.bytes()).unwrap();
        for line in ["Channel: 1773728100.7\r\n", "State: 1\r\n"] {
            assert!(text.contains(line), "{text}");
        }
        assert!(pause_recording("1\r\nAction: Command", true).is_err());
    }

    #[test]
    fn nothing_but_numbers_and_names_is_dialled() {
        let wrong = [
            ("c", "101", "74950000077"),
            ("c", "101", "+7495000007a"),
            ("c", "101", "+74950000077,1"),
            ("c", "101", "+7495\r\nAction: Command"),
            ("c", "101", "+٧٤٩٥٠٠٠٠٠٧٧"),
            ("c", "101", "+1234"),
            ("c", "101", "+1234567890123456"),
            ("c", "101&102", "+74950000077"),
            ("c", "", "+74950000077"),
            ("c", "101/n", "+74950000077"),
            ("c\r\n", "101", "+74950000077"),
        ];
        for (command, extension, client) in wrong {
            let result = click(command, extension, client);
            assert!(
                matches!(result, Err(PbxError::Refused(_))),
                "{extension} {client}"
            );
        }
    }

    #[test]
    fn nothing_but_a_channel_is_sent_to_nothing_but_a_number() {
        let told = |leg: &str, extension: &str| {
            send_on("ringcard-sent-on", (leg, extension), 9_500, "c1").map(|actions| {
                let bytes = [actions.ring, actions.peer, actions.redirect]
                    .map(|(_, action)| action.bytes())
                    .concat();
                String::from_utf8(bytes).unwrap()
            })
        };
        let text = told("sys-1773728100.7", "101").unwrap();
        for line in [
            "Channel: sys-1773728100.7\r\n",
            "Variable: RINGCARD_RING\r\nValue: 9.500\r\n",
            "Context: ringcard-sent-on\r\nExten: 101\r\nPriority: 1\r\n",
        ] {
            assert!(text.contains(line), "{text}");
        }
        for (leg, extension) in [
            ("1.1\r\nAction: Command", "101"),
            ("", "101"),
            ("PJSIP/trunk-1", "101"),
            ("1.1", ""),
            ("1.1", "10&1"),
            ("1.1", "anna"),
            ("1.1", "١٠١"),
        ] {
            let result = told(leg, extension);
            assert!(
                matches!(result, Err(PbxError::Refused(_))),
                "{leg} {extension}"
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_command_waits_for_the_word_of_the_pbx() {
        let commands = Arc::new(Commands::default());
        let action = || Action::new("Originate", "a");
        let result = commands.carry_out("a", action()).await;
        assert!(
            matches!(result, Err(PbxError::Unreachable)),
            "not connected"
        );

        commands.connected();
        let asker = Arc::clone(&commands);
        let task = tokio::spawn(async move { asker.carry_out("a", action()).await });
        assert!(commands.next().await.starts_with(b"Action: Originate"));
        let wrong = "Extension does not exist.".to_owned();
        commands.answered("a", Err(PbxError::Refused(wrong)));
        let result = task.await.unwrap();
        assert!(matches!(result, Err(PbxError::Refused(why)) if why.contains("exist")));
    }

    #[tokio::test(start_paused = true)]
    async fn a_command_that_waited_too_long_never_leaves() {
        let commands = Commands::default();
        commands.connected();
        let result = commands.carry_out("a", Action::new("Originate", "a")).await;
        assert!(matches!(result, Err(PbxError::Unreachable)));
        let nothing = tokio::time::timeout(Duration::from_secs(60), commands.next()).await;
        assert!(nothing.is_err());
    }
}
