//! The queue: partitions that keep their order, a position for each, generations that fence, produces that fail with or
//! without effect.

use std::{
    collections::BTreeMap,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use bytes::Bytes;
use im_infra::mq::{Broker, Group, Member, MqError, Reader, Room, Routed, Topic};

/// What becomes of the next produce.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Fate {
    #[default]
    Stored,
    /// It fails, nothing is there.
    Lost,
    /// It fails, the first records are there.
    Unknown(usize),
}

/// The queue. Clones share.
#[derive(Clone)]
pub(crate) struct Log {
    shared: Arc<Mutex<Shared>>,
    partitions: u32,
    slots: u32,
}

#[derive(Default)]
struct Shared {
    records: BTreeMap<(Topic, u32), Vec<Bytes>>,
    positions: BTreeMap<(Topic, u32), Position>,
    fate: Fate,
    /// Partitions that got records.
    woken: Vec<(Topic, u32)>,
}

#[derive(Clone, Copy, Default)]
struct Position {
    generation: u64,
    committed: u64,
}

impl Log {
    pub(crate) fn new(partitions: u32, slots: u32) -> Self {
        Self { shared: Arc::default(), partitions, slots }
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) const fn partitions(&self) -> u32 {
        self.partitions
    }

    pub(crate) const fn slots(&self) -> u32 {
        self.slots
    }

    pub(crate) fn doom(&self, fate: Fate) {
        self.lock().fate = fate;
    }

    pub(crate) fn woken(&self) -> Vec<(Topic, u32)> {
        mem::take(&mut self.lock().woken)
    }

    pub(crate) fn end_of(&self, topic: Topic, partition: u32) -> u64 {
        self.lock().records.get(&(topic, partition)).map_or(0, Vec::len) as u64
    }

    pub(crate) fn records(&self, topic: Topic, partition: u32, from: u64, records_max: usize) -> Vec<Bytes> {
        let from = usize::try_from(from).unwrap_or(usize::MAX);
        let shared = self.lock();
        let all = shared.records.get(&(topic, partition)).map_or(&[][..], Vec::as_slice);
        all.iter().skip(from).take(records_max).cloned().collect()
    }

    pub(crate) fn committed_to(&self, topic: Topic, partition: u32) -> u64 {
        self.lock().positions.get(&(topic, partition)).map_or(0, |position| position.committed)
    }

    /// A partition gets another owner, who begins where the effects of the one before ended.
    pub(crate) fn take_over(&self, topic: Topic, partition: u32) -> (u64, u64) {
        let mut shared = self.lock();
        let position = shared.positions.entry((topic, partition)).or_default();
        position.generation += 1;
        (position.generation, position.committed)
    }

    pub(crate) fn generation(&self, topic: Topic, partition: u32) -> u64 {
        self.lock().positions.get(&(topic, partition)).map_or(0, |position| position.generation)
    }

    /// Answers where the position was; none: fenced.
    pub(crate) fn commit(&self, topic: Topic, partition: u32, generation: u64, next: u64) -> Option<u64> {
        let mut shared = self.lock();
        let position = shared.positions.entry((topic, partition)).or_default();
        (position.generation == generation).then(|| mem::replace(&mut position.committed, next))
    }
}

fn apart() -> MqError {
    MqError::Unavailable("the actors of the simulation read by themselves".into())
}

#[async_trait]
impl Broker for Log {
    fn partitions(&self, topic: Topic) -> u32 {
        if topic == Topic::Downstream { self.slots } else { self.partitions }
    }

    async fn produce(&self, topic: Topic, records: Vec<Routed>, _: Room) -> Result<(), MqError> {
        let mut shared = self.lock();
        let fate = mem::take(&mut shared.fate);
        let stored = match fate {
            Fate::Stored => records.len(),
            Fate::Lost => 0,
            Fate::Unknown(count) => count,
        };
        for Routed { partition, record } in records.into_iter().take(stored) {
            shared.records.entry((topic, partition)).or_default().push(record.payload);
            shared.woken.push((topic, partition));
        }
        if fate == Fate::Stored { Ok(()) } else { Err(MqError::Unavailable("the answer is lost".into())) }
    }

    async fn end(&self, topic: Topic, partition: u32) -> Result<u64, MqError> {
        Ok(self.end_of(topic, partition))
    }

    async fn read(&self, _: Topic, _: u32, _: u64) -> Result<Box<dyn Reader>, MqError> {
        Err(apart())
    }

    async fn join(&self, _: Group, _: Topic) -> Result<Box<dyn Member>, MqError> {
        Err(apart())
    }

    async fn committed(&self, _: Group, topic: Topic, partition: u32) -> Result<Option<u64>, MqError> {
        Ok(self.lock().positions.get(&(topic, partition)).map(|position| position.committed))
    }

    async fn reset(&self, _: Group, _: Topic, _: u32, _: u64) -> Result<(), MqError> {
        Err(apart())
    }
}
