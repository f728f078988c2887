//! What the machine does to a figure by itself: how long its disk takes to sync, how late it wakes who has
//! slept, and how much of its processors' time its host keeps. Beside them a latency says whose it is. And how
//! much processor time was taken.
//!
//! Disk and waking are looked at before the first round and after the last, while nothing else runs, in the folder
//! where the database lies: a little of the load's own kind, so that it does not disturb what is measured.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use rustix::time::{ClockId, clock_gettime};

use super::{Report, client::percentile_ms, rounded};

/// How long it is looked at each time.
const LOOK: Duration = Duration::from_secs(2);
/// How long who wants to know how late he is woken sleeps.
const NAP: Duration = Duration::from_millis(1);
/// After so many of those a little is written and synced.
const NAPS: usize = 10;
/// What is written: no less than a page reaches a disk.
const WRITTEN: [u8; 4_096] = [7; 4_096];
/// A disk is settled when nearly every sync of a look is over that soon; it is waited for no longer than that.
const SETTLED_MS: f64 = 10.0;
const PATIENCE: Duration = Duration::from_secs(60);

/// The machine as it was seen.
pub struct Machine {
    folder: PathBuf,
    syncs: Vec<Duration>,
    delays: Vec<Duration>,
    /// Before the first round.
    processors: Option<Processors>,
}

impl Machine {
    /// Waits until the disk of this folder has settled, for a minute at most, and remembers how it was then.
    pub async fn settled(folder: &Path) -> Result<Self> {
        let until = Instant::now() + PATIENCE;
        loop {
            settle().await;
            let mut machine = Self {
                folder: folder.to_owned(),
                syncs: Vec::new(),
                delays: Vec::new(),
                processors: None,
            };
            machine.look().await?;
            machine.processors = Processors::now();
            if percentile_ms(&machine.syncs, 0.99) <= SETTLED_MS || Instant::now() >= until {
                return Ok(machine);
            }
        }
    }

    /// Looks at it for a while.
    async fn look(&mut self) -> Result<()> {
        let path = self.folder.join("bench-sync");
        let watching = {
            let path = path.clone();
            tokio::task::spawn_blocking(move || watch(&path))
        };
        let (syncs, delays) = watching
            .await?
            .with_context(|| format!("{} cannot be written", path.display()))?;
        self.syncs.extend(syncs);
        self.delays.extend(delays);
        self.syncs.sort_unstable();
        self.delays.sort_unstable();
        Ok(())
    }

    /// Looks at it once more, and says how it was.
    pub async fn tell(mut self, report: &mut Report) -> Result<()> {
        let stolen = |before: Processors| Some(before.stolen_until(Processors::now()?));
        report.stolen_percent = self.processors.and_then(stolen).map(rounded);
        self.look().await?;
        let of = |list: &[Duration], share| Some(rounded(percentile_ms(list, share)));
        report.sync_p50_ms = of(&self.syncs, 0.5);
        report.sync_p99_ms = of(&self.syncs, 0.99);
        report.sync_max_ms = of(&self.syncs, 1.0);
        report.wake_p99_ms = of(&self.delays, 0.99);
        report.wake_p999_ms = of(&self.delays, 0.999);
        Ok(())
    }
}

/// Time of all processors together since the machine was started, in the system's own ticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Processors {
    all: u64,
    /// That the host kept for itself.
    stolen: u64,
}

impl Processors {
    /// `None`: this system does not tell.
    fn now() -> Option<Self> {
        Self::read(&std::fs::read_to_string("/proc/stat").ok()?)
    }

    /// The first line of `/proc/stat` (proc_stat(5)): user, nice, system, idle, iowait, irq, softirq, steal; what
    /// follows is counted among the first two.
    fn read(stat: &str) -> Option<Self> {
        let fields = stat.lines().next()?.strip_prefix("cpu ")?;
        let ticks = fields.split_whitespace().take(8).map(str::parse);
        let ticks: Vec<u64> = ticks.collect::<Result<_, _>>().ok()?;
        let [.., stolen] = *<&[u64; 8]>::try_from(&ticks[..]).ok()?;
        Some(Self {
            all: ticks.iter().sum(),
            stolen,
        })
    }

    /// In percent of all time since.
    fn stolen_until(self, now: Self) -> f64 {
        let since = |before: u64, now: u64| now.saturating_sub(before) as f64;
        100.0 * since(self.stolen, now.stolen) / since(self.all, now.all).max(1.0)
    }
}

