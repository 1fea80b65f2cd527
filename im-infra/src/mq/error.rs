//! What can go wrong with a queue.

use proto::{Error, ErrorCode};

use super::Topic;

/// An error of the queue. Whether waiting helps is what callers need to know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MqError {
    /// The queue is out of reach or fails for now.
    #[error("queue unavailable: {0}")]
    Unavailable(String),
    /// There is no room for now: the embedded log holds as much of the topic as it may and can evict nothing yet, or as many
    /// records as may wait for Kafka do.
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

    /// What a failed produce to `topic` means for the call that needed it: trying again helps, or the record is at fault and
    /// no repetition of it ever succeeds.
    #[must_use]
    pub fn about(&self, topic: Topic) -> Error {
        let code = if self.is_transient() { ErrorCode::Unavailable } else { ErrorCode::Internal };
        Error::new(code).with("part", topic.name()).with("reason", self)
    }
}

#[cfg(test)]
mod tests {
    use super::{super::Failure, *};

    #[test]
    fn r16_a_record_that_is_refused_for_good_is_not_waited_for() {
        let full = MqError::Full { topic: Topic::Task.name() };
        assert!(matches!(Failure::of(full.about(Topic::Task)), Failure::Transient(_)));
        let refused = MqError::Refused("too large".into());
        assert!(matches!(Failure::of(refused.about(Topic::Task)), Failure::Unknown(_)));
    }
}
