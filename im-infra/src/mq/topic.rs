//! Topics and groups by name; what is known of each topic stands in the table.

/// A consumer group: its members share a topic's partitions and remember how far they came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Group {
    /// im-logic on `im.upstream`.
    Logic,
    /// im-task on `im.task`.
    Task,
    /// im-task's archive on `im.dead`.
    Archive,
}

impl Group {
    /// The name, without namespace.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Logic => "im-logic",
            Self::Task => "im-task",
            Self::Archive => "im-task-archive",
        }
    }
}

/// A topic; docs/topics.md says who writes and reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Topic {
    /// Commands, keyed by conversation (cursors: by user).
    Upstream,
    /// What gateways have to deliver; the partition is the gateway's slot.
    Downstream,
    /// Background work, keyed by conversation or task.
    Task,
    /// Records that cannot succeed.
    Dead,
    /// Every stored entry, for the world outside.
    Event,
}

impl Topic {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Upstream, Self::Downstream, Self::Task, Self::Dead, Self::Event];

    /// The name, without namespace.
    pub const fn name(self) -> &'static str {
        self.facts().name
    }

    /// The topic of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|topic| topic.name() == name)
    }

    /// The groups that must have read a record before it may be evicted.
    pub const fn groups(self) -> &'static [Group] {
        self.facts().groups
    }
}

/// The partition of a key: FNV-1a, so that every producer of every language and adapter agrees.
pub(super) fn partition_of(key: &[u8], partitions: u32) -> u32 {
    let hash = key
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
    // The low bits of FNV are weak; fold the high half in.
    u32::try_from((hash ^ (hash >> 32)) % u64::from(partitions.max(1))).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_keeps_its_partition_for_ever() {
        // Moving a key to another partition would break the order of a conversation across a deploy.
        assert_eq!([partition_of(b"d:1:2", 16), partition_of(b"u:7", 16), partition_of(b"", 16)], [11, 2, 1]);
    }

    #[test]
    fn keys_spread_over_all_partitions() {
        let mut counts = [0; 8];
        for user in 0..8_000 {
            counts[partition_of(format!("d:1:{user}").as_bytes(), 8) as usize] += 1;
        }
        assert!(counts.iter().all(|count| (700..1_300).contains(count)), "{counts:?}");
    }
}
