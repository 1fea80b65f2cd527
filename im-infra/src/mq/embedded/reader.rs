//! Reads one partition forward.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::watch;

use super::{
    super::{MqError, Reader, Record, Topic},
    Shared, layout, unavailable,
};

/// Bytes after which a batch is full, however many records were asked for.
const BATCH_BYTES_MAX: usize = 1 << 20;

pub(super) struct LogReader {
    shared: Arc<Shared>,
    topic: Topic,
    partition: u32,
    next: u64,
    end: watch::Receiver<u64>,
}

impl LogReader {
    pub(super) fn new(shared: Arc<Shared>, topic: Topic, partition: u32, from: u64) -> Result<Self, MqError> {
        let end = shared.partition(topic, partition)?.watch_end();
        let reader = Self { shared, topic, partition, next: from, end };
        reader.check_range()?;
        Ok(reader)
    }

    fn check_range(&self) -> Result<(), MqError> {
        let place = self.shared.partition(self.topic, self.partition)?.place();
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
}

#[async_trait]
impl Reader for LogReader {
    async fn next(&mut self, records_max: usize) -> Result<Vec<Record>, MqError> {
        let next = self.next;
        self.end.wait_for(|&end| end > next).await.map_err(|_| MqError::Unavailable("the log is closed".into()))?;
        self.check_range()?;
        let range = layout::record_key(self.partition, self.next)..layout::record_key(self.partition, u64::MAX);
        let mut records = Vec::new();
        let mut bytes = 0;
        for entry in self.shared.topic(self.topic).records.range(range) {
            let (key, value) = entry.into_inner().map_err(unavailable)?;
            let record = layout::offset_of(&key)
                .filter(|offset| *offset == self.next + records.len() as u64)
                .and_then(|offset| layout::decode(self.topic, self.partition, offset, &value))
                .ok_or_else(|| {
                    MqError::Refused(format!("damaged record in {}/{}", self.topic.name(), self.partition))
                })?;
            bytes += value.len();
            records.push(record);
            if records.len() >= records_max || bytes >= BATCH_BYTES_MAX {
                break;
            }
        }
        if records.is_empty() {
            // Evicted between the check and the scan.
            self.check_range()?;
        }
        self.next += records.len() as u64;
        Ok(records)
    }
}
