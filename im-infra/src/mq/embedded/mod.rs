//! The log inside the process, on fjall (an LSM store). What was confirmed is there after `kill -9`; like a Kafka broker it
//! does not wait for the disk. Bounded by bytes per topic: what every group has read is evicted first, then producers are
//! refused, those from outside before the pipeline's own.

mod groups;
mod layout;
mod partition;
mod reader;
mod writer;

use std::{
    collections::HashMap,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use fjall::{Database, Keyspace, KeyspaceCreateOptions};
use serde::{Deserialize, Serialize};

use self::{groups::Groups, layout::Place, partition::PartitionLog, reader::LogReader, writer::Writer};
use super::{Broker, Group, Member, MqError, Reader, Room, Routed, Topic};

/// The bounds of an embedded log.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct EmbeddedLogOptions {
    /// Bytes of keys, payloads and headers a topic may hold.
    pub topic_bytes_max: u64,
    /// The part of them that only the pipeline's own records may take.
    pub reserve_bytes: u64,
    /// Partitions of every topic; fixed when the log is created.
    pub partitions: u32,
}

impl Default for EmbeddedLogOptions {
    fn default() -> Self {
        Self { topic_bytes_max: 256 << 20, reserve_bytes: 32 << 20, partitions: 4 }
    }
}

/// Memory that unwritten records may take in the store, per topic; the store's default of 64 MiB is too much for a
/// process that shares a small machine.
const MEMTABLE_BYTES: u64 = 8 << 20;

/// A log in a folder. One process at a time.
pub struct EmbeddedLog {
    shared: Arc<Shared>,
    writer: Writer,
    groups: Arc<Groups>,
}

/// What the writer, the readers and the groups share.
struct Shared {
    database: Database,
    /// Where each partition begins and ends, and the groups' positions.
    meta: Keyspace,
    topics: HashMap<Topic, TopicLog>,
    options: EmbeddedLogOptions,
}

struct TopicLog {
    records: Keyspace,
    partitions: Vec<PartitionLog>,
}

impl Shared {
    fn topic(&self, topic: Topic) -> &TopicLog {
        // Every topic is opened in `open`.
        &self.topics[&topic]
    }

    fn partition(&self, topic: Topic, partition: u32) -> Result<&PartitionLog, MqError> {
        self.topic(topic)
            .partitions
            .get(partition as usize)
            .ok_or_else(|| MqError::Refused(format!("{} has no partition {partition}", topic.name())))
    }

    fn committed(&self, group: Group, topic: Topic, partition: u32) -> Result<Option<u64>, MqError> {
        let value = self.meta.get(layout::offset_key(group, topic, partition)).map_err(unavailable)?;
        Ok(value.and_then(|bytes| Some(u64::from_be_bytes(bytes.as_ref().try_into().ok()?))))
    }
}

#[allow(clippy::needless_pass_by_value)] // for `map_err`
fn unavailable(error: fjall::Error) -> MqError {
    MqError::Unavailable(error.to_string())
}

impl EmbeddedLog {
    /// Opens or creates the log in `folder`.
    ///
    /// # Errors
    /// If the folder cannot be used, or another process has it.
    pub fn open(folder: &Path, options: &EmbeddedLogOptions) -> Result<Self, MqError> {
        let database = Database::builder(folder).max_journaling_size(128 << 20).open().map_err(unavailable)?;
        let keyspace = |name: &str| {
            database
                .keyspace(name, || KeyspaceCreateOptions::default().max_memtable_size(MEMTABLE_BYTES))
                .map_err(unavailable)
        };
        let meta = keyspace("meta")?;
        check_partitions(&meta, options.partitions)?;
        let mut topics = HashMap::new();
        for topic in Topic::ALL {
            let records = keyspace(topic.name())?;
            let partitions = (0..options.partitions)
                .map(|partition| {
                    let place = meta.get(layout::place_key(topic, partition)).map_err(unavailable)?;
                    Ok(PartitionLog::new(place.and_then(|bytes| Place::decode(&bytes)).unwrap_or_default()))
                })
                .collect::<Result<_, MqError>>()?;
            topics.insert(topic, TopicLog { records, partitions });
        }
        let shared = Arc::new(Shared { database, meta, topics, options: options.clone() });
        let writer = Writer::start(shared.clone()).map_err(|error| MqError::Unavailable(error.to_string()))?;
        Ok(Self { groups: Arc::new(Groups::new(shared.clone())), shared, writer })
    }
}

/// A key's partition depends on their number, so the number is fixed when the log is made.
fn check_partitions(meta: &Keyspace, partitions: u32) -> Result<(), MqError> {
    match meta.get(layout::PARTITIONS_KEY).map_err(unavailable)? {
        None => meta.insert(layout::PARTITIONS_KEY, partitions.to_be_bytes()).map_err(unavailable),
        Some(held) if *held == partitions.to_be_bytes() => Ok(()),
        Some(held) => {
            let held = held.as_ref().try_into().map_or(0, u32::from_be_bytes);
            Err(MqError::Refused(format!("the log was made with {held} partitions, not {partitions}")))
        }
    }
}

#[async_trait]
impl Broker for EmbeddedLog {
    fn partitions(&self, _topic: Topic) -> u32 {
        self.shared.options.partitions
    }

    async fn produce(&self, topic: Topic, records: Vec<Routed>, room: Room) -> Result<(), MqError> {
        for record in &records {
            self.shared.partition(topic, record.partition)?;
        }
        self.writer.append(topic, records, room).await
    }

    async fn end(&self, topic: Topic, partition: u32) -> Result<u64, MqError> {
        Ok(self.shared.partition(topic, partition)?.end())
    }

    async fn read(&self, topic: Topic, partition: u32, from: u64) -> Result<Box<dyn Reader>, MqError> {
        Ok(Box::new(LogReader::new(self.shared.clone(), topic, partition, from)?))
    }

    async fn join(&self, group: Group, topic: Topic) -> Result<Box<dyn Member>, MqError> {
        Ok(Box::new(Groups::join(&self.groups, group, topic)))
    }

    async fn committed(&self, group: Group, topic: Topic, partition: u32) -> Result<Option<u64>, MqError> {
        self.shared.committed(group, topic, partition)
    }

    async fn reset(&self, group: Group, topic: Topic, partition: u32, to: u64) -> Result<(), MqError> {
        self.groups.reset(group, topic, partition, to)
    }
}

/// A lock whose holder panicked still guards data that is whole: every change under it is a single step.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
