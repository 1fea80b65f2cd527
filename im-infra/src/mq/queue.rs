//! What services hold: the port with the partitioner, trace headers and metrics.

use std::sync::Arc;

use opentelemetry::{
    KeyValue,
    metrics::{AsyncInstrument, Counter},
};

use super::{Broker, Group, Member, MqError, NewRecord, Reader, Room, Routed, Topic, lag::Lags, topic};
use crate::telemetry::{Telemetry, names};

/// A queue. Clones share.
#[derive(Clone)]
pub struct Queue {
    broker: Arc<dyn Broker>,
    pub(super) metrics: Arc<Metrics>,
}

pub(super) struct Metrics {
    produced: Counter<u64>,
    pub(super) consumed: Counter<u64>,
    pub(super) retries: Counter<u64>,
    pub(super) dead: Counter<u64>,
    pub(super) damaged: Counter<u64>,
    pub(super) fenced: Counter<u64>,
    pub(super) lags: Lags,
}

impl Queue {
    /// Over an adapter.
    pub fn new(broker: impl Broker, telemetry: &Telemetry) -> Self {
        let meter = telemetry.meter();
        let counter = |name| meter.u64_counter(name).build();
        let metrics = Metrics {
            produced: counter(names::MQ_PRODUCED),
            consumed: counter(names::MQ_CONSUMED),
            retries: counter(names::MQ_RETRIES),
            dead: counter(names::MQ_DEAD),
            damaged: counter(names::MQ_DAMAGED),
            fenced: counter(names::MQ_FENCED),
            lags: Lags::new(&meter),
        };
        let broker: Arc<dyn Broker> = Arc::new(broker);
        let counted = Arc::downgrade(&broker);
        let count = move |counter: &dyn AsyncInstrument<u64>| {
            if let Some(broker) = counted.upgrade() {
                counter.observe(broker.clients_replaced(), &[]);
            }
        };
        let _counter = meter.u64_observable_counter(names::MQ_CLIENTS_REPLACED).with_callback(count).build();
        Self { broker, metrics: Arc::new(metrics) }
    }

    /// The partition a key goes to.
    pub fn partition_of(&self, topic: Topic, key: &[u8]) -> u32 {
        topic::partition_of(key, self.broker.partitions(topic))
    }

    /// How many partitions a topic has.
    pub fn partitions(&self, topic: Topic) -> u32 {
        self.broker.partitions(topic)
    }

    /// Appends records in order; returns when every one is confirmed.
    ///
    /// # Errors
    /// Transient ones may be repeated; some of the records may be there then. [`MqError::Refused`] if one of them is larger than
    /// [`Topic::record_bytes_max`]; then none is there.
    pub async fn produce(&self, topic: Topic, records: Vec<NewRecord>, room: Room) -> Result<(), MqError> {
        if records.is_empty() {
            return Ok(());
        }
        let bytes_max = topic.record_bytes_max();
        if let Some(bytes) = records.iter().map(NewRecord::bytes).find(|bytes| *bytes > bytes_max) {
            return Err(MqError::Refused(format!(
                "{bytes} bytes, a record of {} has at most {bytes_max}",
                topic.name()
            )));
        }
        let partitions = self.broker.partitions(topic);
        let count = records.len() as u64;
        let routed = records
            .into_iter()
            .map(|record| Routed {
                partition: record.partition.unwrap_or_else(|| topic::partition_of(&record.key, partitions)),
                record,
            })
            .collect();
        self.broker.produce(topic, routed, room).await?;
        self.metrics.produced.add(count, &[KeyValue::new(names::TOPIC, topic.name())]);
        Ok(())
    }

    /// One past the newest offset of a partition.
    ///
    /// # Errors
    /// If the queue cannot be asked.
    pub async fn end(&self, topic: Topic, partition: u32) -> Result<u64, MqError> {
        self.broker.end(topic, partition).await
    }

    /// Reads one partition from a position, without a group.
    ///
    /// # Errors
    /// If the queue cannot be asked.
    pub async fn read(&self, topic: Topic, partition: u32, from: u64) -> Result<Box<dyn Reader>, MqError> {
        self.broker.read(topic, partition, from).await
    }

    /// Joins a group.
    ///
    /// # Errors
    /// If the queue cannot be asked.
    pub async fn join(&self, group: Group, topic: Topic) -> Result<Box<dyn Member>, MqError> {
        self.broker.join(group, topic).await
    }

    /// Where a group will go on reading.
    ///
    /// # Errors
    /// If the queue cannot be asked.
    pub async fn committed(&self, group: Group, topic: Topic, partition: u32) -> Result<Option<u64>, MqError> {
        self.broker.committed(group, topic, partition).await
    }

    /// Moves a group that has no members.
    ///
    /// # Errors
    /// If it has members, or the queue cannot be asked.
    pub async fn reset(&self, group: Group, topic: Topic, partition: u32, to: u64) -> Result<(), MqError> {
        self.broker.reset(group, topic, partition, to).await
    }
}
