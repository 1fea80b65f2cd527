//! What can go wrong with a queue.

/// An error of the queue. Whether waiting helps is what callers need to know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MqError {
    /// The queue is out of reach or fails for now.
    #[error("queue unavailable: {0}")]
    Unavailable(String),
    /// The topic holds as much as it may and nothing of it can be evicted yet.
    #[error("topic {topic} is full")]
    Full {
        /// Its name.
        topic: &'static str,
    },
    /// The position asked for is not (or no longer) in the log.
    #[error("offset {offset} of {topic}/{partition} is out of range {first}..={end}")]
    OutOfRange {
        /// Its name.
        topic: &'static str,
        /// Which partition.
        partition: u32,
        /// What was asked for.
        offset: u64,
        /// The oldest offset there.
        first: u64,
        /// One past the newest.
        end: u64,
    },
    /// The partition belongs to another member now.
    #[error("the partition was taken over by another member of the group")]
    Fenced,
    /// The record can never be stored.
    #[error("record refused: {0}")]
    Refused(String),
}

impl MqError {
    /// Whether the same call may succeed later.
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Full { .. })
    }
}
