//! The worker of one partition: batch after batch, each confirmed before the next. Its position is committed behind that, and
//! what comes again because it was not yet is known to the handler.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use backon::{BackoffBuilder as _, ExponentialBuilder};
use futures_util::FutureExt as _;
use opentelemetry::{KeyValue, metrics::Counter};
use proto::{Error, ErrorCode};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{
    Assignment, Commit, ConsumeOptions, Failure, Group, Handler, MqError, Queue, Record, Topic, bury::Burial,
    lag::Position,
};
use crate::{
    clock::Clock,
    failpoint::{Point, reach},
    lifecycle::panic_message,
    planted::{self, Bug},
    telemetry::names,
};

/// How long a position waits for those behind it, to be committed with them.
const COMMIT_EVERY: Duration = Duration::from_millis(100);

/// How long a commit that failed waits for another try.
const COMMIT_AGAIN: Duration = Duration::from_secs(1);

/// Why a worker would end.
pub(super) struct Stop {
    pub(super) lost: CancellationToken,
    pub(super) stopping: CancellationToken,
}

impl Stop {
    async fn asked(&self) {
        tokio::select! { () = self.lost.cancelled() => {} () = self.stopping.cancelled() => {} }
    }
}

pub(super) struct Worker {
    queue: Queue,
    group: Group,
    topic: Topic,
    handler: Arc<dyn Handler>,
    burial: Burial,
    options: ConsumeOptions,
    stop: Stop,
    /// For the lag: what lies before it is done.
    position: Position,
}

/// The partition was lost or the process stops; what was not confirmed comes again.
struct Stopped;

impl Worker {
    pub(super) fn new(
        (queue, group, topic): (Queue, Group, Topic),
        handler: Arc<dyn Handler>,
        options: ConsumeOptions,
        clock: Clock,
        (stop, position): (Stop, Position),
    ) -> Self {
        let burial = Burial::new(queue.clone(), group, clock);
        Self { queue, group, topic, handler, burial, options, stop, position }
    }

    pub(super) async fn run(mut self, mut assignment: Assignment) -> Result<(), MqError> {
        tracing::info!(
            topic = self.topic.name(),
            partition = assignment.partition,
            group = self.group.name(),
            "partition assigned"
        );
        // The position that is not committed yet, and when it is due.
        let mut open: Option<(u64, Instant)> = None;
        loop {
            let batch = tokio::select! {
                () = self.stop.asked() => break,
                () = due(open) => {
                    if self.commit_open(&*assignment.commit, &mut open).await.is_err() { break } else { continue }
                }
                batch = assignment.reader.next(self.options.batch_records_max) => batch,
            };
            let batch = match batch {
                Ok(batch) => batch,
                Err(error) if error.is_transient() => {
                    tracing::warn!(%error, "read failed, trying again");
                    if self.pause(self.options.retry_max_ms).await.is_err() { break } else { continue }
                }
                Err(error) => {
                    let _ = self.commit_open(&*assignment.commit, &mut open).await;
                    return Err(error);
                }
            };
            let Some(next) = batch.last().map(|record| record.offset + 1) else { continue };
            let count = batch.len() as u64;
            if planted::is(Bug::CommitBeforeEffect) {
                let _ = self.commit_open(&*assignment.commit, &mut Some((next, Instant::now()))).await;
            }
            if self.process(batch).await.is_err() {
                break;
            }
            reach(Point::WorkerBeforeCommit);
            self.position.reached(next);
            self.count(&self.queue.metrics.consumed, count);
            let due = open.map_or_else(|| Instant::now() + COMMIT_EVERY, |(_, due)| due);
            open = Some((next, due));
            if due <= Instant::now() && self.commit_open(&*assignment.commit, &mut open).await.is_err() {
                break;
            }
        }
        let _ = self.commit_open(&*assignment.commit, &mut open).await;
        tracing::info!(topic = self.topic.name(), partition = assignment.partition, "partition released");
        Ok(())
    }

    async fn commit_open(&self, commit: &dyn Commit, open: &mut Option<(u64, Instant)>) -> Result<(), Stopped> {
        let Some((next, _)) = open.take() else { return Ok(()) };
        match commit.commit(next).await {
            Ok(()) => Ok(()),
            Err(MqError::Fenced) => {
                self.count(&self.queue.metrics.fenced, 1);
                Err(Stopped)
            }
            // Until it succeeds a restart repeats what was done, which is harmless.
            Err(error) => {
                tracing::warn!(%error, "commit failed, trying again");
                *open = Some((next, Instant::now() + COMMIT_AGAIN));
                Ok(())
            }
        }
    }

    async fn process(&mut self, mut batch: Vec<Record>) -> Result<(), Stopped> {
        self.bury_damaged(&mut batch).await?;
        let mut waits = self.waits();
        while !batch.is_empty() {
            match self.attempt(&batch).await {
                Ok(()) => {
                    self.burial.success();
                    return Ok(());
                }
                Err(Failure::Transient(_)) if planted::is(Bug::ReplayAfterLastSent) => return Ok(()),
                Err(Failure::Transient(error)) => self.wait(&mut waits, &error).await?,
                Err(Failure::Poison(poison)) => self.bury_poison(&mut batch, poison).await?,
                Err(Failure::Unknown(_)) => return self.each_alone(batch).await,
            }
        }
        Ok(())
    }

    /// What is not whole is decided by nobody: it is set aside with what is left of it.
    async fn bury_damaged(&mut self, batch: &mut Vec<Record>) -> Result<(), Stopped> {
        let damage = |(index, record): (usize, &Record)| Some((index, Error::invalid("record", record.damage()?)));
        let damaged: Vec<_> = batch.iter().enumerate().filter_map(damage).collect();
        if damaged.is_empty() {
            return Ok(());
        }
        self.count(&self.queue.metrics.damaged, damaged.len() as u64);
        self.bury_poison(batch, damaged).await
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
        if planted::is(Bug::PanicSwallowed) && fastrand::u8(..) == 0 {
            return Ok(());
        }
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
        self.tell(record, error).await?;
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

    /// Tells whoever waits for a record that was given up, unless that cannot succeed either.
    async fn tell(&self, record: &Record, error: &Error) -> Result<(), Stopped> {
        let mut waits = self.waits();
        let mut attempts = 0;
        while let Err(failure) = self.told(record, error).await {
            if !matches!(failure, Failure::Transient(_)) {
                attempts += 1;
                if attempts >= self.options.attempts_max {
                    tracing::error!(?failure, topic = self.topic.name(), "nobody was told of a dead letter");
                    break;
                }
            }
            let reason = format!("{failure:?}");
            self.wait(&mut waits, &Error::new(ErrorCode::Unavailable).with("reason", reason)).await?;
        }
        Ok(())
    }

    /// What is left of a damaged record does not say who waits for it, only that something is missing.
    async fn told(&self, record: &Record, error: &Error) -> Result<(), Failure> {
        if record.damage().is_none() {
            self.handler.parked(record, error).await
        } else {
            self.handler.lost(record).await
        }
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

    fn count(&self, counter: &Counter<u64>, by: u64) {
        counter
            .add(by, &[KeyValue::new(names::TOPIC, self.topic.name()), KeyValue::new(names::GROUP, self.group.name())]);
    }
}

/// When the open position is to be committed; never, where there is none.
async fn due(open: Option<(u64, Instant)>) {
    match open {
        Some((_, due)) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}
