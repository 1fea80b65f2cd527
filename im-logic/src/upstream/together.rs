//! Batches of several partitions, handled together: whatever has arrived while the joint batch before was under way. With little
//! load a batch goes alone and at once; with more, one call to im-repo, one transaction and one record to each gateway carry
//! the commands of many partitions. What waits goes beside the batch under way where it is enough to be worth a transaction of
//! its own, or where that one is slow; otherwise the two would take from each other's speed and each would carry less.
//!
//! A failure of several batches says nothing of any of them, nor does it if they take too long: each is handled apart then, and
//! has a failure of its own. Its partition goes alone until that is over, so that it holds nobody up.

use std::{
    collections::{HashSet, VecDeque},
    panic::AssertUnwindSafe,
    pin::pin,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use futures_util::FutureExt as _;
use im_infra::mq::{Failure, Handler, Record};
use proto::{Error, ErrorCode};
use tokio::{
    sync::{AcquireError, Semaphore, SemaphorePermit, oneshot},
    time::{sleep, timeout},
};

use crate::{
    config::TogetherOptions,
    metrics::{Going, Metrics},
};

/// Bytes of payload after which a joint batch takes no further one.
const JOINT_BYTES: usize = 1 << 20;

/// How long a turn is held, and batches of several partitions are handled together. Much longer than that takes where all is well,
/// and less than a call may take.
const TURN_MAX: Duration = Duration::from_secs(2);

/// After how long a batch that waits goes beside one under way, however few its records are.
const PATIENCE: Duration = Duration::from_millis(100);

/// Lets a handler handle batches together. Batches of different partitions share no conversation. Those of one partition wait at
/// the same time only where one of them is not ours any more.
pub(crate) struct Together<H> {
    handler: H,
    waiting: Mutex<VecDeque<Waiting>>,
    /// One: whoever has it needs no company.
    first: Semaphore,
    /// One for each joint batch that may be under way beside that one.
    further: Semaphore,
    /// Partitions whose batch could not be handled yet.
    apart: Mutex<HashSet<u32>>,
    further_from: usize,
    records_max: usize,
    last_id: AtomicU64,
    metrics: Metrics,
}

/// A batch that waits for others to go with.
struct Waiting {
    id: u64,
    records: Vec<Record>,
    answer: oneshot::Sender<Verdict>,
}

/// What became of a joint batch.
#[derive(Clone, Copy)]
enum Verdict {
    Done,
    /// Not all could be handled.
    Apart,
}

impl<H: Handler> Together<H> {
    pub(crate) fn new(handler: H, options: &TogetherOptions, metrics: Metrics) -> Self {
        let &TogetherOptions { at_once, further_from, records_max } = options;
        let (first, further) = (Semaphore::new(1), Semaphore::new(at_once.saturating_sub(1)));
        let (waiting, apart) = (Mutex::default(), Mutex::default());
        Self { handler, waiting, first, further, apart, further_from, records_max, last_id: AtomicU64::new(0), metrics }
    }

    /// The handler itself.
    pub(crate) const fn alone(&self) -> &H {
        &self.handler
    }

    /// A turn for a batch that need not wait.
    fn turn_now(&self, batch: &[Record]) -> Option<SemaphorePermit<'_>> {
        let is_enough = || {
            let waiting: usize = lock(&self.waiting).iter().map(|one| one.records.len()).sum();
            waiting + batch.len() >= self.further_from
        };
        let turn = self.first.try_acquire().ok();
        turn.or_else(|| if is_enough() { self.further.try_acquire().ok() } else { None })
    }

    /// A turn for a batch that waits.
    async fn turn(&self) -> Result<SemaphorePermit<'_>, AcquireError> {
        let beside = async {
            sleep(PATIENCE).await;
            self.further.acquire().await
        };
        tokio::select! {
            biased;
            turn = self.first.acquire() => turn,
            turn = beside => turn,
        }
    }

    fn add(&self, batch: &[Record]) -> (u64, oneshot::Receiver<Verdict>) {
        let (answer, verdict) = oneshot::channel();
        let id = self.last_id.fetch_add(1, Ordering::Relaxed);
        lock(&self.waiting).push_back(Waiting { id, records: batch.to_vec(), answer });
        (id, verdict)
    }

    /// Takes a batch out, unless it went with others.
    fn take(&self, id: u64) -> Option<Waiting> {
        let mut waiting = lock(&self.waiting);
        let at = waiting.iter().position(|one| one.id == id)?;
        waiting.remove(at)
    }

    /// Takes out what goes with a batch, the longest waiting first.
    fn company(&self, batch: &[Record]) -> Vec<Waiting> {
        let (mut records, mut bytes) = (batch.len(), bytes_of(batch));
        let mut company = Vec::new();
        let mut waiting = lock(&self.waiting);
        while let Some(next) = waiting.front() {
            records += next.records.len();
            bytes += bytes_of(&next.records);
            if records > self.records_max || bytes > JOINT_BYTES {
                break;
            }
            company.extend(waiting.pop_front());
        }
        company
    }

    /// Handles this batch and whatever goes with it.
    async fn lead(&self, batch: &[Record], turn: SemaphorePermit<'_>) -> Result<(), Failure> {
        let company = self.company(batch);
        if company.is_empty() {
            self.metrics.batches(Going::Alone, 1);
            let mut handling = pin!(self.handle_alone(batch));
            return match timeout(TURN_MAX, &mut handling).await {
                Ok(done) => done,
                Err(_) => {
                    drop(turn);
                    handling.await
                }
            };
        }
        self.metrics.batches(Going::Joint, 1 + company.len());
        let (mut records, mut answers) = (batch.to_vec(), Vec::with_capacity(company.len()));
        for Waiting { records: more, answer, .. } in company {
            records.extend(more);
            answers.push(answer);
        }
        // A panic is the failure of one of them, too.
        let handling = AssertUnwindSafe(self.handler.handle(&records)).catch_unwind();
        let verdict = match timeout(TURN_MAX, handling).await {
            Ok(Ok(Ok(()))) => Verdict::Done,
            _ => Verdict::Apart,
        };
        drop(turn);
        for answer in answers {
            // Its partition may be lost.
            let _ = answer.send(verdict);
        }
        self.obey(Some(verdict), batch).await
    }

    /// None if the joint batch was given up.
    async fn obey(&self, verdict: Option<Verdict>, batch: &[Record]) -> Result<(), Failure> {
        match verdict {
            Some(Verdict::Done) => Ok(()),
            Some(Verdict::Apart) | None => self.handle_apart(batch).await,
        }
    }

    async fn handle_apart(&self, batch: &[Record]) -> Result<(), Failure> {
        self.metrics.batches(Going::Apart, 1);
        self.handle_alone(batch).await
    }

    /// Handles a batch alone; until that has succeeded its partition goes alone.
    async fn handle_alone(&self, batch: &[Record]) -> Result<(), Failure> {
        let Some(partition) = batch.first().map(|record| record.partition) else { return Ok(()) };
        lock(&self.apart).insert(partition);
        let done = self.handler.handle(batch).await;
        if done.is_ok() {
            lock(&self.apart).remove(&partition);
        }
        done
    }

    fn goes_apart(&self, batch: &[Record]) -> bool {
        batch.first().is_some_and(|record| lock(&self.apart).contains(&record.partition))
    }
}

