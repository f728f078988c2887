//! The WebSocket (RFC 6455) of the REST interface, for the side that dials and the side that is dialled.
//!
//! The library speaks it; who owns the connection carries its bytes, cut anywhere. Left out: the
//! connection itself, its TLS, and what the texts say.

use std::io::{self, Read, Write};

use bytes::{Buf, Bytes, BytesMut};
use tungstenite::{
    Error, Message, WebSocket,
    client::IntoClientRequest,
    handshake::{
        HandshakeError, MidHandshake,
        client::ClientHandshake,
        server::{Callback, ErrorResponse, Request, Response, ServerHandshake, write_response},
    },
    http::{HeaderValue, StatusCode, header},
    protocol::{Role, WebSocketConfig},
};

use crate::pbx::{DecodeError, Fault, secret};

/// Larger than any honest message: the list of ten thousand channels is smaller.
pub const LONGEST_MESSAGE: usize = 16 * 1024 * 1024;
/// Read and written at once: a message of an event has some 2 kB.
const BUFFER_BYTES: usize = 8 * 1024;
/// Subprotocol of a WebSocket that Asterisk dials.
const PROTOCOL: &str = "ari";

/// What has come.
#[derive(Debug, PartialEq, Eq)]
pub enum Heard {
    /// The other side has taken our handshake, or we have taken its.
    Met,
    /// A whole message.
    Text(Bytes),
    /// The other side goes.
    Close,
}

/// Which side of the connection we are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// We have dialled.
    Dials,
    /// We were dialled.
    IsDialled,
}

impl Side {
    /// A message of text.
    pub fn text(self, text: &str) -> Vec<u8> {
        self.message(Message::text(text))
    }

    /// Asks for a sign of life.
    pub fn ping(self) -> Vec<u8> {
        self.message(Message::Ping(Bytes::from_static(b"ringcard")))
    }

    /// One message as it goes over the wire: it depends on nothing that was sent before.
    fn message(self, message: Message) -> Vec<u8> {
        let mut socket = self.open(Pipe::default());
        let sent = socket.send(message);
        sent.expect("a new socket takes a message, and memory takes its bytes");
        socket.into_inner().sent
    }

    fn open(self, pipe: Pipe) -> WebSocket<Pipe> {
        let role = match self {
            Self::Dials => Role::Client,
            Self::IsDialled => Role::Server,
        };
        WebSocket::from_raw_socket(pipe, role, Some(limits()))
    }
}

fn limits() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(BUFFER_BYTES)
        .write_buffer_size(0)
        .max_message_size(Some(LONGEST_MESSAGE))
        .max_frame_size(Some(LONGEST_MESSAGE))
}

/// One end of a WebSocket.
pub struct Socket(Stage);

/// Where the connection stands.
enum Stage {
    /// We have asked for a WebSocket.
    Asked(MidHandshake<ClientHandshake<Pipe>>),
    /// We wait to be asked for one.
    Listening(MidHandshake<ServerHandshake<Pipe, Doorman>>),
    /// Messages flow.
    Open(WebSocket<Pipe>),
    /// What came was no WebSocket's, or it is over: whatever follows means nothing.
    Over,
}

impl Socket {
    /// In the middle of a connection.
    pub fn open(side: Side) -> Self {
        Self(Stage::Open(side.open(Pipe::default())))
    }

    /// We ask for one at this address (`ws://...`), showing this login (`Basic ...`).
    pub fn dial(url: &str, login: &str) -> Result<Self, DecodeError> {
        let request = || {
            let mut request = url.into_client_request()?;
            let login = HeaderValue::from_str(login)?;
            request.headers_mut().insert(header::AUTHORIZATION, login);
            ClientHandshake::start(Pipe::default(), request, Some(limits()))
        };
        let asking = request().map_err(|error: Error| broken(&error.to_string()))?;
        Ok(Self(Stage::Asked(asking)))
    }

    /// We wait to be asked for one, by whoever shows this login.
    pub fn listen(login: String) -> Self {
        let pipe = Pipe::default();
        let waiting = ServerHandshake::start(pipe, Doorman { login }, Some(limits()));
        Self(Stage::Listening(waiting))
    }

