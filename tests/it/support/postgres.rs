//! A private PostgreSQL: one cluster per test run, a fresh database per test.
//!
//! The cluster is the benches' own; here it also goes away with the test process, however that ends.

use std::{
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, Command, Stdio},
    sync::OnceLock,
};

use ringcard::bench::cluster::Cluster;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

static CLUSTER: OnceLock<(Cluster, Child)> = OnceLock::new();

/// The address of a new, empty database.
pub async fn new_database() -> String {
    let (cluster, _) = tokio::task::spawn_blocking(|| CLUSTER.get_or_init(start))
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

fn start() -> (Cluster, Child) {
    let cluster = Cluster::start("max_connections = 200")
        .expect("PostgreSQL is installed: `make test` does it");
    let guard = guard(cluster.folder());
    (cluster, guard)
}

/// A shell that waits for the end of its input, which is the end of this process (statics are not
/// dropped), stops the server at once and cleans up.
fn guard(folder: &Path) -> Child {
    let folder = folder.display();
    let script = format!(
        "cat >/dev/null; server=$(head -n 1 '{folder}/data/postmaster.pid'); kill -QUIT $server; \
         while kill -0 $server; do sleep 0.1; done; rm -rf '{folder}'"
    );
    Command::new("sh")
        .args(["-c", &script])
        // Whoever ends the tests' group of processes leaves the guard to its work.
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("a shell starts")
}
