//! Infrastructure of a test's own, which it may break.

use std::{collections::HashMap, path::Path, process::Stdio};

use tempfile::TempDir;
use tokio::process::Command;

pub(crate) struct Infrastructure {
    folder: TempDir,
    addresses: HashMap<String, String>,
}

fn script(arguments: &[&str]) -> std::process::Command {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("scripts/infra");
    let mut command = std::process::Command::new(path);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

impl Infrastructure {
    /// Kafka, etcd, Redis and MariaDB on ports of their own.
    pub(crate) async fn start() -> Self {
        Self::start_only(&["kafka", "etcd", "redis", "mariadb"]).await
    }

    /// These servers, on ports of their own.
    pub(crate) async fn start_only(servers: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        up(&folder, servers).await;
        let text = std::fs::read_to_string(folder.path().join("env")).unwrap();
        let line = |line: &str| {
            let (name, value) = line.strip_prefix("export ")?.split_once('=')?;
            Some((name.to_owned(), value.trim_matches(['\'', '"']).to_owned()))
        };
        let addresses = text.lines().filter_map(line).collect();
        Self { folder, addresses }
    }

    pub(crate) fn address(&self, variable: &str) -> String {
        self.addresses[variable].clone()
    }

    /// Stops a server in order; its data stays.
    pub(crate) async fn stop(&self, server: &str) {
        let down = Command::from(script(&["down", self.folder.path().to_str().unwrap(), server])).status();
        assert!(down.await.unwrap().success(), "{server} does not end");
    }

    /// After it was stopped.
    pub(crate) async fn start_again(&self, server: &str) {
        up(&self.folder, &[server]).await;
    }

    /// `kafka1 etcd1 redis mariadb`; `STOP CONT KILL`.
    pub(crate) async fn signal(&self, name: &str, signal: &str) {
        let done = Command::from(script(&["signal", self.folder.path().to_str().unwrap(), name, signal])).status();
        assert!(done.await.unwrap().success(), "{name} {signal}");
    }
}

/// Starts servers, on the data of theirs if there is some, and waits until they answer.
async fn up(folder: &TempDir, servers: &[&str]) {
    let up = Command::from(script(&[&["up", folder.path().to_str().unwrap()], servers].concat())).status();
    assert!(up.await.unwrap().success(), "scripts/infra up failed: run `scripts/infra install`");
}

impl Drop for Infrastructure {
    fn drop(&mut self) {
        // What is left running would outlive the tests.
        let _ = script(&["down", self.folder.path().to_str().unwrap_or_default()]).status();
    }
}
