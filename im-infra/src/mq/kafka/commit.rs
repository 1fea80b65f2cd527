//! Commits. One request at a time for the whole member, with the newest position of every partition that has one: fewer
//! requests under load, and librdkafka, which starts no new partition while a commit is under way, gets its turn.

use std::{
    collections::BTreeMap,
    sync::{Arc, Weak},
    thread,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use rdkafka::{
    Offset, TopicPartitionList,
    consumer::{BaseConsumer, CommitMode, Consumer as _},
    error::KafkaError,
};
use tokio::sync::{mpsc, oneshot};

use super::{
    super::{Commit, MqError},
    callbacks::Events,
    client::{native, signed},
    error::{is_stale_member, unavailable},
    tap::Tap,
};

/// Commits that may wait for the thread; a partition has one at a time.
pub(super) const WAITING_MAX: usize = 1_024;
/// While the group shares out anew it takes no commits: how soon to ask again.
const AGAIN_WAIT: Duration = Duration::from_millis(20);

/// A position to be remembered. Its partition counts as in use until it has an answer.
pub(super) struct Job {
    tap: Arc<Tap>,
    next: u64,
    done: oneshot::Sender<Result<(), MqError>>,
}

/// A partition's way to the committing thread.
pub(super) struct TapCommit {
    pub(super) tap: Arc<Tap>,
    pub(super) jobs: mpsc::Sender<Job>,
}

#[async_trait]
impl Commit for TapCommit {
    async fn commit(&self, next: u64) -> Result<(), MqError> {
        let (done, answered) = oneshot::channel();
        let job = Job { tap: self.tap.clone(), next, done };
        // The thread lives as long as there is someone to send it jobs.
        let gone = || MqError::Unavailable("the committing thread has ended".into());
        let committed = async {
            self.jobs.send(job).await.map_err(|_| gone())?;
            answered.await.map_err(|_| gone())?
        };
        // The thread may wait for its answer for long after the partition is another's, where no coordinator is found.
        tokio::select! {
            biased;
            committed = committed => committed,
            () = self.tap.closed() => Err(MqError::Fenced),
        }
    }
}

/// Commits for a member, on a thread of its own: the answer can only be waited for. (librdkafka reports no result of an
/// asynchronous commit to a client that takes events.)
pub(super) struct Committer {
    pub(super) consumer: Weak<BaseConsumer<Events>>,
    /// The topic's name, with namespace.
    pub(super) topic: String,
    /// How long a rebalance may take before a commit is given up.
    pub(super) patience: Duration,
}

impl Committer {
    /// Until the last one who could commit is gone.
    pub(super) fn run(&self, jobs: &mut mpsc::Receiver<Job>) {
        while let Some(first) = jobs.blocking_recv() {
            let mut together = vec![first];
            while together.len() < WAITING_MAX
                && let Ok(job) = jobs.try_recv()
            {
                together.push(job);
            }
            self.settle(together);
        }
    }

    /// Commits, or finds out that the partitions are lost. The cluster says "not with this generation" in both cases: to a
    /// member that was expelled, and to one that keeps its partitions while others join. Only what becomes of the
    /// partitions tells which it is.
    fn settle(&self, mut jobs: Vec<Job>) {
        let until = Instant::now() + self.patience;
        loop {
            let (lost, held): (Vec<_>, Vec<_>) = jobs.into_iter().partition(|job| job.tap.is_closed());
            for job in lost {
                let _ = job.done.send(Err(MqError::Fenced));
            }
            if held.is_empty() {
                return;
            }
            match self.commit(&held) {
                Err(error) if is_stale_member(&error) && Instant::now() < until => thread::park_timeout(AGAIN_WAIT),
                result => {
                    let result = result.map_err(|error| unavailable(&error));
                    for job in held {
                        let _ = job.done.send(result.clone());
                    }
                    return;
                }
            }
            jobs = held;
        }
    }

    /// One request for all. Blocks until it is answered, which takes many times the length of a session where no coordinator is
    /// found.
    fn commit(&self, jobs: &[Job]) -> Result<(), KafkaError> {
        let mut positions: BTreeMap<u32, u64> = BTreeMap::new();
        for job in jobs {
            let position = positions.entry(job.tap.number()).or_default();
            *position = job.next.max(*position);
        }
        let mut list = TopicPartitionList::with_capacity(positions.len());
        for (partition, next) in positions {
            list.add_partition_offset(&self.topic, native(partition), Offset::Offset(signed(next)))?;
        }
        let consumer = self.consumer.upgrade().ok_or(KafkaError::Canceled)?;
        consumer.commit(&list, CommitMode::Sync)
    }
}
