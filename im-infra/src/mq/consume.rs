//! Consuming, the one way: each partition in order, one batch in flight, committed after its effect.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use async_trait::async_trait;
use backon::{BackoffBuilder as _, ExponentialBuilder};
use futures_util::FutureExt as _;
use opentelemetry::KeyValue;
use proto::{Error, ErrorCode};
use serde::{Deserialize, Serialize};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{Assignment, Commit, Group, MqError, Queue, Record, Topic, bury::Burial};
use crate::{
    clock::Clock,
    config::Report,
    lifecycle::{Lifecycle, panic_message},
    telemetry::names,
};

/// What happens to a batch.
#[async_trait]
pub trait Handler: Send + Sync + 'static {
    /// Brings the effect of all records about and returns when it is confirmed. The same records may come again.
    async fn handle(&self, batch: &[Record]) -> Result<(), Failure>;

    /// A record was given up and lies in `im.dead`: tell whoever waits for it.
    async fn parked(&self, _record: &Record, _error: &Error) -> Result<(), Failure> {
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
        let worker = Worker {
            burial: Burial::new(queue.clone(), group, clock.clone()),
            queue: queue.clone(),
            group,
            topic,
            handler: handler.clone(),
            options: options.clone(),
            stop: Stop { lost: assignment.lost.clone(), stopping: stopping.clone() },
        };
        let working = workers.token();
        life.spawn("partition", async move {
            let _working = working;
            worker.run(assignment).await
        });
    }
    // The partitions finish their batch and commit before the group is left.
    workers.close();
    workers.wait().await;
    drop(member);
    Ok(())
}

#[derive(Clone)]
struct Stop {
    lost: CancellationToken,
    stopping: CancellationToken,
}

impl Stop {
    async fn asked(&self) {
        tokio::select! { () = self.lost.cancelled() => {} () = self.stopping.cancelled() => {} }
    }
}

struct Worker {
    queue: Queue,
    group: Group,
    topic: Topic,
    handler: Arc<dyn Handler>,
    burial: Burial,
    options: ConsumeOptions,
    stop: Stop,
}

/// The partition was lost or the process stops; what was not confirmed comes again.
struct Stopped;

impl Worker {
    async fn run(mut self, mut assignment: Assignment) -> Result<(), MqError> {
        tracing::info!(
            topic = self.topic.name(),
            partition = assignment.partition,
            group = self.group.name(),
            "partition assigned"
        );
        loop {
            let batch = tokio::select! {
                () = self.stop.asked() => break,
                batch = assignment.reader.next(self.options.batch_records_max) => batch,
            };
            let batch = match batch {
                Ok(batch) => batch,
                Err(error) if error.is_transient() => {
                    tracing::warn!(%error, "read failed, trying again");
                    if self.pause(self.options.retry_max_ms).await.is_err() { break } else { continue }
                }
                Err(error) => return Err(error),
            };
            let Some(next) = batch.last().map(|record| record.offset + 1) else { continue };
            let count = batch.len() as u64;
            if self.process(batch).await.is_err() {
                break;
            }
            self.count(&self.queue.metrics.consumed, count);
            if self.commit(&*assignment.commit, next).await.is_err() {
                break;
            }
        }
        tracing::info!(topic = self.topic.name(), partition = assignment.partition, "partition released");
        Ok(())
    }

    async fn commit(&self, commit: &dyn Commit, next: u64) -> Result<(), Stopped> {
        match commit.commit(next).await {
            Ok(()) => Ok(()),
            Err(MqError::Fenced) => {
                self.count(&self.queue.metrics.fenced, 1);
                Err(Stopped)
            }
            // The next batch's commit covers this one; until then a restart repeats it, which is harmless.
            Err(error) => {
                tracing::warn!(%error, "commit failed");
                Ok(())
            }
        }
    }

    async fn process(&mut self, mut batch: Vec<Record>) -> Result<(), Stopped> {
        let mut waits = self.waits();
        while !batch.is_empty() {
            match self.attempt(&batch).await {
                Ok(()) => {
                    self.burial.success();
                    return Ok(());
                }
                Err(Failure::Transient(error)) => self.wait(&mut waits, &error).await?,
                Err(Failure::Poison(poison)) => self.bury_poison(&mut batch, poison).await?,
                Err(Failure::Unknown(_)) => return self.each_alone(batch).await,
            }
        }
        Ok(())
    }

