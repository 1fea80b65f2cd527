//! Supervised tasks: one that fails or panics stops the process, and says so in the exit code.

use std::{
    fmt,
    future::Future,
    panic::AssertUnwindSafe,
    sync::{Arc, OnceLock},
    time::Duration,
};

use futures_util::FutureExt as _;
use tokio_util::{
    sync::CancellationToken,
    task::{TaskTracker, task_tracker::TaskTrackerToken},
};

/// Why the process did not end well.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// A task returned an error or panicked.
    #[error("task {task} failed: {reason}")]
    Task {
        /// Its name.
        task: &'static str,
        /// The error or the panic's message.
        reason: String,
    },
    /// Tasks were still running when the time to drain was over.
    #[error("tasks did not end in time")]
    Unfinished,
}

/// Owns tasks and their two stops: soft (finish what is in flight) and hard (drop it). Clones share.
#[derive(Clone)]
pub struct Lifecycle {
    tasks: TaskTracker,
    soft: CancellationToken,
    hard: CancellationToken,
    /// The whole process's soft stop, which a failure of any part asks for.
    process: CancellationToken,
    failure: Arc<OnceLock<Failure>>,
}

impl Default for Lifecycle {
    fn default() -> Self {
        Self::new()
    }
}

impl Lifecycle {
    /// A process that is starting.
    pub fn new() -> Self {
        let soft = CancellationToken::new();
        Self {
            tasks: TaskTracker::new(),
            hard: CancellationToken::new(),
            process: soft.clone(),
            soft,
            failure: Arc::default(),
        }
    }

    /// A part that is drained in its own turn; its failure is the process's.
    #[must_use]
    pub fn part(&self) -> Self {
        Self {
            tasks: TaskTracker::new(),
            soft: CancellationToken::new(),
            hard: self.hard.child_token(),
            ..self.clone()
        }
    }

    /// Cancelled when the tasks should finish what they have and end.
    pub fn stopping(&self) -> CancellationToken {
        self.soft.clone()
    }

    /// Asks the tasks to finish and end.
    pub fn stop(&self) {
        self.soft.cancel();
    }

    /// Counts as a task while it is held: for work that a library spawns.
    pub fn hold(&self) -> TaskTrackerToken {
        self.tasks.token()
    }

    /// Runs a task that must not fail: an error or a panic stops the process. A hard stop drops it.
    pub fn spawn<E: fmt::Display>(
        &self,
        name: &'static str,
        task: impl Future<Output = Result<(), E>> + Send + 'static,
    ) {
        let (life, hard) = (self.clone(), self.hard.clone());
        self.spawn_on_tracker(async move {
            tokio::select! {
                () = hard.cancelled() => {}
                ended = AssertUnwindSafe(task).catch_unwind() => match ended {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => life.fail(name, &error),
                    Err(panic) => life.fail(name, &panic_message(&*panic)),
                }
            }
        });
    }

    /// Runs a task whose end, however it comes, concerns only itself (one connection, one request). A panic is logged.
    pub fn spawn_detached(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        let hard = self.hard.clone();
        self.spawn_on_tracker(async move {
            tokio::select! {
                () = hard.cancelled() => {}
                ended = AssertUnwindSafe(task).catch_unwind() => {
                    if let Err(panic) = ended {
                        tracing::error!(task = name, panic = panic_message(&*panic), "task panicked");
                    }
                }
            }
        });
    }

    // The one permitted caller: whatever runs is tracked and its end is looked at.
    #[allow(clippy::disallowed_methods)]
    fn spawn_on_tracker(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(task);
    }

    fn fail(&self, task: &'static str, reason: &dyn fmt::Display) {
        tracing::error!(task, %reason, "task failed, stopping");
        let _ = self.failure.set(Failure::Task { task, reason: reason.to_string() });
        self.process.cancel();
    }

    /// Waits until the tasks are asked to end, then for them, at most `drain` long; then stops hard.
    ///
    /// # Errors
    /// The first failure of a task of the process, or [`Failure::Unfinished`].
    pub async fn join(&self, drain: Duration) -> Result<(), Failure> {
        self.soft.cancelled().await;
        self.tasks.close();
        let in_time = tokio::time::timeout(drain, self.tasks.wait()).await.is_ok();
        self.hard.cancel();
        match self.failure.get() {
            Some(failure) => Err(failure.clone()),
            None if in_time => Ok(()),
            None => Err(Failure::Unfinished),
        }
    }

    /// [`Self::stop`] and [`Self::join`].
    ///
    /// # Errors
    /// As [`Self::join`].
    pub async fn drain(&self, drain: Duration) -> Result<(), Failure> {
        self.stop();
        self.join(drain).await
    }
}

/// What a panic said.
pub(crate) fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("panic without a message").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_task_that_panics_stops_the_process_and_is_named() {
        let life = Lifecycle::new();
        life.spawn("bad", async { if true { panic!("boom") } else { Ok::<(), Failure>(()) } });
        let failure = life.join(Duration::from_secs(5)).await.unwrap_err();
        assert_eq!(failure, Failure::Task { task: "bad", reason: "boom".into() });
    }

    #[tokio::test]
    async fn a_connection_that_panics_stops_nobody() {
        let life = Lifecycle::new();
        life.spawn_detached("connection", async { panic!("boom") });
        life.spawn("good", {
            let stop = life.stopping();
            async move {
                stop.cancelled().await;
                Ok::<(), Failure>(())
            }
        });
        tokio::task::yield_now().await;
        assert!(!life.stopping().is_cancelled());
        life.stop();
        assert_eq!(life.join(Duration::from_secs(5)).await, Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn what_does_not_end_in_time_is_dropped_and_told() {
        let life = Lifecycle::new();
        life.spawn("stuck", std::future::pending::<Result<(), Failure>>());
        life.stop();
        assert_eq!(life.join(Duration::from_secs(1)).await, Err(Failure::Unfinished));
    }

    #[tokio::test]
    async fn a_part_drains_in_its_own_turn_and_its_failure_is_the_process_s() {
        let life = Lifecycle::new();
        let part = life.part();
        assert_eq!(part.drain(Duration::from_secs(1)).await, Ok(()));
        assert!(!life.stopping().is_cancelled());
        let other = life.part();
        other.spawn("bad", async { Err::<(), _>("broken") });
        let failure = life.join(Duration::from_secs(5)).await.unwrap_err();
        assert_eq!(failure, Failure::Task { task: "bad", reason: "broken".into() });
    }
}
