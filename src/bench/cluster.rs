//! A private PostgreSQL for benches and tests: own data folder, reachable through a socket in that folder only,
//! gone when dropped. The server refuses to run as root; then it runs as the user `postgres`.
//!
//! The server dies with this process, however it ends: the kernel sends it SIGQUIT when the thread that
//! started it is gone. So that thread does nothing else, and waits for the server as long as it runs.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{
        atomic::{AtomicU32, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use anyhow::{Context, Result, bail};

/// How often, and with what pause, a starting server is asked whether it takes connections.
const START_TRIES: usize = 600;
const START_PAUSE: Duration = Duration::from_millis(100);

/// A running cluster.
pub struct Cluster {
    folder: PathBuf,
    programs: PathBuf,
    as_root: bool,
    databases: AtomicU32,
}

impl Cluster {
    /// Makes and starts one. `settings` are lines for its configuration.
    pub fn start(settings: &str) -> Result<Self> {
        let folder = std::env::temp_dir().join(format!("ringcard-pg-{}", uuid::Uuid::now_v7()));
        fs::create_dir_all(&folder)?;
        let cluster = Self {
            as_root: is_root(),
            programs: programs()?,
            folder,
            databases: AtomicU32::new(0),
        };
        if cluster.as_root {
            cluster.must(Command::new("chown").arg("postgres").arg(&cluster.folder))?;
        }
        let data = cluster.folder.join("data");
        let mut command = cluster.program("initdb");
        command.args([
            "-U",
            "postgres",
            "-A",
            "trust",
            "--no-sync",
            "-E",
            "UTF8",
            "--locale=C.UTF-8",
            "-D",
        ]);
        cluster.must(command.arg(&data))?;
        let lines = format!(
            "listen_addresses = ''\nunix_socket_directories = '{}'\nmax_connections = 60\n\
             shared_buffers = 128MB\n{settings}\n",
            cluster.folder.display()
        );
        fs::write(data.join("postgresql.auto.conf"), lines)?;
        cluster.up()?;
        Ok(cluster)
    }

    /// Starts the server again after [`Cluster::crash`].
    pub fn up(&self) -> Result<()> {
        let log = File::create(self.folder.join("log"))?;
        let mut server = Command::new("setpriv");
        server.args(["--pdeathsig", "QUIT"]);
        if self.as_root {
            server.args([
                "--reuid",
                "postgres",
                "--regid",
                "postgres",
                "--init-groups",
            ]);
        }
        server.arg("--").arg(self.programs.join("postgres"));
        server.arg("-D").arg(self.folder.join("data"));
        server.current_dir(&self.folder).stdin(Stdio::null());
        server.stdout(log.try_clone()?).stderr(log);
        let (ended, end) = mpsc::channel();
        thread::Builder::new()
            .name("postgres".to_owned())
            .spawn(move || {
                let end = server.spawn().and_then(|mut server| server.wait());
                // Nobody listens once the server has come up.
                _ = ended.send(end);
            })?;
        for _ in 0..START_TRIES {
            if self.answers() {
                return Ok(());
            }
            match end.recv_timeout(START_PAUSE) {
                Err(mpsc::RecvTimeoutError::Timeout) => {}
                end => bail!("PostgreSQL does not start ({end:?}): {}", self.log()),
            }
        }
        bail!("PostgreSQL does not answer: {}", self.log())
    }

    /// Whether the server takes connections.
    fn answers(&self) -> bool {
        let mut command = self.program("pg_isready");
        command.arg("-q").arg("-h").arg(&self.folder);
        self.must(&mut command).is_ok()
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    /// Stops it in immediate mode: no checkpoint, recovery at the next start.
    pub fn crash(&self) -> Result<()> {
        self.must(&mut self.stop())
    }

    fn stop(&self) -> Command {
        let mut command = self.program("pg_ctl");
        command.arg("-D").arg(self.folder.join("data"));
        command.args(["-w", "-m", "immediate", "stop"]);
        command
    }

    /// A new empty database; its address for `[store] url`.
    pub fn database(&self) -> Result<String> {
        let name = format!("d{}", self.databases.fetch_add(1, Ordering::Relaxed));
        let mut command = self.program("createdb");
        command.arg("-h").arg(&self.folder);
        self.must(command.args(["-U", "postgres", &name]))?;
        Ok(self.url(&name))
    }

    /// The folder it lives in.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The id of the server's first process, while it runs.
    pub fn server(&self) -> Option<u32> {
        let file = self.folder.join("data").join("postmaster.pid");
        fs::read_to_string(file).ok()?.lines().next()?.parse().ok()
    }

    /// The address of a database by its name.
    pub fn url(&self, name: &str) -> String {
        format!(
            "postgres://postgres@localhost/{name}?host={}",
            self.folder.display()
        )
    }

    fn program(&self, name: &str) -> Command {
        let path = self.programs.join(name);
        if self.as_root {
            let mut command = Command::new("runuser");
            command.args(["-u", "postgres", "--"]).arg(path);
            command
        } else {
            Command::new(path)
        }
    }

    /// Runs a command that has to succeed. Its errors go to a file: a pipe would be held open by the
    /// server that `pg_ctl` leaves behind.
    fn must(&self, command: &mut Command) -> Result<()> {
        let errors = std::env::temp_dir().join(format!("ringcard-{}.err", uuid::Uuid::now_v7()));
        let status = command
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&errors)?)
            .status()
            .with_context(|| format!("{command:?}"))?;
        let text = fs::read_to_string(&errors).unwrap_or_default();
        // A file left behind in the temporary folder hurts nobody.
        let _ = fs::remove_file(errors);
        if !status.success() {
            bail!("{command:?}: {text}");
        }
        Ok(())
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // Whatever cannot be stopped or removed stays for a person to look at.
        let _ = self.stop().output();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn is_root() -> bool {
    let output = Command::new("id").arg("-u").output();
    output.is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

/// Where initdb and pg_ctl are: Debian keeps them out of the path.
fn programs() -> Result<PathBuf> {
    let debian = Path::new("/usr/lib/postgresql");
    let mut versions: Vec<PathBuf> = fs::read_dir(debian)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path().join("bin"))
        .filter(|path| path.join("initdb").exists())
        .collect();
    versions.sort();
    let path = std::env::var_os("PATH").unwrap_or_default();
    versions
        .pop()
        .or_else(|| std::env::split_paths(&path).find(|path| path.join("initdb").exists()))
        .context("no PostgreSQL server is installed (initdb is not found)")
}
