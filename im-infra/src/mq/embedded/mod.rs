//! The log inside the process, on fjall (an LSM store). What was confirmed is there after `kill -9`; like a Kafka broker it
//! does not wait for the disk; a write that fails is its last one, until the folder is opened anew. Bounded by bytes per topic: what every group has read is evicted first, then producers are
//! refused, those from outside before the pipeline's own.

mod damage;
mod groups;
mod layout;
mod options;
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
use tokio_util::sync::CancellationToken;

use self::{
    damage::{damaged, unopened},
    groups::Groups,
    layout::Place,
    partition::PartitionLog,
    reader::LogReader,
    writer::Writer,
};
use super::{Broker, Group, Member, MqError, Reader, Room, Routed, Topic};

pub use options::EmbeddedLogOptions;

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
    broken: CancellationToken,
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

    /// Where a partition begins and ends by the store itself, in which records and this change together.
    fn stored_place(&self, topic: Topic, partition: u32) -> Result<Place, MqError> {
        stored_place(&self.meta, topic, partition)?
            .ok_or_else(|| MqError::Refused(format!("the place of {}/{partition} is damaged", topic.name())))
    }

    /// What became of a write. After one that failed nobody knows what of it is on the disk, so that none may follow it.
    fn done(&self, written: Result<(), fjall::Error>) -> Result<(), MqError> {
        written.map_err(|error| {
            if !self.broken.is_cancelled() {
                tracing::error!(%error, "the log could not be written and takes nothing more until it is opened anew");
                self.broken.cancel();
            }
            unavailable(error)
        })
    }

    /// Whether it may still be written.
    fn whole(&self) -> Result<(), MqError> {
        if self.broken.is_cancelled() { Err(MqError::Unavailable("an earlier write failed".into())) } else { Ok(()) }
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
    /// [`MqError::Unavailable`] if the folder cannot be used, or another process has it; [`MqError::Refused`] if what lies there
    /// is damaged as a whole. A damaged record does not stand in the way: its reader tells.
    pub fn open(folder: &Path, options: &EmbeddedLogOptions) -> Result<Self, MqError> {
        let failed = |error: fjall::Error| unopened(folder, &error);
        let database = Database::builder(folder).max_journaling_size(128 << 20).open().map_err(failed)?;
        let keyspace = |name: &str| {
            database
                .keyspace(name, || KeyspaceCreateOptions::default().max_memtable_size(MEMTABLE_BYTES))
                .map_err(failed)
        };
        let meta = keyspace("meta")?;
        check_partitions(&meta, options.partitions)?;
        let mut topics = HashMap::new();
        for topic in Topic::ALL {
            let records = keyspace(topic.name())?;
            let partitions = (0..options.partitions)
                .map(|partition| {
                    // To begin at zero again would write over what is there.
                    let place = stored_place(&meta, topic, partition)?;
                    place.map(PartitionLog::new).ok_or_else(|| damaged(folder, "the place of a partition"))
                })
                .collect::<Result<_, MqError>>()?;
            topics.insert(topic, TopicLog { records, partitions });
        }
        let broken = CancellationToken::new();
        let shared = Arc::new(Shared { database, meta, topics, options: options.clone(), broken });
        let writer = Writer::start(shared.clone()).map_err(|error| MqError::Unavailable(error.to_string()))?;
        Ok(Self { groups: Arc::new(Groups::new(shared.clone())), shared, writer })
    }

    /// Cancelled once a write has failed: nothing is taken any more, and the process should end, to open the folder anew.
    pub fn broken(&self) -> CancellationToken {
        self.shared.broken.clone()
    }
}

/// None if what is there cannot be read.
fn stored_place(meta: &Keyspace, topic: Topic, partition: u32) -> Result<Option<Place>, MqError> {
    let stored = meta.get(layout::place_key(topic, partition)).map_err(unavailable)?;
    Ok(stored.map_or_else(|| Some(Place::default()), |bytes| Place::decode(&bytes)))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mq::NewRecord;

    #[tokio::test]
    async fn after_a_write_that_failed_nothing_is_taken_until_the_log_is_opened_anew() {
        let folder = tempfile::tempdir().unwrap();
        let options = EmbeddedLogOptions { partitions: 1, ..EmbeddedLogOptions::default() };
        let one = || vec![Routed { partition: 0, record: NewRecord::keyed("k", "one") }];
        let log = EmbeddedLog::open(folder.path(), &options).unwrap();
        log.produce(Topic::Upstream, one(), Room::External).await.unwrap();
        let broken = log.broken();
        assert!(!broken.is_cancelled());
        let failed = log.shared.done(Err(fjall::Error::Io(std::io::ErrorKind::StorageFull.into())));
        assert!(matches!(failed, Err(MqError::Unavailable(_))) && broken.is_cancelled());
        let refused = log.produce(Topic::Upstream, one(), Room::Internal).await;
        assert!(matches!(refused, Err(MqError::Unavailable(_))), "{refused:?}");
        assert!(log.reset(Group::Logic, Topic::Upstream, 0, 1).await.is_err());
        assert_eq!(log.end(Topic::Upstream, 0).await.unwrap(), 1);
        drop(log);
        let log = EmbeddedLog::open(folder.path(), &options).unwrap();
        log.produce(Topic::Upstream, one(), Room::External).await.unwrap();
        assert_eq!(log.end(Topic::Upstream, 0).await.unwrap(), 2);
    }
}
