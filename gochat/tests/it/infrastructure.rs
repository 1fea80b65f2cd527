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
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().to_str().unwrap().to_owned();
        let up = Command::from(script(&["up", &path, "kafka", "etcd", "redis", "mariadb"])).status().await.unwrap();
        assert!(up.success(), "scripts/infra up failed: run `scripts/infra install`");
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

    /// `kafka1 etcd1 redis mariadb`; `STOP CONT KILL`.
    pub(crate) async fn signal(&self, name: &str, signal: &str) {
        let done = Command::from(script(&["signal", self.folder.path().to_str().unwrap(), name, signal])).status();
        assert!(done.await.unwrap().success(), "{name} {signal}");
    }
}

impl Drop for Infrastructure {
    fn drop(&mut self) {
        // What is left running would outlive the tests.
        let _ = script(&["down", self.folder.path().to_str().unwrap_or_default()]).status();
    }
}
