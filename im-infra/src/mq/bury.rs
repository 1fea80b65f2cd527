//! Dead letters: a record that cannot succeed, with all that is needed to look at it and to send it again.

use prost::Message as _;
use proto::{Error, mq};

use super::{Group, MqError, NewRecord, Queue, Record, Room, Topic};
use crate::{clock::Clock, telemetry::trace_context::TRACE_PARENT};

pub(super) struct Burial {
    queue: Queue,
    group: Group,
    clock: Clock,
    in_row: u32,
}

impl Burial {
    pub(super) const fn new(queue: Queue, group: Group, clock: Clock) -> Self {
        Self { queue, group, clock, in_row: 0 }
    }

    /// Returns when the dead letter is confirmed.
    pub(super) async fn bury(&mut self, record: &Record, error: &Error, attempts: u32) -> Result<(), MqError> {
        let trace_parent = record.header(TRACE_PARENT).unwrap_or_default().to_owned();
        tracing::error!(topic = record.topic.name(), partition = record.partition, offset = record.offset, %error, attempts, "dead letter");
        let dead = mq::Dead {
            topic: record.topic.name().to_owned(),
            partition: record.partition,
            offset: i64::try_from(record.offset).unwrap_or(i64::MAX),
            key: record.key.clone(),
            payload: record.payload.clone(),
            headers: record
                .headers
                .iter()
                .map(|(name, value)| mq::Header { name: name.clone(), value: value.clone() })
                .collect(),
            consumer: self.group.name().to_owned(),
            attempts,
            error: Some(error.clone().into()),
            trace_parent,
            died_at_ms: self.clock.now_ms(),
        };
        let letter = NewRecord::keyed(record.key.clone(), dead.encode_to_vec());
        self.queue.produce(Topic::Dead, vec![letter], Room::Internal).await?;
        self.in_row += 1;
        Ok(())
    }

    pub(super) const fn success(&mut self) {
        self.in_row = 0;
    }

    pub(super) const fn in_row(&self) -> u32 {
        self.in_row
    }
}
