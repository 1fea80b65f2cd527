//! Kafka, through librdkafka. Each client has a thread that serves its events; calls that block are made there or on the
//! runtime's threads for blocking work, never where tasks run. Records do not pass through that thread: every partition has
//! a queue of its own inside librdkafka (bounded; a partition whose worker is slow is simply fetched no further), and its
//! reader takes from there whatever has arrived. A client that cannot find back to the cluster is replaced (`lost`).
//!
//! Transactions are not used: what is repeated is recognised by command id or by sequence. A cluster reached over TLS or
//! SASL needs librdkafka built with them (rdkafka's features `ssl` and `sasl`).

mod admin;
mod callbacks;
mod client;
mod commit;
mod delivery;
mod error;
mod group;
mod inbox;
mod inspect;
mod lost;
mod member;
mod offsets;
mod options;
mod producer;
mod reader;
mod settings;
mod tap;

use std::{collections::HashMap, sync::atomic::Ordering};

use async_trait::async_trait;
use tokio::runtime::Handle;
use tokio_util::task::task_tracker::TaskTrackerToken;

use self::{
    client::{Partition, blocking},
    lost::Replaced,
    producer::Producer,
};
use super::{Broker, Group, Member, MqError, Reader, Room, Routed, Topic};
use crate::lifecycle::Lifecycle;

pub use options::KafkaOptions;

/// A Kafka cluster.
pub struct Kafka {
    options: KafkaOptions,
    /// As they were found when connecting.
    partitions: HashMap<Topic, u32>,
    producer: Producer,
    replaced: Replaced,
    life: Option<Lifecycle>,
}

impl Kafka {
    /// Creates the topics that are missing, checks the partitions of those that are there, and starts the producer.
    ///
    /// # Errors
    /// [`MqError::Refused`] if a setting is wrong or a topic has another number of partitions than it must have;
    /// [`MqError::Unavailable`] if the cluster does not answer in `request_timeout_ms`.
    pub async fn connect(options: &KafkaOptions) -> Result<Self, MqError> {
        let (own, runtime) = (options.clone(), Handle::current());
        let replaced = Replaced::default();
        let counted = replaced.clone();
        let (partitions, producer) = blocking(move || {
            let partitions = admin::prepare(&own, &runtime)?;
            Ok((partitions, Producer::start(&own, &counted)?))
        })
        .await?;
        Ok(Self { options: options.clone(), partitions, producer, replaced, life: None })
    }

    /// Lets `life` wait, when the process drains, until groups are left and readers are closed; a process that ends sooner
    /// keeps its partitions from others for the length of a session.
    #[must_use]
    pub fn counted_by(mut self, life: &Lifecycle) -> Self {
        self.life = Some(life.clone());
        self
    }

    fn token(&self) -> Option<TaskTrackerToken> {
        self.life.as_ref().map(Lifecycle::hold)
    }

    fn check(&self, topic: Topic, partition: u32) -> Result<(), MqError> {
        if partition < self.partitions(topic) {
            return Ok(());
        }
        Err(MqError::Refused(format!("{} has no partition {partition}", topic.name())))
    }

    fn partition(&self, topic: Topic, number: u32) -> Result<Partition, MqError> {
        self.check(topic, number)?;
        Ok(Partition { topic, name: self.options.topic_name(topic), number })
    }
}

#[async_trait]
impl Broker for Kafka {
    fn partitions(&self, topic: Topic) -> u32 {
        // Every topic is counted in `connect`.
        self.partitions[&topic]
    }

    /// Retention, not room, bounds a topic here: `room` makes no difference.
    async fn produce(&self, topic: Topic, records: Vec<Routed>, _room: Room) -> Result<(), MqError> {
        for record in &records {
            self.check(topic, record.partition)?;
        }
        self.producer.produce(topic, &self.options.topic_name(topic), &records).await
    }

    async fn end(&self, topic: Topic, partition: u32) -> Result<u64, MqError> {
        let (_, end) = self.producer.watermarks(self.partition(topic, partition)?).await?;
        Ok(end)
    }

    async fn read(&self, topic: Topic, partition: u32, from: u64) -> Result<Box<dyn Reader>, MqError> {
        let partition = self.partition(topic, partition)?;
        // Said at once where it is known at once; what is lost later is told by the reader.
        let (first, end) = self.producer.watermarks(partition.clone()).await?;
        if !(first..=end).contains(&from) {
            return Err(partition.out_of_range(from, (first, end)));
        }
        reader::open((&self.options, &self.replaced), partition, from, self.token()).await
    }

    async fn join(&self, group: Group, topic: Topic) -> Result<Box<dyn Member>, MqError> {
        member::join((&self.options, &self.replaced), group, topic, self.token()).await
    }

    async fn committed(&self, group: Group, topic: Topic, partition: u32) -> Result<Option<u64>, MqError> {
        offsets::committed(&self.options, group, self.partition(topic, partition)?).await
    }

    async fn reset(&self, group: Group, topic: Topic, partition: u32, to: u64) -> Result<(), MqError> {
        offsets::reset(&self.options, group, self.partition(topic, partition)?, to).await
    }

    fn clients_replaced(&self) -> u64 {
        self.replaced.load(Ordering::Relaxed)
    }
}
