//! Takes connections in and serves requests on them, with limits on what a slow or hostile client can
//! hold: time for the head of a request, time for its body, and how many connections there may be.
//!
//! HTTP/1 only: PBXes and the reverse proxies of `deploy/` speak it. Leaves out TLS (the proxy's), and
//! time limits for answers: the live stream and long recordings go on for as long as they are read.

use std::{
    convert::Infallible,
    io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::{
    BoxError, Router,
    body::{Body, HttpBody},
    extract::{ConnectInfo, Request},
    response::Response,
};
use bytes::Bytes;
use hyper::{
    body::Frame, body::Incoming, body::SizeHint, server::conn::http1, service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use rustix::process::{Resource, getrlimit};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinSet,
    time::{Instant, Sleep, sleep},
};
use tokio_util::sync::CancellationToken;
use tower_service::Service;

use super::settings::Server as Settings;

/// Most bytes of a request's head.
const HEAD_BYTES: usize = 64 * 1024;
/// Files and connections that the rest of the process needs: the database, recordings, PBXes.
const FILES_FOR_OTHERS: u64 = 200;
/// Pause after the system could not give us a connection: it has no files left.
const PAUSE: Duration = Duration::from_millis(200);
/// How often it is said that every connection is taken.
const SAY_FULL_EVERY: Duration = Duration::from_secs(60);

/// Serves until told to stop; then open requests finish, and connections without one end at once.
/// Whoever stops waiting for this cuts off what is left.
pub(super) async fn serve(
    listener: TcpListener,
    router: Router,
    settings: Settings,
    stop: CancellationToken,
) {
    let mut door = Door {
        listener,
        places: Arc::new(Semaphore::new(places(settings.max_connections))),
        said_full: None,
    };
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(Duration::from_millis(settings.head_timeout_ms))
        .max_buf_size(HEAD_BYTES)
        // Who says that nothing more will come still wants the answer to what came.
        .half_close(true);
    let body_timeout = Duration::from_millis(settings.body_timeout_ms);
    let mut open = JoinSet::new();
    loop {
        let (stream, peer, place) = tokio::select! {
            () = stop.cancelled() => break,
            Some(_) = open.join_next(), if !open.is_empty() => continue,
            next = door.next() => next,
        };
        let guest = Guest {
            peer,
            router: router.clone(),
            body_timeout,
        };
        let (http, stop) = (http.clone(), stop.clone());
        open.spawn(async move {
            guest.talk(&http, stream, stop).await;
            drop(place);
        });
    }
    drop(door);
    while open.join_next().await.is_some() {}
}

/// Where connections come in.
struct Door {
    listener: TcpListener,
    places: Arc<Semaphore>,
    said_full: Option<Instant>,
}

impl Door {
    /// The next connection that there is a place for. The others wait in the system's own queue.
    async fn next(&mut self) -> (TcpStream, SocketAddr, OwnedSemaphorePermit) {
        let place = match Arc::clone(&self.places).try_acquire_owned() {
            Ok(place) => place,
            Err(_) => {
                self.say_full();
                let place = Arc::clone(&self.places).acquire_owned().await;
                place.expect("nobody closes these places")
            }
        };
        loop {
            match self.listener.accept().await {
                Ok((stream, peer)) => return (stream, peer, place),
                Err(error) if is_of_the_connection(&error) => {}
                Err(error) => {
                    tracing::warn!(%error, "no connection can be taken");
                    sleep(PAUSE).await;
                }
            }
        }
    }

    fn say_full(&mut self) {
        let said = self
            .said_full
            .is_some_and(|at| at.elapsed() < SAY_FULL_EVERY);
        if !said {
            self.said_full = Some(Instant::now());
            tracing::warn!("every connection is taken: new ones wait (server.max_connections)");
        }
    }
}

/// Whoever connected has gone again; the next one is waiting.
fn is_of_the_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
    )
}

/// As many as wanted, and not more than the system has files for.
fn places(wanted: usize) -> usize {
    let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let most = files.saturating_sub(FILES_FOR_OTHERS).max(files / 2).max(1);
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    if wanted > most {
        tracing::info!(
            most,
            "the system's limit of open files allows fewer connections than server.max_connections"
        );
    }
    wanted.clamp(1, most.min(Semaphore::MAX_PERMITS))
}

/// Who is at the other end of one connection.
struct Guest {
    peer: SocketAddr,
    router: Router,
    body_timeout: Duration,
}

impl Guest {
    async fn talk(self, http: &http1::Builder, stream: TcpStream, stop: CancellationToken) {
        // Small frames of the live stream must not wait for the answer to the one before. Failing
        // only makes them later.
        let _ = stream.set_nodelay(true);
        let service = service_fn(|request| self.answer(request));
        let mut talk = std::pin::pin!(http.serve_connection(TokioIo::new(stream), service));
        let ended = tokio::select! {
            ended = talk.as_mut() => ended,
            () = stop.cancelled() => {
                talk.as_mut().graceful_shutdown();
                talk.await
            }
        };
        if let Err(error) = ended {
            tracing::trace!(%error, "a connection broke off");
        }
    }

    fn answer(
        &self,
        request: hyper::Request<Incoming>,
    ) -> impl Future<Output = Result<Response, Infallible>> + use<> {
        let (mut parts, body) = request.into_parts();
        parts.extensions.insert(ConnectInfo(self.peer));
        let body = Body::new(Timed {
            body,
            timeout: self.body_timeout,
            deadline: None,
        });
        // A router is always ready; a copy of it is a count.
        self.router.clone().call(Request::from_parts(parts, body))
    }
}

/// A body that must come in time. The clock runs only while somebody waits for it.
struct Timed {
    body: Incoming,
    timeout: Duration,
    deadline: Option<Pin<Box<Sleep>>>,
}

impl HttpBody for Timed {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) {
            return Poll::Ready(frame.map(|frame| frame.map_err(BoxError::from)));
        }
        let timeout = self.timeout;
        let deadline = self
            .deadline
            .get_or_insert_with(|| Box::pin(sleep(timeout)));
        ready!(deadline.as_mut().poll(context));
        Poll::Ready(Some(Err("the body came too slowly".into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
