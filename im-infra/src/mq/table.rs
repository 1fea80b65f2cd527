//! The one table of topics: Kafka's topics are made of it, docs/topics.md is written from it, and records that are larger
//! than it says are refused.

use super::{Group, Topic};

const DAY_MS: i64 = 86_400_000;
const MIB: usize = 1 << 20;
/// What a cluster allows where nothing else is said.
const USUAL_BYTES_MAX: usize = 1_048_588;
/// Room in a message for what the queue puts around a record.
const FRAMING_BYTES: usize = 1 << 10;

/// What is done with records past their retention, in every topic: nothing is compacted, as every record counts.
pub const CLEANUP: &str = "delete";

/// What says which partition a record belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Partitioning {
    /// Its key. The number of partitions is fixed for the life of the topic: the order of a key's records hangs on it.
    Key,
    /// The gateway's slot. There may be more partitions than are configured.
    Slot,
}

/// A row of the table.
#[derive(Clone, Copy, Debug)]
pub struct TopicFacts {
    /// The name, without namespace; the version moves when payloads of the old one cannot be read any more.
    pub name: &'static str,
    /// The message of `proto/im/mq/v1` in it.
    pub payload: &'static str,
    /// What says which partition.
    pub partitioning: Partitioning,
    /// The key in words, or what stands for it.
    pub key: &'static str,
    /// Who produces.
    pub written_by: &'static str,
    /// Who consumes.
    pub read_by: &'static str,
    /// The groups that must have read a record before the embedded log may evict it.
    pub groups: &'static [Group],
    /// How long Kafka keeps a record, milliseconds.
    pub retention_ms: i64,
    /// Kafka's `max.message.bytes`: a record with all that is put around it.
    pub message_bytes_max: usize,
}

impl Topic {
    /// Its row of the table.
    pub const fn facts(self) -> &'static TopicFacts {
        match self {
            Self::Upstream => &UPSTREAM,
            Self::Downstream => &DOWNSTREAM,
            Self::Task => &TASK,
            Self::Dead => &DEAD,
            Self::Event => &EVENT,
        }
    }

    /// Bytes of the largest record, by [`super::NewRecord::bytes`].
    pub const fn record_bytes_max(self) -> usize {
        self.facts().message_bytes_max - FRAMING_BYTES
    }
}

const UPSTREAM: TopicFacts = TopicFacts {
    name: "im.upstream.v1",
    payload: "Upstream",
    partitioning: Partitioning::Key,
    key: "conversation id; read cursors: user id",
    written_by: "im-gateway; im-logic (what follows from an entry; cursors of a sync); im-task (replayed dead letters)",
    read_by: "im-logic",
    groups: &[Group::Logic],
    // Shorter than im-repo keeps rejections: a command that comes again must find its outcome.
    retention_ms: 7 * DAY_MS,
    message_bytes_max: USUAL_BYTES_MAX,
};

const DOWNSTREAM: TopicFacts = TopicFacts {
    name: "im.downstream.v1",
    payload: "Downstream",
    partitioning: Partitioning::Slot,
    key: "none: the partition is the gateway's slot",
    written_by: "im-logic, im-task",
    read_by: "each im-gateway its own partition, from where it stood at the start; no group",
    groups: &[],
    // A gateway that is further behind tells its clients to sync.
    retention_ms: DAY_MS,
    // The largest entry, and the list of its recipients.
    message_bytes_max: 2 * MIB,
};

const TASK: TopicFacts = TopicFacts {
    name: "im.task.v1",
    payload: "Task",
    partitioning: Partitioning::Key,
    key: "conversation id",
    written_by: "im-logic",
    read_by: "im-task",
    groups: &[Group::Task],
    retention_ms: 7 * DAY_MS,
    message_bytes_max: 2 * MIB,
};

const DEAD: TopicFacts = TopicFacts {
    name: "im.dead.v1",
    payload: "Dead",
    partitioning: Partitioning::Key,
    key: "that of the record inside",
    written_by: "im-logic, im-task",
    read_by: "im-task, which archives it in a table",
    groups: &[Group::Archive],
    retention_ms: 30 * DAY_MS,
    // Any other record with a letter around it; still one gRPC message on its way to the archive.
    message_bytes_max: 3 * MIB,
};

const EVENT: TopicFacts = TopicFacts {
    name: "im.event.v1",
    payload: "Entry of im.message.v1",
    partitioning: Partitioning::Key,
    key: "conversation id or user id",
    written_by: "nobody yet",
    read_by: "whoever is outside, at least once",
    groups: &[],
    retention_ms: 7 * DAY_MS,
    message_bytes_max: 2 * MIB,
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_has_room_for_every_other_record() {
        for topic in Topic::ALL.into_iter().filter(|topic| *topic != Topic::Dead) {
            assert!(topic.record_bytes_max() + MIB / 2 <= Topic::Dead.record_bytes_max(), "{topic:?}");
        }
        assert!(Topic::Upstream.record_bytes_max() < Topic::Downstream.record_bytes_max());
        // What gRPC takes unless told otherwise, as the archive is reached by it.
        assert!(Topic::Dead.record_bytes_max() + MIB / 2 <= 4 * MIB);
    }
}
