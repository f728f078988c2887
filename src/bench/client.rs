//! A load generator: requests over connections that stay open, one thread for all of them.
//!
//! Each connection sends a request, waits for the whole of its answer and only then sends the next, as
//! wrk does; of the answer no more is read than its status and length. What the generator takes from
//! the machine, the servers beside it do not have, so it is the same for every server of a round, and
//! cheap: against the bare server it has been seen to agree with wrk (README).
//!
//! At a given pace a timer of the system's wakes the connections: the runtime's own counts whole
//! milliseconds, and would add up to one to every latency.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use rustix::time::{
    ClockId, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, clock_gettime,
    timerfd_create, timerfd_settime,
};
use tokio::{io::unix::AsyncFd, sync::Semaphore};

use crate::simulator::connection::Connection;

/// How a run went.
#[derive(Debug, Default)]
pub struct Run {
    /// Answers with status 2xx.
    pub accepted: usize,
    /// All other answers and broken connections.
    pub refused: usize,
    /// From the first request to the last answer.
    pub elapsed: Duration,
    /// Latency of each accepted request, sorted.
    pub latencies: Vec<Duration>,
    /// Processor time of the generator itself.
    pub cpu: Duration,
}

impl Run {
    /// Accepted requests per second.
    pub fn per_second(&self) -> f64 {
        self.accepted as f64 / self.elapsed.as_secs_f64().max(1e-9)
    }

    /// The latency that `share` (0.99) of requests did not exceed, in milliseconds.
    pub fn percentile_ms(&self, share: f64) -> f64 {
        percentile_ms(&self.latencies, share)
    }
}

/// The latency that `share` of the sorted `latencies` did not exceed, in milliseconds.
pub fn percentile_ms(latencies: &[Duration], share: f64) -> f64 {
    let last = latencies.len().saturating_sub(1);
    let at = ((latencies.len() as f64 * share).ceil() as usize).saturating_sub(1);
    latencies
        .get(at.min(last))
        .map_or(0.0, |latency| latency.as_secs_f64() * 1_000.0)
}

/// What is sent.
#[derive(Clone)]
pub enum Requests {
    /// These, each once.
    List(Arc<Vec<Bytes>>),
    /// As many as are wanted: writes the request of this number into the empty buffer.
    Made(fn(usize, &mut Vec<u8>)),
}

impl From<Vec<Bytes>> for Requests {
    fn from(list: Vec<Bytes>) -> Self {
        Self::List(Arc::new(list))
    }
}

impl Requests {
    /// Puts the request into the buffer; `false` if there are no more.
    fn fill(&self, n: usize, buffer: &mut Vec<u8>) -> bool {
        buffer.clear();
        match self {
            Self::List(list) => match list.get(n) {
                Some(request) => buffer.extend_from_slice(request),
                None => return false,
            },
            Self::Made(make) => make(n, buffer),
        }
        true
    }
}

/// How requests are sent.
#[derive(Clone, Copy, Debug)]
pub enum Pace {
    /// Each connection sends the next request as soon as it has its answer, until all are sent.
    Closed,
    /// The same for so long; then open requests are waited for.
    ClosedFor(Duration),
    /// So many a second, each at its due time; latency counts from the due time.
    Open {
        /// Requests per second over all connections.
        per_second: f64,
    },
}

impl Pace {
    fn is_over(self, start: Instant) -> bool {
        matches!(self, Self::ClosedFor(long) if start.elapsed() >= long)
    }
}

/// Sends `requests` over `connections` and waits for all answers, in a thread of its own.
pub async fn send(
    server: SocketAddr,
    requests: Requests,
    connections: usize,
    pace: Pace,
) -> io::Result<Run> {
    let (done, run) = tokio::sync::oneshot::channel();
    std::thread::Builder::new()
        .name("load".to_owned())
        .spawn(move || {
            let run = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .and_then(|runtime| runtime.block_on(all(server, requests, connections, pace)));
            // The receiver is gone only if the bench itself was stopped.
            let _ = done.send(run);
        })?;
    run.await.map_err(io::Error::other)?
}

