//! A system under load.

use tempfile::TempDir;

use super::{Endpoint, OwnDatabase, Process, Topics, process::Running};

/// What is loaded, and what was started for it.
pub(crate) struct System {
    pub(crate) endpoint: Endpoint,
    /// Whose memory idle connections take; none if it was not started here.
    pub(crate) gateway: Option<Process>,
    /// Whose CPU is read: ours, then the infrastructure's as far as it is known.
    pub(crate) processes: Vec<Process>,
    /// In the order of their start.
    pub(super) running: Vec<Running>,
    pub(super) folder: Option<TempDir>,
    pub(super) left: Option<Left>,
}

/// What is taken back in the end.
pub(super) struct Left {
    pub(super) database: OwnDatabase,
    pub(super) topics: Topics,
}

impl System {
    /// One that runs.
    pub(super) fn running_at(endpoint: Endpoint) -> Self {
        Self { endpoint, gateway: None, processes: Vec::new(), running: Vec::new(), folder: None, left: None }
    }

    /// Stops what was started, from the edge inwards, and takes back what it made. The first failure is told, after all was
    /// tried.
    pub(crate) async fn stop(self) -> anyhow::Result<()> {
        let Self { running, folder, left, .. } = self;
        let mut outcome = Ok(());
        for process in running.into_iter().rev() {
            let stopped = process.stop().await;
            outcome = outcome.and(stopped);
        }
        if let Some(left) = left {
            let dropped = left.database.remove().await;
            let deleted = left.topics.delete().await;
            outcome = outcome.and(dropped).and(deleted);
        }
        drop(folder);
        outcome
    }
}
