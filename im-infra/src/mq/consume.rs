//! Consuming, the one way: each partition in order, one batch in flight, committed after its effect.

use std::sync::Arc;

use async_trait::async_trait;
use proto::{Error, ErrorCode};
use serde::{Deserialize, Serialize};
use tokio_util::task::TaskTracker;

use super::{
    Group, MqError, Queue, Record, Topic,
    lag::{Position, watch},
    worker::{Stop, Worker},
};
use crate::{clock::Clock, config::Report, lifecycle::Lifecycle};

/// What happens to a batch.
#[async_trait]
pub trait Handler: Send + Sync + 'static {
    /// Brings the effect of all records about and returns when it is confirmed. The same records may come again.
    async fn handle(&self, batch: &[Record]) -> Result<(), Failure>;

    /// A record was given up and lies in `im.dead`: tell whoever waits for it.
    async fn parked(&self, _record: &Record, _error: &Error) -> Result<(), Failure> {
        Ok(())
    }

    /// What is left of a damaged record, or stands for a gap, was given up and lies in `im.dead`: tell whoever may lack what it
    /// held. Its key is whole where it is not empty; its payload is not to be read.
    async fn lost(&self, _record: &Record) -> Result<(), Failure> {
        Ok(())
    }
}

/// Why a batch could not be handled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// A dependency is down: wait and try again, for ever, in place.
    Transient(Error),
    /// These records (by index) can never succeed; they are set aside and the rest of the batch is handled again.
    Poison(Vec<(usize, Error)>),
    /// Not known which of them, or whether it passes: they are tried alone.
    Unknown(Error),
}

impl Failure {
    /// What a call's error means for the batch that needed it.
    pub fn of(error: Error) -> Self {
        match error.code() {
            ErrorCode::Unavailable
            | ErrorCode::DeadlineExceeded
            | ErrorCode::Overloaded
            | ErrorCode::ServiceTokenInvalid => Self::Transient(error),
            _ => Self::Unknown(error),
        }
    }
}

/// How consumers behave.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ConsumeOptions {
    /// Records in one batch.
    pub batch_records_max: usize,
    /// The first wait after a failure.
    pub retry_min_ms: u64,
    /// The longest wait after a failure.
    pub retry_max_ms: u64,
    /// How often a record that fails for an unknown reason is tried alone before it is given up.
    pub attempts_max: u32,
    /// After so many given up in a row the partition pauses.
    pub dead_in_row_max: u32,
    /// How long it pauses.
    pub dead_pause_ms: u64,
}

impl ConsumeOptions {
    /// Checks the ranges of the keys under `section`.
    pub fn check(&self, section: &str, report: &mut Report) {
        let key = |name: &str| format!("{section}.{name}");
        report.range(&key("batch_records_max"), self.batch_records_max, 1..=5_000);
        report.range(&key("retry_max_ms"), self.retry_max_ms, 1..=600_000);
        report.range(&key("retry_min_ms"), self.retry_min_ms, 1..=self.retry_max_ms.max(1));
        report.range(&key("dead_in_row_max"), self.dead_in_row_max, 1..=1_000_000);
        report.range(&key("dead_pause_ms"), self.dead_pause_ms, 0..=3_600_000);
        report.range(&key("attempts_max"), self.attempts_max, 1..=100);
    }
}

impl Default for ConsumeOptions {
    fn default() -> Self {
        Self {
            batch_records_max: 256,
            retry_min_ms: 20,
            retry_max_ms: 5_000,
            attempts_max: 3,
            dead_in_row_max: 20,
            dead_pause_ms: 10_000,
        }
    }
}

/// Joins the group and hands every partition that comes to a task of its own, until the process stops.
///
/// # Errors
/// If the group cannot be joined, or a partition's position is out of range (never skipped in silence).
pub async fn consume(
    (queue, group, topic): (Queue, Group, Topic),
    handler: Arc<dyn Handler>,
    options: ConsumeOptions,
    life: Lifecycle,
    clock: Clock,
) -> Result<(), MqError> {
    let stopping = life.stopping();
    let mut member = queue.join(group, topic).await?;
    let workers = TaskTracker::new();
    loop {
        let assignment = tokio::select! {
            () = stopping.cancelled() => break,
            assignment = member.next() => assignment?,
        };
        let position = Position::new(assignment.from);
        let lag = watch(queue.clone(), (topic, group, assignment.partition), position.clone());
        let stop = Stop { lost: assignment.lost.clone(), stopping: stopping.clone() };
        let source = (queue.clone(), group, topic);
        let worker = Worker::new(source, handler.clone(), options.clone(), clock.clone(), (stop, position));
        let working = workers.token();
        life.spawn("partition", async move {
            let _working = working;
            tokio::select! {
                done = worker.run(assignment) => done,
                never = lag => match never {},
            }
        });
    }
    // The partitions finish their batch and commit before the group is left.
    workers.close();
    workers.wait().await;
    drop(member);
    Ok(())
}
