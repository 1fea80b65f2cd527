//! Batches of several partitions, handled together: whatever has arrived while the joint batches before were under way. With little
//! load a batch goes alone and at once; with more, one call to im-repo, one transaction and one record to each gateway carry
//! the commands of many partitions. No timer decides.
//!
//! A failure of several batches says nothing of any of them: each is handled apart then, and has a failure of its own.

use std::{
    collections::VecDeque,
    panic::AssertUnwindSafe,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use async_trait::async_trait;
use futures_util::FutureExt as _;
use im_infra::mq::{Failure, Handler, Record};
use proto::{Error, ErrorCode};
use tokio::sync::{Semaphore, oneshot};

use crate::config::TogetherOptions;

/// Bytes of payload after which a joint batch takes no further one.
const JOINT_BYTES: usize = 1 << 20;

/// Lets a handler handle batches together. Batches of different partitions share no conversation; those of one partition never
/// wait at the same time.
pub(crate) struct Together<H> {
    handler: H,
    waiting: Mutex<VecDeque<Waiting>>,
    /// One for each joint batch that may be under way.
    turns: Semaphore,
    records_max: usize,
    last_id: AtomicU64,
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
    pub(crate) fn new(handler: H, options: &TogetherOptions) -> Self {
        let turns = Semaphore::new(options.at_once);
        Self { handler, waiting: Mutex::default(), turns, records_max: options.records_max, last_id: AtomicU64::new(0) }
    }

    /// The handler itself.
    pub(crate) const fn alone(&self) -> &H {
        &self.handler
    }

    fn add(&self, batch: &[Record]) -> (u64, oneshot::Receiver<Verdict>) {
        let (answer, verdict) = oneshot::channel();
        let id = self.last_id.fetch_add(1, Ordering::Relaxed);
        self.lock().push_back(Waiting { id, records: batch.to_vec(), answer });
        (id, verdict)
    }

    /// Takes a batch out, unless it went with others.
    fn take(&self, id: u64) -> Option<Waiting> {
        let mut waiting = self.lock();
        let at = waiting.iter().position(|one| one.id == id)?;
        waiting.remove(at)
    }

    /// Takes out what goes with a batch, the longest waiting first.
    fn company(&self, batch: &[Record]) -> Vec<Waiting> {
        let (mut records, mut bytes) = (batch.len(), bytes_of(batch));
        let mut company = Vec::new();
        let mut waiting = self.lock();
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

    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Handles this batch and whatever goes with it.
    async fn lead(&self, batch: &[Record]) -> Result<(), Failure> {
        let company = self.company(batch);
        if company.is_empty() {
            return self.handler.handle(batch).await;
        }
        let (mut records, mut answers) = (batch.to_vec(), Vec::with_capacity(company.len()));
        for Waiting { records: more, answer, .. } in company {
            records.extend(more);
            answers.push(answer);
        }
        // A panic is the failure of one of them, too.
        let done = AssertUnwindSafe(self.handler.handle(&records)).catch_unwind().await;
        let verdict = if matches!(done, Ok(Ok(()))) { Verdict::Done } else { Verdict::Apart };
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
            Some(Verdict::Apart) | None => self.handler.handle(batch).await,
        }
    }
}

#[async_trait]
impl<H: Handler> Handler for Together<H> {
    async fn handle(&self, batch: &[Record]) -> Result<(), Failure> {
        if let Ok(_turn) = self.turns.try_acquire() {
            return self.lead(batch).await;
        }
        let (id, mut verdict) = self.add(batch);
        let turn = tokio::select! {
            biased;
            verdict = &mut verdict => return self.obey(verdict.ok(), batch).await,
            turn = self.turns.acquire() => turn,
        };
        let closed = |_| Failure::Unknown(Error::new(ErrorCode::Internal).with("part", "joint batches"));
        let turn = turn.map_err(closed)?;
        if self.take(id).is_some() {
            return self.lead(batch).await;
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

fn bytes_of(records: &[Record]) -> usize {
    records.iter().map(|record| record.payload.len()).sum()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use im_infra::{mq::Topic, testing::eventually};
    use tokio::sync::Semaphore;

    use super::*;

    /// Notes each call by its payloads; the first waits until it is let go. `bad` fails whatever it is part of, `panic` panics.
    #[derive(Default)]
    struct Script {
        calls: Mutex<Vec<Vec<u8>>>,
        gate: Option<Semaphore>,
    }

    #[async_trait]
    impl Handler for Script {
        async fn handle(&self, batch: &[Record]) -> Result<(), Failure> {
            let payloads: Vec<u8> = batch.iter().map(|record| record.payload[0]).collect();
            self.calls.lock().unwrap().push(payloads.clone());
            if payloads.contains(&b'g') {
                self.gate.as_ref().unwrap().acquire().await.unwrap().forget();
            }
            assert!(!payloads.contains(&b'p'), "a planned panic");
            if payloads.contains(&b'x') {
                let index = payloads.iter().position(|payload| *payload == b'x').unwrap();
                return Err(Failure::Poison(vec![(index, ErrorCode::Internal.into())]));
            }
            Ok(())
        }
    }

    fn record(partition: u32, payload: &'static str) -> Record {
        Record {
            topic: Topic::Upstream,
            partition,
            offset: 0,
            produced_at_ms: 0,
            key: bytes::Bytes::new(),
            payload: payload.into(),
            headers: Vec::new(),
        }
    }

    /// Handles `g`, and, while that waits, the others; answers what became of them and in which calls.
    async fn while_one_waits(
        records_max: usize,
        others: &[&'static str],
    ) -> (Vec<std::thread::Result<Result<(), Failure>>>, Vec<Vec<u8>>) {
        let script = Script { gate: Some(Semaphore::new(0)), ..Script::default() };
        let together = Arc::new(Together::new(script, &TogetherOptions { at_once: 1, records_max }));
        let one = |partition: usize, payload: &'static str| {
            let together = together.clone();
            async move {
                let batch = [record(u32::try_from(partition).unwrap(), payload)];
                AssertUnwindSafe(together.handle(&batch)).catch_unwind().await
            }
        };
        let first = one(0, "g");
        let rest = futures_util::future::join_all(others.iter().enumerate().map(|(at, payload)| one(at + 1, payload)));
        let open = eventually("the others to wait", || async {
            (together.lock().len() == others.len()).then(|| together.alone().gate.as_ref().unwrap().add_permits(1))
        });
        let (first, rest, ()) = tokio::join!(first, rest, open);
        assert!(matches!(first, Ok(Ok(()))));
        let calls = together.alone().calls.lock().unwrap().clone();
        (rest, calls)
    }

    #[tokio::test]
    async fn what_arrives_during_a_batch_goes_together_into_the_next() {
        let (done, calls) = while_one_waits(10, &["a", "b", "c"]).await;
        assert!(done.iter().all(|done| matches!(done, Ok(Ok(())))));
        assert_eq!(calls, [b"g".to_vec(), b"abc".to_vec()]);
    }

    #[tokio::test]
    async fn a_joint_batch_is_bounded() {
        let (done, calls) = while_one_waits(2, &["a", "b", "c"]).await;
        assert!(done.iter().all(|done| matches!(done, Ok(Ok(())))));
        assert_eq!(calls, [b"g".to_vec(), b"ab".to_vec(), b"c".to_vec()]);
    }

    #[tokio::test]
    async fn a_failure_is_that_of_its_own_batch_alone() {
        let (done, calls) = while_one_waits(10, &["a", "x", "c"]).await;
        assert!(matches!((&done[0], &done[2]), (Ok(Ok(())), Ok(Ok(())))));
        assert_eq!(done[1].as_ref().unwrap(), &Err(Failure::Poison(vec![(0, ErrorCode::Internal.into())])));
        assert_eq!(calls[1], b"axc".to_vec());
        assert_eq!(calls.len(), 5, "each apart afterwards: {calls:?}");
    }

    #[tokio::test]
    async fn a_panic_is_that_of_its_own_batch_alone() {
        let (done, _) = while_one_waits(10, &["a", "p", "c"]).await;
        assert!(matches!((&done[0], &done[2]), (Ok(Ok(())), Ok(Ok(())))));
        assert!(done[1].is_err());
    }
}
