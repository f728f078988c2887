//! Questions "who should ring?" over plain connections, for PBXes that ask so ([`Pbx::asks_at`]): the same
//! question, the same checks, the same answer as over HTTP.
//!
//! The PBX may wait for an answer as long as the connection stands, so everything here has one deadline:
//! the connection is closed when it is over, answered or not, and the PBX goes on with its own scheme.
//! Who is not let in hears nothing.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::timeout,
};

use super::{Hooks, Taken, admit, take, turned::Turned};
use crate::{
    flow,
    model::ids::AccountName,
    pbx::{DecodeError, Pbx, Request},
};

/// Longest life of a connection: an answer comes well before (`hooks.route_timeout_ms`).
const DEADLINE: Duration = Duration::from_secs(2);
/// How long the PBX may take to read the answer.
const READS: Duration = Duration::from_millis(500);
/// Most connections of one account at once; more are closed unheard.
const AT_ONCE: usize = 256;
/// Pause after a connection could not be taken.
const PAUSE: Duration = Duration::from_millis(100);
/// Pause before an address that could not be listened on is tried again.
const AGAIN: Duration = Duration::from_secs(5);

/// One account that asks over plain connections.
pub struct Door {
    hooks: Arc<Hooks>,
    account: AccountName,
    address: SocketAddr,
}

impl Door {
    /// Where this account asks; nobody listens yet.
    pub fn new(hooks: Arc<Hooks>, account: AccountName, address: SocketAddr) -> Arc<Self> {
        Arc::new(Self {
            hooks,
            account,
            address,
        })
    }

    /// Answers questions, for ever.
    pub async fn serve(self: Arc<Self>) {
        let listener = self.listen().await;
        let room = Arc::new(Semaphore::new(AT_ONCE));
        loop {
            let (socket, peer) = match listener.accept().await {
                Ok(connection) => connection,
                Err(error) => {
                    tracing::warn!(account = %self.account, %error, "a question could not be heard");
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
            };
            let Ok(seat) = Arc::clone(&room).try_acquire_owned() else {
                continue;
            };
            let door = Arc::clone(&self);
            tokio::spawn(async move {
                if timeout(DEADLINE, door.one(socket, peer)).await.is_err() {
                    tracing::info!(
                        account = %door.account,
                        "a question was not answered in time"
                    );
                }
                drop(seat);
            });
        }
    }

    /// Listens as soon as it can: the address may still be somebody else's.
    async fn listen(&self) -> TcpListener {
        loop {
            match TcpListener::bind(self.address).await {
                Ok(listener) => return listener,
                Err(error) => {
                    tracing::error!(account = %self.account, address = %self.address, %error,
                        "cannot listen for questions");
                    tokio::time::sleep(AGAIN).await;
                }
            }
        }
    }

    async fn one(&self, mut socket: TcpStream, peer: SocketAddr) {
        let (began, now) = (Instant::now(), flow::now());
        let hooks = &self.hooks;
        let account = hooks
            .open
            .load()
            .accounts
            .get(self.account.as_str())
            .cloned();
        let Some(account) = account else {
            return; // it has just gone
        };
        let account = account.as_ref();
        let remote = peer.ip().to_string();
        let request = match read(&mut socket, account.pbx.as_ref(), &remote).await {
            Ok(request) => admit(account, &request, now).map(|()| request),
            Err(turned) => Err(turned),
        };
        let request = match request {
            Ok(request) => request,
            // The status is for those who speak HTTP; here the connection is closed.
            Err(turned) => return drop(hooks.refuse(account, turned, &remote, now)),
        };
        // What does not ask is kept like a message; there is nothing to answer here.
        if let Taken::Asked(_, told) = take(hooks, account, &request, now, began).await {
            tell(socket, &account.pbx.write_answer(&told)).await;
        }
    }
}

async fn read(socket: &mut TcpStream, pbx: &dyn Pbx, remote: &str) -> Result<Request, Turned> {
    let mut raw = Vec::with_capacity(2_048);
    loop {
        match pbx.read_question(&raw, remote) {
            Ok(Some(request)) => return Ok(request),
            Ok(None) => {}
            Err(DecodeError::TooLarge { .. }) => return Err(Turned::TooLarge),
            Err(_) => return Err(Turned::BrokenOff),
        }
        match socket.read_buf(&mut raw).await {
            Ok(0) | Err(_) => return Err(Turned::BrokenOff),
            Ok(_) => {}
        }
    }
}

/// Writes the answer and waits until the PBX has closed its side, so that nothing of it is lost.
async fn tell(mut socket: TcpStream, answer: &[u8]) {
    if socket.write_all(answer).await.is_err() || socket.shutdown().await.is_err() {
        return;
    }
    let mut rest = [0; 1_024];
    let read_to_the_end = async { while matches!(socket.read(&mut rest).await, Ok(1..)) {} };
    // Whoever goes on talking is not listened to.
    let _ = timeout(READS, read_to_the_end).await;
}
