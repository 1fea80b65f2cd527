//! The binary as a process.

use std::{
    future::Future,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
};

/// A standalone server with a data folder of its own; killed when dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: String,
    pub(crate) admin: String,
    folder: TempDir,
    settings: Vec<(String, String)>,
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self::with(&[]).await
    }

    /// With settings beside the test's own, as `("GATEWAY__WS__HEARTBEAT_MS", "500")`.
    pub(crate) async fn with(settings: &[(&str, &str)]) -> Self {
        let settings = settings.iter().map(|(key, value)| (format!("GOCHAT__{key}"), (*value).to_owned())).collect();
        Self::in_folder(tempfile::tempdir().unwrap(), settings).await
    }

    async fn in_folder(folder: TempDir, settings: Vec<(String, String)>) -> Self {
        let mut child = command(folder.path(), &settings).arg("standalone").spawn().unwrap();
        let (mut address, mut admin) = (None, None);
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut seen = Vec::new();
        let ready = async {
            while let Some(line) = lines.next_line().await.unwrap() {
                if let Some(found) = line.strip_prefix("GoChat is ready at http://") {
                    address = Some(found.to_owned());
                }
                if let Some((_, rest)) = line.split_once("operators   http://") {
                    admin = rest.split_once('/').map(|(admin, _)| admin.to_owned());
                }
                if line.contains("Ctrl-C") {
                    return;
                }
                seen.push(line);
            }
        };
        let in_time = tokio::time::timeout(Duration::from_secs(20), ready).await;
        assert!(in_time.is_ok() && address.is_some(), "the server did not start:\n{}", seen.join("\n"));
        // Its log must go on being read, or the pipe fills and the server waits.
        #[allow(clippy::disallowed_methods)] // ends with the process it reads
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Self { child, address: address.unwrap(), admin: admin.unwrap(), folder, settings }
    }

    /// SIGKILL, and a new start on the same data at the same address.
    pub(crate) async fn kill_and_restart(mut self) -> Self {
        self.child.kill().await.unwrap();
        self.settings.push(("GOCHAT__GATEWAY__HTTP__LISTEN".to_owned(), self.address));
        Self::in_folder(self.folder, self.settings).await
    }

    /// Stopped, something done to its data, and started again at the same address.
    pub(crate) async fn while_stopped<F: Future<Output = ()>>(self, act: impl FnOnce(PathBuf) -> F) -> Self {
        let (address, mut settings) = (self.address.clone(), self.settings.clone());
        let (code, folder) = self.terminate_and_keep().await;
        assert_eq!(code, Some(0));
        act(folder.path().to_owned()).await;
        settings.push(("GOCHAT__GATEWAY__HTTP__LISTEN".to_owned(), address));
        Self::in_folder(folder, settings).await
    }

    /// SIGTERM; answers the exit code.
    pub(crate) async fn terminate(self) -> Option<i32> {
        self.terminate_and_keep().await.0
    }

    /// SIGTERM; answers the exit code and what it leaves behind.
    pub(crate) async fn terminate_and_keep(mut self) -> (Option<i32>, TempDir) {
        let pid = self.child.id().unwrap().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().await.unwrap().success());
        let status =
            tokio::time::timeout(Duration::from_secs(20), self.child.wait()).await.expect("it drains in time").unwrap();
        (status.code(), self.folder)
    }

    pub(crate) fn data_dir(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

/// The binary with a configuration for tests.
pub(crate) fn command(folder: &Path, settings: &[(String, String)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gochat"));
    command
        .env("GOCHAT__PROCESS__DATA_DIR", folder)
        .env("GOCHAT__GATEWAY__HTTP__LISTEN", "127.0.0.1:0")
        .env("GOCHAT__ADMIN__LISTEN", "127.0.0.1:0")
        .env("GOCHAT__RPC__LISTEN", "127.0.0.1:0")
        .env("GOCHAT__GATEWAY__RATE__ANONYMOUS_PER_MINUTE", "100000")
        .env("GOCHAT__GATEWAY__WS__DRAIN_MS", "200")
        .envs(settings.iter().map(|(key, value)| (key, value)))
        .stdout(Stdio::piped())
        .kill_on_drop(true);
    command
}
