//! A private PostgreSQL: one cluster per test run, a fresh database per test.
//!
//! The cluster lives in a folder of its own, listens on a socket in that folder only, and goes away
//! with the test process, however that ends.

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::OnceLock,
};

use sqlx::{AssertSqlSafe, Connection, PgConnection};

/// The running cluster; dropping `guard` (or dying) stops it.
struct Cluster {
    folder: PathBuf,
    _guard: Child,
}

static CLUSTER: OnceLock<Cluster> = OnceLock::new();

/// The address of a new, empty database.
pub async fn new_database() -> String {
    let cluster = tokio::task::spawn_blocking(|| CLUSTER.get_or_init(start))
        .await
        .expect("starting the cluster does not panic unless PostgreSQL is missing");
    let name = format!("t{}", uuid::Uuid::now_v7().simple());
    let mut connection = PgConnection::connect(&cluster.url("postgres"))
        .await
        .expect("the private cluster answers");
    sqlx::query(AssertSqlSafe(format!("create database {name}")))
        .execute(&mut connection)
        .await
        .expect("a new database can be made");
    cluster.url(&name)
}

impl Cluster {
    fn url(&self, database: &str) -> String {
        let folder = self.folder.display();
        format!("postgres://postgres@localhost/{database}?host={folder}")
    }
}

/// Makes and starts a cluster. PostgreSQL refuses to run as root, so root becomes `postgres`.
fn start() -> Cluster {
    let folder = std::env::temp_dir().join(format!("ringcard-pg-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder for the cluster");
    let is_root = Command::new("id")
        .arg("-u")
        .output()
        .is_ok_and(|output| output.stdout.trim_ascii() == b"0");
    if is_root {
        run(Command::new("chown").arg("postgres").arg(&folder));
    }
    let data = folder.join("data");
    run(as_postgres(is_root, &tool("initdb"))
        .args([
            "--username=postgres",
            "--auth=trust",
            "--encoding=UTF8",
            "--no-sync",
        ])
        .args(["--locale=C.UTF-8", "-D"])
        .arg(&data));
    let options = format!(
        "-c listen_addresses='' -c unix_socket_directories='{}' -c max_connections=200",
        folder.display()
    );
    run(as_postgres(is_root, &tool("pg_ctl"))
        .args(["--wait", "--options", &options, "--log"])
        .arg(folder.join("log"))
        .arg("-D")
        .arg(&data)
        .arg("start"));
    let guard = guard(is_root, &folder, &data);
    Cluster {
        folder,
        _guard: guard,
    }
}

/// A shell that waits for the end of its input, which is the end of this process, and cleans up.
fn guard(is_root: bool, folder: &Path, data: &Path) -> Child {
    let script = format!(
        "cat >/dev/null; '{}' -D '{}' -m immediate stop >/dev/null 2>&1; rm -rf '{}'",
        tool("pg_ctl").display(),
        data.display(),
        folder.display()
    );
    let mut child = as_postgres(is_root, Path::new("sh"))
        .args(["-c", &script])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("a shell starts");
    // Tells at once if the shell is not there; its input stays open as long as `child` lives.
    child
        .stdin
        .as_mut()
        .and_then(|input| input.flush().ok())
        .expect("the guard listens");
    child
}

fn as_postgres(is_root: bool, program: &Path) -> Command {
    let mut command = if is_root {
        let mut command = Command::new("setpriv");
        command
            .args(["--reuid=postgres", "--regid=postgres", "--init-groups"])
            .arg(program);
        command
    } else {
        Command::new(program)
    };
    command.current_dir(std::env::temp_dir());
    command
}

/// Debian keeps the server's tools out of the path.
fn tool(name: &str) -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok();
    let newest = versions
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path().join("bin").join(name)))
        .filter(|path| path.exists())
        .max();
    newest.unwrap_or_else(|| PathBuf::from(name))
}

fn run(command: &mut Command) {
    let output = command
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}; `make test` installs PostgreSQL"));
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}