#[async_trait]
impl<H: Handler> Handler for Together<H> {
    async fn handle(&self, batch: &[Record]) -> Result<(), Failure> {
        if self.goes_apart(batch) {
            return self.handle_apart(batch).await;
        }
        if let Some(turn) = self.turn_now(batch) {
            return self.lead(batch, turn).await;
        }
        let (id, mut verdict) = self.add(batch);
        let turn = tokio::select! {
            biased;
            verdict = &mut verdict => return self.obey(verdict.ok(), batch).await,
            turn = self.turn() => turn,
        };
        let closed = |_| Failure::Unknown(Error::new(ErrorCode::Internal).with("part", "joint batches"));
        let turn = turn.map_err(closed)?;
        if self.take(id).is_some() {
            return self.lead(batch, turn).await;
        }
        // It goes with another one: the turn is for somebody else.
        drop(turn);
        self.obey(verdict.await.ok(), batch).await
    }

    async fn parked(&self, record: &Record, error: &Error) -> Result<(), Failure> {
        self.handler.parked(record, error).await
    }

    async fn lost(&self, record: &Record) -> Result<(), Failure> {
        self.handler.lost(record).await
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn bytes_of(records: &[Record]) -> usize {
    records.iter().map(|record| record.payload.len()).sum()
}

#[cfg(test)]
mod tests;
