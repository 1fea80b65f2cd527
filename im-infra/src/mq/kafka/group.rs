//! The thread of a member: it serves the group's events, opens a tap for each partition that comes, and gives a partition
//! back when its worker has finished.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use rdkafka::{
    Message as _, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _},
};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{
    super::{Assignment, Group, MqError, Topic},
    KafkaOptions,
    callbacks::{Change, Events, Kind, abandon, answer, close},
    client::{POLL_WAIT, Partition, RETRY_WAIT, STEP_WAIT, native, signed, start_thread, unsigned},
    commit::{Committer, Job, TapCommit, WAITING_MAX},
    error::{is_fatal, unavailable, unusable},
    inbox::Inbox,
    lost::{Replaced, Watch},
    tap::{Tap, TapReader},
};
use crate::failpoint::{Point, reach};

pub(super) struct Membership {
    consumer: Arc<BaseConsumer<Events>>,
    topic: Topic,
    /// The topic's name, with namespace.
    name: String,
    request_timeout: Duration,
    grace: Duration,
    held: HashMap<u32, Held>,
    step: Step,
    inbox: Arc<Inbox>,
    jobs: mpsc::Sender<Job>,
    watch: Watch,
}

/// Why a membership has ended.
pub(super) enum End {
    /// The member was dropped.
    Left,
    /// It cannot go on, and another would not do better.
    Failed,
    /// Its consumer reaches no broker any more: another may.
    Lost,
}

/// A partition that is ours.
struct Held {
    tap: Arc<Tap>,
    lost: CancellationToken,
}

impl Held {
    /// Its reader and its commits are gone: the worker has finished.
    fn is_released(&self) -> bool {
        Arc::strong_count(&self.tap) == 1
    }
}

/// What has to be done before the group gets its answer; nothing else happens in the group until then.
enum Step {
    Idle,
    Gaining { list: TopicPartitionList, not_before: Instant },
    Losing { list: TopicPartitionList, until: Instant },
}

impl Membership {
    pub(super) fn join(
        (options, replaced): (&KafkaOptions, &Replaced),
        group: Group,
        topic: Topic,
        inbox: Arc<Inbox>,
    ) -> Result<Self, MqError> {
        let name = options.topic_name(topic);
        let consumer: BaseConsumer<Events> =
            options.member(group).create_with_context(Events::default()).map_err(|error| unusable(&error))?;
        let consumer = Arc::new(consumer);
        let (jobs, mut waiting) = mpsc::channel(WAITING_MAX);
        let committer =
            Committer { consumer: Arc::downgrade(&consumer), topic: name.clone(), patience: options.session_timeout() };
        start_thread("kafka-commit", move || committer.run(&mut waiting))?;
        consumer.subscribe(&[&name]).map_err(|error| unavailable(&error))?;
        let (request_timeout, grace) = (options.request_timeout(), options.grace());
        let watch = Watch::new(options, &name, replaced);
        let (held, step) = (HashMap::new(), Step::Idle);
        Ok(Self { consumer, topic, name, request_timeout, grace, held, step, inbox, jobs, watch })
    }

    /// Until the member is dropped, or the consumer is of no use any more. The group is left then.
    pub(super) fn run(mut self, leave: &CancellationToken) -> End {
        while !leave.is_cancelled() {
            if let Err(error) = self.serve() {
                tracing::error!(topic = self.topic.name(), %error, "member ends");
                self.inbox.end(error);
                self.leave(true);
                return End::Failed;
            }
            if self.watch.is_lost("member", &self.consumer.context().silence, self.consumer.client()) {
                abandon(move || self.leave(true));
                return End::Lost;
            }
        }
        self.leave(false);
        End::Left
    }

    /// The next events, and what follows from them.
    fn serve(&mut self) -> Result<(), MqError> {
        let wait = if matches!(self.step, Step::Idle) { POLL_WAIT } else { STEP_WAIT };
        match self.consumer.poll(wait) {
            None => {}
            Some(Ok(message)) => {
                // Its reader would miss it; better to begin anew from the committed positions.
                let stray = format!("record {}/{} came out of the wrong queue", message.partition(), message.offset());
                return Err(MqError::Unavailable(stray));
            }
            Some(Err(error)) if is_fatal(&error) => return Err(unavailable(&error)),
            Some(Err(error)) => tracing::debug!(%error, "member's consumer"),
        }
        self.advance()
    }

    /// Goes on with the changes, one after the other, as far as possible without waiting for a worker.
    fn advance(&mut self) -> Result<(), MqError> {
        loop {
            let now = Instant::now();
            self.step = match std::mem::replace(&mut self.step, Step::Idle) {
                Step::Idle => match self.consumer.context().next_change() {
                    Some(change) => self.begin(change),
                    None => return Ok(()),
                },
                Step::Gaining { list, not_before } if now < not_before => {
                    self.step = Step::Gaining { list, not_before };
                    return Ok(());
                }
                Step::Gaining { list, .. } => match self.positions(&list) {
                    Ok(positions) => {
                        self.gain(positions)?;
                        Step::Idle
                    }
                    Err(error) => {
                        tracing::warn!(topic = self.topic.name(), %error, "no positions yet, asking again");
                        Step::Gaining { list, not_before: Instant::now() + RETRY_WAIT }
                    }
                },
                Step::Losing { list, until } if now < until && !self.is_released(&list) => {
                    self.step = Step::Losing { list, until };
                    return Ok(());
                }
                Step::Losing { list, .. } => {
                    self.give_up(&list)?;
                    Step::Idle
                }
            };
        }
    }

