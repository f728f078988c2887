//! The gateway as a process of its own: the binary that people run, with a store that outlives it.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
};

use serde_json::Value;
use tokio::process::{Child, Command};

use super::{
    asterisk::{SECRET, free_tcp_port},
    scripted::eventually_nothing,
};

/// Where the configuration finds the account's secret.
const SECRET_NAME: &str = "LAB_SECRET";

/// The binary, running or not, always on the same port and the same data.
pub struct Process {
    folder: PathBuf,
    store: String,
    port: u16,
    child: Option<Child>,
}

impl Process {
    /// Writes the configuration of `account`; nothing runs yet.
    pub fn plan(folder: &Path, store: &str, account: &str) -> Self {
        let secret = format!("'{SECRET}'");
        let account = account.replace(&secret, &format!("'env:{SECRET_NAME}'"));
        let port = free_tcp_port();
        let config = format!(
            "server.listen = '127.0.0.1:{port}'\nstore.url = '{store}'\nops.min_free_mib = 1\n\
             recordings.folder = '{}'\nrecordings.settle_ms = 300\nrecordings.poll_ms = 200\n\
             dial.retry_first_ms = 100\ndial.retry_longest_ms = 500\n\
             {account}",
            folder.join("recordings").display()
        );
        std::fs::write(folder.join("ringcard.toml"), config).expect("the folder can be written");
        Self {
            folder: folder.to_owned(),
            store: store.to_owned(),
            port,
            child: None,
        }
    }

    /// Address of a path.
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ringcard"));
        command
            .args(arguments)
            .current_dir(&self.folder)
            .env(SECRET_NAME, SECRET)
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }

    /// Serves.
    pub fn start(&mut self) {
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.folder.join("log"))
            .expect("the folder can be written");
        let mut command = self.command(&["serve"]);
        command.stdout(Stdio::null()).stderr(log);
        self.child = Some(command.spawn().expect("the binary is built"));
    }

    /// Kills it as the kernel would.
    pub async fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().await.expect("a child of ours can be killed");
        }
    }

    /// Adds to the configuration; nobody reads it yet.
    pub fn configure(&self, more: &str) {
        use std::io::Write;
        let file = std::fs::File::options()
            .append(true)
            .open(self.folder.join("ringcard.toml"));
        let mut file = file.expect("the configuration was written");
        file.write_all(more.as_bytes())
            .expect("the folder can be written");
    }

    /// Runs a command beside it: exit code and everything it says.
    pub async fn beside(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let output = self.command(arguments).output().await;
        let output = output.expect("the binary is built");
        let said = [output.stdout, output.stderr].concat();
        (
            output.status.code(),
            String::from_utf8_lossy(&said).into_owned(),
        )
    }

    /// Sends it a signal.
    pub async fn signal(&self, name: &str) {
        let id = self.child.as_ref().and_then(Child::id);
        let id = id.expect("it runs").to_string();
        let sent = Command::new("kill").args([name, &id]).status().await;
        assert!(sent.expect("kill can be run").success(), "it was running");
    }

    /// Asks it to stop, as systemd does, and waits until it has.
    pub async fn stop(&mut self) {
        let Some(mut child) = self.child.take() else {
            return;
        };
        let id = child.id().expect("it has not been waited for").to_string();
        let asked = Command::new("kill").args(["-TERM", &id]).status().await;
        assert!(asked.expect("kill can be run").success(), "it was running");
        let status = child.wait().await.expect("a child can be waited for");
        assert!(status.success(), "{status}: {}", self.log());
    }

    /// What `/readyz` says; nothing while it does not answer.
    pub async fn readiness(&self) -> Value {
        match reqwest::get(self.url("/readyz")).await {
            Ok(answer) => answer.json().await.unwrap_or_default(),
            Err(_) => Value::Null,
        }
    }

    /// Waits until events flow from an account's Asterisk.
    pub async fn until_linked(&self, account: &str) {
        eventually_nothing("events flow from Asterisk", async || {
            let said = self.readiness().await;
            match said["pbx"][account]["up"] == true {
                true => Vec::new(),
                false => vec![said.to_string(), self.log()],
            }
        })
        .await;
    }

    /// What it has written to its log.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    /// `ringcard export calls`, line by line.
    pub async fn export(&self) -> Vec<Value> {
        let output = self
            .command(&["export", "calls", "--format", "jsonl"])
            .env("RINGCARD__STORE__URL", &self.store)
            .output()
            .await
            .expect("the binary is built");
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{told}");
        String::from_utf8_lossy(&output.stdout)
            .lines()
            .map(|line| serde_json::from_str(line).expect("a line is an object"))
            .collect()
    }
}