    /// Takes more bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        if let Some(pipe) = self.pipe() {
            pipe.came.extend_from_slice(bytes);
        }
    }

    /// What has come next, if there is anything; what the other side must be told goes to `send`. After
    /// an error nothing more can be read.
    pub fn next(&mut self, send: &mut Vec<u8>) -> Result<Option<Heard>, DecodeError> {
        match std::mem::replace(&mut self.0, Stage::Over) {
            Stage::Asked(asking) => match asking.handshake() {
                Ok((socket, _)) => Ok(self.stands(Stage::Open(socket), send, Some(Heard::Met))),
                Err(HandshakeError::Interrupted(asking)) => {
                    Ok(self.stands(Stage::Asked(asking), send, None))
                }
                Err(HandshakeError::Failure(error)) => Err(DecodeError::Down(not_let_in(&error))),
            },
            Stage::Listening(waiting) => match waiting.handshake() {
                Ok(socket) => Ok(self.stands(Stage::Open(socket), send, Some(Heard::Met))),
                Err(HandshakeError::Interrupted(waiting)) => {
                    Ok(self.stands(Stage::Listening(waiting), send, None))
                }
                Err(HandshakeError::Failure(error)) => {
                    Err(DecodeError::Down(turned_away(&error, send)))
                }
            },
            Stage::Open(socket) => self.heard(socket, send),
            Stage::Over => Err(broken("after its end")),
        }
    }

    fn heard(
        &mut self,
        mut socket: WebSocket<Pipe>,
        send: &mut Vec<u8>,
    ) -> Result<Option<Heard>, DecodeError> {
        let heard = loop {
            let read = socket.read();
            // Signs of life and goodbyes are answered into memory, which fails only where both sides
            // have said goodbye.
            let _ = socket.flush();
            match read {
                Ok(Message::Text(text)) => break Some(Heard::Text(text.into())),
                Ok(Message::Binary(bytes)) => break Some(Heard::Text(bytes)),
                Ok(Message::Close(_)) => break Some(Heard::Close),
                Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_)) => {}
                Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => break None,
                Err(Error::Capacity(_)) => {
                    let limit = LONGEST_MESSAGE;
                    return Err(DecodeError::TooLarge { limit });
                }
                Err(error) => return Err(DecodeError::Malformed(error.to_string())),
            }
        };
        Ok(self.stands(Stage::Open(socket), send, heard))
    }

    /// How the connection stands now, and what the other side must be told for it.
    fn stands(&mut self, stage: Stage, send: &mut Vec<u8>, heard: Option<Heard>) -> Option<Heard> {
        self.0 = stage;
        if let Some(pipe) = self.pipe() {
            send.append(&mut pipe.sent);
        }
        heard
    }

    fn pipe(&mut self) -> Option<&mut Pipe> {
        match &mut self.0 {
            Stage::Asked(asking) => Some(asking.get_mut().get_mut()),
            Stage::Listening(waiting) => Some(waiting.get_mut().get_mut()),
            Stage::Open(socket) => Some(socket.get_mut()),
            Stage::Over => None,
        }
    }
}

/// Both directions of a connection that somebody else carries: what has come and is not read, and what
/// has been written.
#[derive(Default)]
struct Pipe {
    came: BytesMut,
    sent: Vec<u8>,
}

impl Read for Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.came.len().min(buffer.len());
        if length == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.came.copy_to_slice(&mut buffer[..length]);
        Ok(length)
    }
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.sent.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Lets in who shows the secret and speaks what we do.
struct Doorman {
    /// What `Authorization` must say.
    login: String,
}

impl Callback for Doorman {
    fn on_request(
        self,
        request: &Request,
        mut response: Response,
    ) -> Result<Response, ErrorResponse> {
        let said = |name| {
            request
                .headers()
                .get(name)
                .map_or(&b""[..], HeaderValue::as_bytes)
        };
        if !secret::is(said(header::AUTHORIZATION), self.login) {
            return Err(refusal(StatusCode::UNAUTHORIZED));
        }
        let mut spoken = said(header::SEC_WEBSOCKET_PROTOCOL).split(|byte| *byte == b',');
        if !spoken.any(|known| known.trim_ascii() == PROTOCOL.as_bytes()) {
            return Err(refusal(StatusCode::BAD_REQUEST));
        }
        let protocol = HeaderValue::from_static(PROTOCOL);
        let headers = response.headers_mut();
        headers.insert(header::SEC_WEBSOCKET_PROTOCOL, protocol);
        Ok(response)
    }
}

fn refusal(status: StatusCode) -> ErrorResponse {
    let mut response = ErrorResponse::new(None);
    *response.status_mut() = status;
    let nothing = HeaderValue::from_static("0");
    response
        .headers_mut()
        .insert(header::CONTENT_LENGTH, nothing);
    response
}

/// Why whom we dialled does not let us in.
fn not_let_in(error: &Error) -> Fault {
    let Error::Http(response) = error else {
        return Fault::Stranger(error.to_string());
    };
    let status = response.status();
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Fault::Refused(status.to_string()),
        // Another program's, or one that stands before the PBX.
        _ => Fault::Stranger(status.to_string()),
    }
}

/// Why we do not let in who has dialled us; who can read it is told.
fn turned_away(error: &Error, send: &mut Vec<u8>) -> Fault {
    let Error::Http(response) = error else {
        return Fault::Uninvited;
    };
    write_response(send, response).expect("what we say is text, and memory takes it");
    match response.status() {
        StatusCode::UNAUTHORIZED => Fault::Intruder,
        _ => Fault::Uninvited,
    }
}

