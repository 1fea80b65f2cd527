//! The port: what an adapter must be able to do. `tests/it/mq_conformance.rs` says it in tests.

use std::sync::Arc;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use super::{Group, MqError, Record, Routed, Topic};

/// Whose record it is, where a bounded topic is nearly full: the last part of the room is for the pipeline's own records,
/// so that a consumer never waits for room in the topic it drains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// From outside; refused first.
    External,
    /// From logic or task.
    Internal,
}

/// A log of topics and partitions.
#[async_trait]
pub trait Broker: Send + Sync + 'static {
    /// How many partitions a topic has; at least one, fixed while the process runs.
    fn partitions(&self, topic: Topic) -> u32;

    /// Appends records in order, per partition; returns when all of them are confirmed. None is larger than its topic takes.
    async fn produce(&self, topic: Topic, records: Vec<Routed>, room: Room) -> Result<(), MqError>;

    /// One past the newest offset.
    async fn end(&self, topic: Topic, partition: u32) -> Result<u64, MqError>;

    /// Reads one partition from a position, without a group.
    async fn read(&self, topic: Topic, partition: u32, from: u64) -> Result<Box<dyn Reader>, MqError>;

    /// Joins a group. Leaving is dropping the member.
    async fn join(&self, group: Group, topic: Topic) -> Result<Box<dyn Member>, MqError>;

    /// Where a group will go on reading.
    async fn committed(&self, group: Group, topic: Topic, partition: u32) -> Result<Option<u64>, MqError>;

    /// Clients of the log that were of no use any more and were replaced, since the process started.
    fn clients_replaced(&self) -> u64 {
        0
    }

    /// Moves a group without members; for operators who want records decided once more.
    async fn reset(&self, group: Group, topic: Topic, partition: u32, to: u64) -> Result<(), MqError>;
}

/// Reads one partition forward.
#[async_trait]
pub trait Reader: Send {
    /// The next records, at least one, at most `records_max`; waits for them. Safe to drop while waiting. Records that the log
    /// has lost are not passed over: one with the header [`super::DAMAGED`] stands for them.
    async fn next(&mut self, records_max: usize) -> Result<Vec<Record>, MqError>;
}

/// A member of a group.
#[async_trait]
pub trait Member: Send {
    /// The next partition that is given to this member; waits for it. Safe to drop while waiting.
    async fn next(&mut self) -> Result<Assignment, MqError>;
}

/// A partition that a member reads until it is lost.
pub struct Assignment {
    /// Which partition.
    pub partition: u32,
    /// The first offset to be read: the committed position, else the first record.
    pub from: u64,
    /// Reads from there on.
    pub reader: Box<dyn Reader>,
    /// Remembers how far the effects are confirmed.
    pub commit: Arc<dyn Commit>,
    /// Cancelled when another member may have the partition.
    pub lost: CancellationToken,
}

/// Remembers a position, as long as the partition is ours.
#[async_trait]
pub trait Commit: Send + Sync {
    /// Everything below `next` is done. [`MqError::Fenced`] if the partition is not ours any more.
    async fn commit(&self, next: u64) -> Result<(), MqError>;
}
