//! Reads one partition forward.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::watch;

use super::{
    super::{MqError, Reader, Record, Topic},
    Shared,
    damage::is_damage,
    layout::{self, Place},
    unavailable,
};

/// Bytes after which a batch is full, however many records were asked for.
const BATCH_BYTES_MAX: usize = 1 << 20;
/// Records that one gap may stand for: each of them is looked for.
const GAP_RECORDS_MAX: u64 = 10_000;

pub(super) struct LogReader {
    shared: Arc<Shared>,
    topic: Topic,
    partition: u32,
    next: u64,
    end: watch::Receiver<u64>,
}

impl LogReader {
    pub(super) fn new(shared: Arc<Shared>, topic: Topic, partition: u32, from: u64) -> Result<Self, MqError> {
        let log = shared.partition(topic, partition)?;
        let (place, end) = (log.place(), log.watch_end());
        let reader = Self { shared, topic, partition, next: from, end };
        reader.check_range(place)?;
        Ok(reader)
    }

    fn check_range(&self, place: Place) -> Result<(), MqError> {
        if (place.first..=place.end).contains(&self.next) {
            return Ok(());
        }
        Err(MqError::OutOfRange {
            topic: self.topic.name(),
            partition: self.partition,
            offset: self.next,
            first: place.first,
            end: place.end,
        })
    }

    /// Records from the next offset on, as far as they lie side by side and can be read.
    fn scan(&self, records_max: usize, end: u64) -> Result<Vec<Record>, MqError> {
        let range = layout::record_key(self.partition, self.next)..layout::record_key(self.partition, end);
        let mut records = Vec::new();
        let mut bytes = 0;
        for (entry, offset) in self.shared.topic(self.topic).records.range(range).zip(self.next..) {
            let (key, value) = match entry.into_inner() {
                Ok(found) => found,
                Err(error) if is_damage(&error) => break,
                Err(error) => return Err(unavailable(error)),
            };
            if layout::offset_of(&key) != Some(offset) {
                break;
            }
            bytes += value.len();
            records.push(self.record(offset, &value));
            if records.len() >= records_max || bytes >= BATCH_BYTES_MAX {
                break;
            }
        }
        Ok(records)
    }

    fn record(&self, offset: u64, value: &[u8]) -> Record {
        layout::decode(self.topic, self.partition, offset, value).unwrap_or_else(|| {
            let why = format!("offset {offset}: the stored record cannot be decoded");
            layout::damaged(self.topic, self.partition, offset, value, why)
        })
    }

    /// The next record alone; or, if it is gone, one that stands for all that are gone with it. What lies beside a damaged
    /// block can still be read one by one.
    fn pick(&self, end: u64) -> Result<Record, MqError> {
        if let Some(record) = self.look(self.next)? {
            return Ok(record);
        }
        // Evicted since it was looked for? Eviction changes the place and the records in one step.
        self.check_range(self.shared.stored_place(self.topic, self.partition)?)?;
        let limit = end.min(self.next + GAP_RECORDS_MAX);
        let mut last = self.next;
        while last + 1 < limit && self.look(last + 1)?.is_none() {
            last += 1;
        }
        let why = format!("offsets {} to {last}: records are missing or cannot be read", self.next);
        Ok(layout::damaged(self.topic, self.partition, last, &[], why))
    }

    fn look(&self, offset: u64) -> Result<Option<Record>, MqError> {
        match self.shared.topic(self.topic).records.get(layout::record_key(self.partition, offset)) {
            Ok(value) => Ok(value.map(|value| self.record(offset, &value))),
            Err(error) if is_damage(&error) => Ok(None),
            Err(error) => Err(unavailable(error)),
        }
    }
}

#[async_trait]
impl Reader for LogReader {
    async fn next(&mut self, records_max: usize) -> Result<Vec<Record>, MqError> {
        let next = self.next;
        let closed = |_| MqError::Unavailable("the log is closed".into());
        let end = *self.end.wait_for(|&end| end > next).await.map_err(closed)?;
        self.check_range(self.shared.partition(self.topic, self.partition)?.place())?;
        let mut records = self.scan(records_max, end)?;
        if records.is_empty() {
            records.push(self.pick(end)?);
        }
        if let Some(last) = records.last() {
            self.next = last.offset + 1;
        }
        Ok(records)
    }
}