    async fn each_alone(&mut self, batch: Vec<Record>) -> Result<(), Stopped> {
        for record in batch {
            let mut waits = self.waits();
            let mut attempts = 0;
            loop {
                let error = match self.attempt(std::slice::from_ref(&record)).await {
                    Ok(()) => {
                        self.burial.success();
                        break;
                    }
                    Err(Failure::Transient(error)) => {
                        self.wait(&mut waits, &error).await?;
                        continue;
                    }
                    Err(Failure::Unknown(error)) => error,
                    Err(Failure::Poison(poison)) => {
                        attempts = self.options.attempts_max.saturating_sub(1);
                        poison.into_iter().next().map_or_else(|| Error::new(ErrorCode::Internal), |(_, error)| error)
                    }
                };
                attempts += 1;
                if attempts >= self.options.attempts_max {
                    self.bury(&record, &error, attempts).await?;
                    break;
                }
                self.wait(&mut waits, &error).await?;
            }
        }
        Ok(())
    }

    /// One call of the handler; a panic is an unknown failure, not the end of the partition.
    async fn attempt(&self, batch: &[Record]) -> Result<(), Failure> {
        AssertUnwindSafe(self.handler.handle(batch)).catch_unwind().await.unwrap_or_else(|panic| {
            let message = panic_message(&*panic);
            tracing::error!(panic = message, "handler panicked");
            Err(Failure::Unknown(Error::new(ErrorCode::Internal).with("panic", message)))
        })
    }

    async fn bury_poison(&mut self, batch: &mut Vec<Record>, mut poison: Vec<(usize, Error)>) -> Result<(), Stopped> {
        poison.sort_by_key(|(index, _)| *index);
        for (index, error) in &poison {
            if let Some(record) = batch.get(*index).cloned() {
                self.bury(&record, error, 1).await?;
            }
        }
        let mut index = 0;
        batch.retain(|_| {
            index += 1;
            !poison.iter().any(|(bad, _)| *bad == index - 1)
        });
        Ok(())
    }

    /// Dead letter first, confirmed; then whoever waits is told; only then the partition goes on.
    async fn bury(&mut self, record: &Record, error: &Error, attempts: u32) -> Result<(), Stopped> {
        let mut waits = self.waits();
        while let Err(error) = self.burial.bury(record, error, attempts).await {
            self.wait(&mut waits, &Error::new(ErrorCode::Unavailable).with("reason", error)).await?;
        }
        // Apart: who waits may be out of reach for long, and one letter is enough.
        while let Err(failure) = self.handler.parked(record, error).await {
            let reason = format!("{failure:?}");
            self.wait(&mut waits, &Error::new(ErrorCode::Unavailable).with("reason", reason)).await?;
        }
        self.count(&self.queue.metrics.dead, 1);
        if self.burial.in_row() >= self.options.dead_in_row_max {
            tracing::error!(
                in_row = self.burial.in_row(),
                topic = self.topic.name(),
                "too many dead letters in a row, pausing"
            );
            self.pause(self.options.dead_pause_ms).await?;
        }
        Ok(())
    }

    async fn wait(&self, waits: &mut impl Iterator<Item = Duration>, error: &Error) -> Result<(), Stopped> {
        let wait = waits.next().unwrap_or(Duration::from_millis(self.options.retry_max_ms));
        tracing::warn!(%error, wait_ms = wait.as_millis(), topic = self.topic.name(), "batch failed, trying again in place");
        self.count(&self.queue.metrics.retries, 1);
        self.pause(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)).await
    }

    async fn pause(&self, wait_ms: u64) -> Result<(), Stopped> {
        tokio::select! {
            () = self.stop.asked() => Err(Stopped),
            () = tokio::time::sleep(Duration::from_millis(wait_ms)) => Ok(()),
        }
    }

    fn waits(&self) -> impl Iterator<Item = Duration> + Send + use<> {
        let (min, max) =
            (Duration::from_millis(self.options.retry_min_ms), Duration::from_millis(self.options.retry_max_ms));
        ExponentialBuilder::default().with_min_delay(min).with_max_delay(max).with_jitter().without_max_times().build()
    }

    fn count(&self, counter: &opentelemetry::metrics::Counter<u64>, by: u64) {
        counter
            .add(by, &[KeyValue::new(names::TOPIC, self.topic.name()), KeyValue::new(names::GROUP, self.group.name())]);
    }
}