/// How long syncs took, and how late a thread was woken.
fn watch(path: &Path) -> io::Result<(Vec<Duration>, Vec<Duration>)> {
    let mut file = OpenOptions::new().create(true).append(true).open(path)?;
    let (mut syncs, mut delays) = (Vec::new(), Vec::new());
    let start = Instant::now();
    while start.elapsed() < LOOK {
        for _ in 0..NAPS {
            let asleep = Instant::now();
            std::thread::sleep(NAP);
            delays.push(asleep.elapsed().saturating_sub(NAP));
        }
        syncs.push(synced(&mut file)?);
    }
    drop(file);
    std::fs::remove_file(path)?;
    Ok((syncs, delays))
}

fn synced(file: &mut File) -> io::Result<Duration> {
    file.write_all(&WRITTEN)?;
    let began = Instant::now();
    file.sync_data()?;
    Ok(began.elapsed())
}

/// What one server left to be written must not burden the next one.
pub async fn settle() {
    // It cannot fail: the thread only waits for the disk.
    _ = tokio::task::spawn_blocking(rustix::fs::sync).await;
}

/// Has SQLite's file in memory, as a machine has that has run for a while: some systems take pages away that were
/// not used for half a minute. A server of PostgreSQL keeps its own.
pub async fn warm(url: &str) -> Result<()> {
    if let Some(file) = url.strip_prefix("sqlite:").map(PathBuf::from) {
        let read = move || io::copy(&mut File::open(file)?, &mut io::sink());
        tokio::task::spawn_blocking(read).await??;
    }
    Ok(())
}

/// Processor time taken so far by this process and by the database server with this id, if there is one.
pub fn processor_time(server: Option<u32>) -> Duration {
    let own = Duration::try_from(clock_gettime(ClockId::ProcessCPUTime)).unwrap_or_default();
    own + server.map_or(Duration::ZERO, of_children)
}

/// Processor time of the living children of a process.
fn of_children(parent: u32) -> Duration {
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let of = |process: std::fs::DirEntry| {
        let stat = std::fs::read_to_string(process.path().join("stat")).ok()?;
        // "pid (name) state parent ...": a name may contain anything.
        let (_, fields) = stat.rsplit_once(')')?;
        let is_child = fields.split_whitespace().nth(1)?.parse() == Ok(parent);
        let times = std::fs::read_to_string(process.path().join("schedstat")).ok()?;
        let nanos = times.split_whitespace().next()?.parse().ok()?;
        is_child.then(|| Duration::from_nanos(nanos))
    };
    processes.filter_map(of).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_that_was_taken_is_counted() {
        let before = processor_time(Some(std::process::id()));
        let mut child = std::process::Command::new("sh")
            .args(["-c", "while :; do :; done"])
            .spawn()
            .unwrap();
        let start = Instant::now();
        let mut taken = Duration::ZERO;
        // Somebody else may have the processor for a while.
        while taken < Duration::from_millis(20) && start.elapsed() < Duration::from_secs(30) {
            std::thread::sleep(Duration::from_millis(20));
            taken = of_children(std::process::id());
        }
        let after = processor_time(Some(std::process::id()));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(taken >= Duration::from_millis(20), "{taken:?}");
        assert!(after >= before + Duration::from_millis(20));
    }

    #[test]
    fn time_that_the_host_kept_is_told_as_a_share_of_all() {
        let read = |line: &str| Processors::read(line);
        let before = read("cpu  100 0 100 700 50 0 0 50 7 7\ncpu0 1 1 1 1 1 1 1 1 0 0\n").unwrap();
        assert_eq!((before.all, before.stolen), (1_000, 50));
        let after = read("cpu  160 0 110 720 50 0 5 55 9 9\n").unwrap();
        assert!((before.stolen_until(after) - 5.0).abs() < 1e-9);
        assert!(before.stolen_until(before).abs() < 1e-9);
        for other in [
            "",
            "cpu  1 2 3\n",
            "cpu  1 2 3 4 5 6 7 x\n",
            "intr 1 2 3 4 5 6 7 8\n",
        ] {
            assert_eq!(read(other), None, "{other:?}");
        }
    }

    #[tokio::test]
    async fn the_disk_is_looked_at_where_the_database_lies() {
        let folder = std::env::temp_dir().join(format!("ringcard-{}", uuid::Uuid::now_v7()));
        std::fs::create_dir_all(&folder).unwrap();
        let mut machine = Machine {
            folder: folder.clone(),
            syncs: Vec::new(),
            delays: Vec::new(),
            processors: Processors::now(),
        };
        machine.look().await.unwrap();
        let mut report = Report::default();
        machine.tell(&mut report).await.unwrap();
        assert!(report.sync_p50_ms > Some(0.0) && report.sync_max_ms >= report.sync_p99_ms);
        assert!(report.wake_p999_ms >= report.wake_p99_ms && report.wake_p99_ms > Some(0.0));
        let stolen = report.stolen_percent.unwrap();
        assert!((0.0..=100.0).contains(&stolen), "{stolen}");
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
        std::fs::remove_dir_all(folder).unwrap();
    }
}
