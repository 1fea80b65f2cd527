//! What can be configured of im-logic.

use im_infra::{
    config::{Check, Report, Secret},
    mq::ConsumeOptions,
};
use serde::{Deserialize, Serialize};

/// im-logic.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct LogicOptions {
    /// Accounts and tokens.
    pub auth: AuthOptions,
    /// What conversations may be.
    pub limits: ConversationLimits,
    /// What is remembered between batches.
    pub remember: RememberOptions,
    /// How batches go together.
    pub together: TogetherOptions,
    /// The consumer of `im.upstream`.
    pub consume: ConsumeOptions,
}

/// Accounts and tokens.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct AuthOptions {
    /// The private key that signs access tokens: P-256, PKCS#8, PEM.
    pub signing_key: Secret,
    /// How long an access token is good.
    pub access_ttl_ms: i64,
    /// How long a session lives without being used.
    pub refresh_ttl_ms: i64,
    /// Passwords hashed at once; each takes 19 MiB and a core for a moment.
    pub hashes_at_once: usize,
    /// Logins that may wait for their turn.
    pub hashes_waiting_max: usize,
    /// Whether anyone may make an account or come as a guest.
    pub open_registration: bool,
}

/// What conversations may be.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ConversationLimits {
    /// Bytes of a message's content, encoded.
    pub body_bytes_max: usize,
    /// Members of a group.
    pub members_max: u32,
    /// Users named by one command.
    pub invited_max: usize,
    /// Characters of a title or display name.
    pub title_chars_max: usize,
    /// Members from which on a group is large: im-task fans its entries out.
    pub large_from: u32,
}

/// What is remembered between batches.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RememberOptions {
    /// Members of conversations, all of them together, of a large one those whom commands concerned lately; 0: every batch reads
    /// them anew.
    pub members_max: u64,
    /// Users whose existence is known.
    pub users_max: u64,
    /// Conversations of which is known where their log stands; 0: every append reads it anew.
    pub rows_max: u64,
}

/// How batches of several partitions are handled together.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TogetherOptions {
    /// Joint batches under way at the same time, at most. What arrives meanwhile goes into the next one.
    pub at_once: usize,
    /// Records that are enough for a joint batch beside one under way; fewer wait until that is over, or slow.
    pub further_from: usize,
    /// Records of a joint batch.
    pub records_max: usize,
}

impl Check for LogicOptions {
    fn check(&self, report: &mut Report) {
        let auth = &self.auth;
        report.range("logic.auth.access_ttl_ms", auth.access_ttl_ms, 10_000..=86_400_000);
        report.range("logic.auth.refresh_ttl_ms", auth.refresh_ttl_ms, 60_000..=31_536_000_000);
        report.range("logic.auth.hashes_at_once", auth.hashes_at_once, 1..=64);
        report.range("logic.auth.hashes_waiting_max", auth.hashes_waiting_max, 1..=10_000);
        let limits = &self.limits;
        report.range("logic.limits.body_bytes_max", limits.body_bytes_max, 1..=1 << 20);
        report.range("logic.limits.members_max", limits.members_max, 2..=100_000);
        report.range("logic.limits.invited_max", limits.invited_max, 1..=1_000);
        report.range("logic.limits.large_from", limits.large_from, 2..=100_000);
        report.range("logic.limits.title_chars_max", limits.title_chars_max, 1..=128);
        report.range("logic.remember.members_max", self.remember.members_max, 0..=100_000_000);
        report.range("logic.remember.users_max", self.remember.users_max, 0..=100_000_000);
        report.range("logic.remember.rows_max", self.remember.rows_max, 0..=100_000_000);
        report.range("logic.together.at_once", self.together.at_once, 1..=1_000);
        report.range("logic.together.further_from", self.together.further_from, 1..=5_000);
        report.range("logic.together.records_max", self.together.records_max, 1..=5_000);
        self.consume.check("logic.consume", report);
    }
}