async fn all(
    server: SocketAddr,
    requests: Requests,
    connections: usize,
    pace: Pace,
) -> io::Result<Run> {
    let next = Arc::new(AtomicUsize::new(0));
    let mut open = Vec::new();
    for _ in 0..connections {
        open.push(Connection::open(server).await?);
    }
    let due = Arc::new(Semaphore::new(0));
    let (start, begun) = (Instant::now(), clock_gettime(ClockId::Monotonic));
    let beat = match pace {
        Pace::Open { per_second } => Some(tokio::spawn(beat(Arc::clone(&due), begun, per_second))),
        Pace::Closed | Pace::ClosedFor(_) => None,
    };
    let tasks: Vec<_> = open
        .into_iter()
        .map(|connection| {
            let (requests, next, due) = (requests.clone(), Arc::clone(&next), Arc::clone(&due));
            tokio::spawn(work(connection, server, requests, next, due, pace, start))
        })
        .collect();
    let mut run = Run::default();
    for task in tasks {
        let part = task.await.map_err(io::Error::other)?;
        run.accepted += part.accepted;
        run.refused += part.refused;
        run.latencies.extend(part.latencies);
    }
    run.elapsed = start.elapsed();
    due.close();
    if let Some(beat) = beat {
        beat.await.map_err(io::Error::other)??;
    }
    run.latencies.sort_unstable();
    run.cpu = Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default();
    Ok(run)
}

/// Gives a permit whenever a request is due, until nobody takes them any more. Nobody waits for one in vain.
/// The first is due when it had `begun`: what passes until the timer is set is not added to every latency.
async fn beat(due: Arc<Semaphore>, begun: Timespec, per_second: f64) -> io::Result<()> {
    let beaten = beats(&due, begun, per_second).await;
    due.close();
    beaten
}

async fn beats(due: &Semaphore, begun: Timespec, per_second: f64) -> io::Result<()> {
    let every = Duration::from_secs_f64(1.0 / per_second);
    let timer = timerfd_create(
        TimerfdClockId::Monotonic,
        TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC,
    )?;
    let beats = Itimerspec {
        it_interval: every.try_into().map_err(io::Error::other)?,
        it_value: begun,
    };
    timerfd_settime(&timer, TimerfdTimerFlags::ABSTIME, &beats)?;
    #[expect(
        deprecated,
        reason = "its doubt is whether the descriptor stays open: this one is owned by what watches it"
    )]
    let timer = AsyncFd::new(timer)?;
    while !due.is_closed() {
        let mut count = [0; 8];
        let mut ready = timer.readable().await?;
        // Whoever had to wait is told how many beats have passed.
        if let Ok(read) = ready.try_io(|timer| Ok(rustix::io::read(timer, &mut count)?)) {
            read?;
            due.add_permits(u64::from_ne_bytes(count) as usize);
        }
    }
    Ok(())
}

async fn work(
    mut connection: Connection,
    server: SocketAddr,
    requests: Requests,
    next: Arc<AtomicUsize>,
    due: Arc<Semaphore>,
    pace: Pace,
    start: Instant,
) -> Run {
    let mut run = Run::default();
    let mut request = Vec::new();
    loop {
        if pace.is_over(start) {
            return run;
        }
        if matches!(pace, Pace::Open { .. }) {
            match due.acquire().await {
                Ok(permit) => permit.forget(),
                Err(_) => return run,
            }
        }
        let n = next.fetch_add(1, Ordering::Relaxed);
        if !requests.fill(n, &mut request) {
            return run;
        }
        let begin = match pace {
            Pace::Closed | Pace::ClosedFor(_) => Instant::now(),
            Pace::Open { per_second } => {
                // Of several that are due at once each takes the next moment, as it came.
                start + Duration::from_secs_f64(n as f64 / per_second)
            }
        };
        match connection.exchange(&request).await {
            Ok(status) if (200..300).contains(&status) => {
                run.accepted += 1;
                run.latencies.push(begin.elapsed());
            }
            Ok(_) => run.refused += 1,
            Err(_) => {
                run.refused += 1;
                match Connection::open(server).await {
                    Ok(fresh) => connection = fresh,
                    Err(_) => return run,
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_taken_from_the_list() {
        let list: Vec<Duration> = (1..=100).map(Duration::from_millis).collect();
        assert_eq!(percentile_ms(&list, 0.99), 99.0);
        assert_eq!(percentile_ms(&list, 0.5), 50.0);
        assert_eq!(percentile_ms(&[], 0.5), 0.0);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn an_open_pace_is_kept_whatever_the_answers() {
        let server = crate::bench::reference::bare().await.unwrap();
        let list: Vec<Bytes> = (0..100)
            .map(|n| {
                let mut request = Vec::new();
                crate::bench::reference::request(n, &mut request);
                request.into()
            })
            .collect();
        let pace = Pace::Open { per_second: 500.0 };
        let run = send(server.address, list.into(), 4, pace).await.unwrap();
        assert_eq!((run.accepted, run.refused), (100, 0));
        assert!(run.elapsed >= Duration::from_millis(198), "{run:?}");
    }
}
