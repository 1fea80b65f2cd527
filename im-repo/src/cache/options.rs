//! What can be configured of the cache.

use im_infra::config::{Check, Report};
use serde::{Deserialize, Serialize};

/// How long things are kept, and how much.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct CacheOptions {
    /// What can change is kept for so long: users, heads, cursors. Also how long others may see what was before a change
    /// that could not be told to Redis.
    pub ttl_ms: u64,
    /// Entries, which never change, are kept for so long.
    pub entry_ttl_ms: u64,
    /// That there is no such thing is kept for so long.
    pub negative_ttl_ms: u64,
    /// The share of these times by which each may be shorter, so that what was filled together does not end together.
    pub jitter: f64,
    /// How long the read after a miss may take until its fill does not count any more.
    pub lease_ttl_ms: u64,
    /// How long one call to Redis may take, connecting included.
    pub timeout_ms: u64,
    /// Bytes of the cache in the process (standalone).
    pub memory_bytes_max: u64,
    /// Conversations whose heads are read at start, the most recently active first; 0: none.
    pub warm_up_conversations: u64,
}

impl Default for CacheOptions {
    fn default() -> Self {
        Self {
            ttl_ms: 300_000,
            entry_ttl_ms: 600_000,
            negative_ttl_ms: 60_000,
            jitter: 0.2,
            lease_ttl_ms: 5_000,
            timeout_ms: 100,
            memory_bytes_max: 32 << 20,
            warm_up_conversations: 1_000,
        }
    }
}

impl Check for CacheOptions {
    fn check(&self, report: &mut Report) {
        report.range("repo.cache.ttl_ms", self.ttl_ms, 100..=3_600_000);
        report.range("repo.cache.entry_ttl_ms", self.entry_ttl_ms, 100..=86_400_000);
        report.range("repo.cache.negative_ttl_ms", self.negative_ttl_ms, 100..=3_600_000);
        report.range("repo.cache.jitter", self.jitter, 0.0..=0.9);
        report.range("repo.cache.lease_ttl_ms", self.lease_ttl_ms, 100..=60_000);
        report.range("repo.cache.timeout_ms", self.timeout_ms, 5..=5_000);
        report.range("repo.cache.memory_bytes_max", self.memory_bytes_max, 1 << 20..=1 << 36);
        report.range("repo.cache.warm_up_conversations", self.warm_up_conversations, 0..=100_000);
    }
}
