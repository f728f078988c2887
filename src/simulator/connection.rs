//! One HTTP/1.1 connection that stays open: the way of a provider's webhook to us, and of the benches.
//!
//! It reads no more of an answer than its status and length, so that most of the work on a small
//! machine is the server's.

use std::{io, net::SocketAddr};

use memchr::memmem;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// One connection to an HTTP/1.1 server, one request at a time.
pub struct Connection {
    socket: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    /// Connects.
    pub async fn open(server: SocketAddr) -> io::Result<Self> {
        let socket = TcpStream::connect(server).await?;
        socket.set_nodelay(true)?;
        Ok(Self {
            socket,
            buffer: Vec::with_capacity(4096),
        })
    }

    /// Sends one request as it is and returns the status of its answer.
    pub async fn exchange(&mut self, request: &[u8]) -> io::Result<u16> {
        self.socket.write_all(request).await?;
        self.buffer.clear();
        loop {
            if self.socket.read_buf(&mut self.buffer).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if let Some(head) = Head::read(&self.buffer)?
                && self.buffer.len() >= head.length
            {
                return Ok(head.status);
            }
        }
    }

    /// The body of the last answer.
    pub fn body(&self) -> &[u8] {
        let end = memmem::find(&self.buffer, b"\r\n\r\n").map_or(0, |at| at + 4);
        self.buffer.get(end..).unwrap_or_default()
    }
}

/// What must be known of an answer's head.
struct Head {
    status: u16,
    /// Of head and body together.
    length: usize,
}

impl Head {
    /// `None` until the head is complete.
    fn read(bytes: &[u8]) -> io::Result<Option<Self>> {
        let Some(end) = memmem::find(bytes, b"\r\n\r\n") else {
            return Ok(None);
        };
        let text = std::str::from_utf8(&bytes[..end]).map_err(io::Error::other)?;
        let mut lines = text.split("\r\n");
        let status = lines.next().and_then(|line| line.get(9..12)?.parse().ok());
        let status = status.ok_or_else(|| io::Error::other("no status in the answer"))?;
        let body = lines
            .filter_map(|line| line.split_once(':'))
            .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
            .and_then(|(_, value)| value.trim().parse::<usize>().ok())
            .unwrap_or(0);
        Ok(Some(Self {
            status,
            length: end + 4 + body,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_complete_when_its_body_is_there() {
        let bytes = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
        let head = Head::read(bytes).unwrap().unwrap();
        assert_eq!((head.status, head.length), (200, bytes.len()));
        assert!(Head::read(&bytes[..20]).unwrap().is_none());
    }
}
