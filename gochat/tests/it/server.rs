//! Standalone, with a data folder of its own.

use std::{future::Future, path::PathBuf};

use tempfile::TempDir;

use super::process::Running;

/// Something that serves clients.
pub(crate) trait At {
    /// Host and port.
    fn address(&self) -> &str;

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address())
    }
}

impl At for String {
    fn address(&self) -> &str {
        self
    }
}

impl At for Server {
    fn address(&self) -> &str {
        &self.address
    }
}

pub(crate) struct Server {
    running: Running,
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
        let running = Running::start("standalone", folder.path(), &settings).await;
        let (address, admin) = (running.address.clone(), running.admin.clone());
        Self { running, address, admin, folder, settings }
    }

    /// SIGKILL, and a new start on the same data at the same address.
    pub(crate) async fn kill_and_restart(mut self) -> Self {
        self.running.kill().await;
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
        (self.running.terminate().await, self.folder)
    }

    pub(crate) fn database_url(&self) -> String {
        format!("sqlite://{}/gochat.db", self.folder.path().display())
    }

    pub(crate) fn data_dir(&self) -> PathBuf {
        self.folder.path().to_owned()
    }
}