fn broken(why: &str) -> DecodeError {
    DecodeError::Down(Fault::Stranger(why.to_owned()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What one side reads of bytes cut at these places, as far as it can read.
    fn cut(side: Side, stream: &[u8], places: &[usize]) -> Vec<Heard> {
        let mut socket = Socket::open(side);
        let mut found = Vec::new();
        let mut from = 0;
        for &to in places.iter().chain([&stream.len()]) {
            socket.push(&stream[from..to]);
            found.extend(std::iter::from_fn(|| {
                socket.next(&mut Vec::new()).ok().flatten()
            }));
            from = to;
        }
        found
    }

    fn text(text: &str) -> Heard {
        Heard::Text(Bytes::copy_from_slice(text.as_bytes()))
    }

    /// What a side that has dialled answers to these bytes.
    fn answer(stream: &[u8]) -> Vec<u8> {
        let mut socket = Socket::open(Side::IsDialled);
        let mut sent = Vec::new();
        socket.push(stream);
        while let Ok(Some(_)) = socket.next(&mut sent) {}
        sent
    }

    #[test]
    fn what_one_side_sends_the_other_reads_whatever_its_length() {
        for (speaks, hears) in [
            (Side::Dials, Side::IsDialled),
            (Side::IsDialled, Side::Dials),
        ] {
            for length in [0, 1, 125, 126, 65_535, 65_536, 200_000] {
                let long = "x".repeat(length);
                assert_eq!(
                    cut(hears, &speaks.text(&long), &[]),
                    [text(&long)],
                    "{length}"
                );
            }
            assert_eq!(cut(hears, &speaks.ping(), &[]), []);
            // Whoever is dialled takes only masked frames, whoever dials only plain ones.
            assert_eq!(cut(speaks, &speaks.text("x"), &[]), []);
        }
    }

    #[test]
    fn a_ping_and_a_goodbye_are_answered() {
        assert_eq!(answer(&Side::Dials.ping()), *b"\x8a\x08ringcard");
        assert_eq!(answer(&[0x88, 0x80, 0, 0, 0, 0]), [0x88, 0]);
    }

    #[test]
    fn a_message_in_several_frames_comes_whole_with_signs_between() {
        let mut stream = vec![0x01, 2, b'a', b'b', 0x89, 0];
        stream.extend([0x00, 1, b'c', 0x80, 1, b'd', 0x88, 0]);
        for place in 0..stream.len() {
            let heard = cut(Side::Dials, &stream, &[place]);
            assert_eq!(heard, [text("abcd"), Heard::Close], "cut at {place}");
        }
    }

    /// Whether these bytes end a connection that we have dialled for good.
    fn ends(wrong: &[u8]) -> bool {
        let mut socket = Socket::open(Side::Dials);
        socket.push(wrong);
        let first = loop {
            match socket.next(&mut Vec::new()) {
                Ok(Some(_)) => {}
                Ok(None) => break true,
                Err(_) => break false,
            }
        };
        socket.push(&[0x81, 1, b'x']);
        !first && socket.next(&mut Vec::new()).is_err()
    }

    #[test]
    fn what_no_websocket_sends_is_refused() {
        for wrong in [
            &[0x80, 1, b'x'][..],                         // continues nothing
            &[0xc1, 1, b'x'],                             // compressed, which nobody offered
            &[0x83, 0],                                   // no such kind
            &[0x81, 1, 0xff],                             // no text
            &[0x01, 1, b'x', 0x81, 1, b'x'],              // begins twice
            &[0x81, 127, 0, 0, 0, 0, 0xff, 0, 0, 0],      // 4 GB
            &[0x81, 127, 0xff, 0, 0, 0, 0, 0, 0, 0, 0x0], // more than there is
        ] {
            assert!(ends(wrong), "{wrong:?}");
        }
        assert!(!ends(&[0x81, 1, b'x']));
    }

    #[test]
    fn a_message_larger_than_any_honest_one_is_refused_in_one_frame_and_in_many() {
        let limit = LONGEST_MESSAGE;
        let too_large = Err(DecodeError::TooLarge { limit });
        let mut one = Socket::open(Side::Dials);
        one.push(&[&[0x81, 127][..], &(limit as u64 + 1).to_be_bytes()].concat());
        assert_eq!(one.next(&mut Vec::new()), too_large);
        let mut many = Socket::open(Side::Dials);
        let half = [&[127][..], &(limit as u64 / 2 + 1).to_be_bytes()].concat();
        for first in [0x01, 0x80] {
            many.push(&[first]);
            many.push(&half);
            many.push(&vec![b'x'; limit / 2 + 1]);
        }
        assert_eq!(many.next(&mut Vec::new()), too_large);
    }

    #[test]
    fn a_handshake_without_end_is_refused() {
        let mut socket = Socket::listen("Basic x".to_owned());
        socket.push(&[b'x'; 64 * 1024 + 1]);
        assert!(socket.next(&mut Vec::new()).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_can_be_pushed_anyhow(
            stream in proptest::collection::vec(any::<u8>(), 0..300),
            places in proptest::collection::vec(0_usize..300, 0..6),
        ) {
            let mut places: Vec<usize> = places.into_iter().map(|place| place.min(stream.len())).collect();
            places.sort_unstable();
            for side in [Side::Dials, Side::IsDialled] {
                prop_assert_eq!(cut(side, &stream, &places), cut(side, &stream, &[]));
            }
        }
    }
}