    fn begin(&self, change: Change) -> Step {
        let Change { kind, list } = change;
        let now = Instant::now();
        let partitions = numbers(&list);
        match kind {
            Kind::Gained => {
                tracing::debug!(topic = self.topic.name(), ?partitions, "partitions gained");
                Step::Gaining { list, not_before: now }
            }
            Kind::Revoked => {
                tracing::info!(topic = self.topic.name(), ?partitions, "partitions revoked");
                self.announce_loss(&partitions);
                Step::Losing { list, until: now + self.grace }
            }
            // The session is over: there is nothing to wait for, and what is committed now is refused.
            Kind::Lost => {
                tracing::warn!(topic = self.topic.name(), ?partitions, "partitions lost");
                self.announce_loss(&partitions);
                Step::Losing { list, until: now }
            }
        }
    }

    fn announce_loss(&self, partitions: &[u32]) {
        for partition in partitions {
            if let Some(held) = self.held.get(partition) {
                held.lost.cancel();
            }
        }
        self.inbox.prune();
    }

    fn is_released(&self, list: &TopicPartitionList) -> bool {
        numbers(list).iter().all(|partition| self.held.get(partition).is_none_or(Held::is_released))
    }

    /// Where to begin: at the committed position, else at the oldest record. Blocks.
    fn positions(&self, list: &TopicPartitionList) -> Result<Vec<(Partition, u64)>, MqError> {
        if list.count() == 0 {
            return Ok(Vec::new());
        }
        let committed =
            self.consumer.committed_offsets(list.clone(), self.request_timeout).map_err(|error| unavailable(&error))?;
        let mut positions = Vec::with_capacity(list.count());
        for element in committed.elements() {
            element.error().map_err(|error| unavailable(&error))?;
            let number = u32::try_from(element.partition()).unwrap_or_default();
            let partition = Partition { topic: self.topic, name: self.name.clone(), number };
            let from = match element.offset() {
                Offset::Offset(next) => unsigned(next),
                _ => partition.watermarks(self.consumer.client(), self.request_timeout)?.0,
            };
            positions.push((partition, from));
        }
        Ok(positions)
    }

    /// Takes the partitions (there may be none: the answer is due all the same) and hands them to the member.
    fn gain(&mut self, positions: Vec<(Partition, u64)>) -> Result<(), MqError> {
        reach(Point::Rebalance);
        let mut list = TopicPartitionList::with_capacity(positions.len());
        let mut taps: Vec<(Arc<Tap>, u64)> = Vec::with_capacity(positions.len());
        for (partition, from) in positions {
            if let Some(stale) = self.held.remove(&partition.number) {
                stale.lost.cancel();
                stale.tap.close();
            }
            list.add_partition_offset(&self.name, native(partition.number), Offset::Offset(signed(from)))
                .map_err(|error| unavailable(&error))?;
            taps.push((Tap::open(&self.consumer, partition, from, self.request_timeout)?, from));
        }
        if let Err(error) = answer(&self.consumer, true, &list) {
            for (tap, _) in &taps {
                tap.close();
            }
            return Err(unavailable(&error));
        }
        for (tap, from) in taps {
            let lost = CancellationToken::new();
            self.inbox.push(Assignment {
                partition: tap.number(),
                from,
                reader: Box::new(TapReader::new(tap.clone(), None)),
                commit: Arc::new(TapCommit { tap: tap.clone(), jobs: self.jobs.clone() }),
                lost: lost.clone(),
            });
            self.held.insert(tap.number(), Held { tap, lost });
        }
        Ok(())
    }

    /// From here on commits are fenced, whether the worker has finished or not.
    fn give_up(&mut self, list: &TopicPartitionList) -> Result<(), MqError> {
        reach(Point::Rebalance);
        for partition in numbers(list) {
            if let Some(held) = self.held.remove(&partition) {
                held.tap.close();
            }
        }
        answer(&self.consumer, false, list).map_err(|error| unavailable(&error))
    }

    /// Lets the workers finish and commit, then leaves the group. After a failure a change may be without an answer.
    fn leave(self, failed: bool) {
        let partitions: Vec<u32> = self.held.keys().copied().collect();
        self.announce_loss(&partitions);
        let until = Instant::now() + self.grace;
        while Instant::now() < until && !self.held.values().all(Held::is_released) {
            drop(self.consumer.poll(STEP_WAIT));
        }
        for held in self.held.values() {
            held.tap.close();
        }
        let unanswered = failed || !matches!(self.step, Step::Idle);
        close(self.consumer, unanswered);
    }
}

fn numbers(list: &TopicPartitionList) -> Vec<u32> {
    list.elements().iter().filter_map(|element| u32::try_from(element.partition()).ok()).collect()
}
