//! What can be configured of the embedded log.

use serde::{Deserialize, Serialize};

use crate::config::{Check, Report};

/// The bounds of an embedded log.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct EmbeddedLogOptions {
    /// Bytes of keys, payloads and headers a topic may hold.
    pub topic_bytes_max: u64,
    /// The part of them that only the pipeline's own records may take.
    pub reserve_bytes: u64,
    /// Partitions of every topic; fixed when the log is created.
    pub partitions: u32,
}

impl Default for EmbeddedLogOptions {
    fn default() -> Self {
        Self { topic_bytes_max: 256 << 20, reserve_bytes: 32 << 20, partitions: 4 }
    }
}

impl Check for EmbeddedLogOptions {
    fn check(&self, report: &mut Report) {
        report.range("log.partitions", self.partitions, 1..=256);
        // Half of it has room for a batch of the largest records.
        report.range("log.topic_bytes_max", self.topic_bytes_max, 16 << 20..=1 << 40);
        report.range("log.reserve_bytes", self.reserve_bytes, 0..=self.topic_bytes_max / 2);
    }
}
