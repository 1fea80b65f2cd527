//! The framework of handlers: what a kind of background work is, and how its tasks are run.

mod dispatch;
mod runner;

use async_trait::async_trait;
pub(crate) use dispatch::Dispatch;
use proto::Error;
pub(crate) use runner::Runner;

/// A kind of work. Its tasks come in the order of their keys' records, and may come again.
#[async_trait]
pub(crate) trait Job: Send + Sync + 'static {
    /// What one task is about.
    type Task: Send + Sync;

    /// As in logs and metrics.
    const NAME: &'static str;

    /// How much at once, and how long.
    fn limits(&self) -> JobLimits;

    /// Two tasks of the same key have the same effect: of those that come together one is run.
    fn idempotency_key(&self, task: &Self::Task) -> String;

    /// Brings the effect of all these tasks about, in order.
    async fn run(&self, tasks: &[Self::Task]) -> Verdict;
}

/// Bounds of a kind of work.
#[derive(Clone, Copy, Debug)]
pub(crate) struct JobLimits {
    /// Tasks of one run.
    pub(crate) tasks_max: usize,
    /// How long a run may take; then it counts as [`Verdict::Retry`].
    pub(crate) timeout_ms: u64,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The effect is confirmed.
    Done,
    /// Something stands against it: again, in place, order kept. What does not look as if it passes is tried a few times alone.
    Retry(Error),
    /// The task of this index can never succeed: it becomes a dead letter. The others are run again.
    Reject(usize, Error),
}
