//! What can be configured of im-repo.

use im_infra::{
    config::{Check, Report},
    database::DatabaseOptions,
    mq::Topic,
};
use serde::{Deserialize, Serialize};

use crate::cache::CacheOptions;

const DAY_MS: i64 = 86_400_000;

/// im-repo.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RepoOptions {
    /// The database.
    pub database: DatabaseOptions,
    /// The cache.
    pub cache: CacheOptions,
    /// How long the rejection of a command is kept: longer than `im.upstream` keeps the command.
    pub rejections_kept_ms: i64,
    /// How old a dead letter may be that is replayed without force: its command is decided anew only while others like it are
    /// remembered.
    pub replay_age_max_ms: i64,
    /// Used refresh tokens that a session remembers, to end when one of them comes again.
    pub used_tokens_max: usize,
}

impl RepoOptions {
    /// The defaults, for that database.
    pub fn new(database: DatabaseOptions) -> Self {
        let replay_age_max_ms = Topic::Upstream.facts().retention_ms;
        Self {
            database,
            cache: CacheOptions::default(),
            rejections_kept_ms: 8 * DAY_MS,
            replay_age_max_ms,
            used_tokens_max: 32,
        }
    }
}

impl Check for RepoOptions {
    fn check(&self, report: &mut Report) {
        let known = ["sqlite:", "mysql:", "postgres:"];
        let url = self.database.url.expose();
        let scheme = url.split_once(':').map_or("", |(scheme, _)| scheme);
        report.require(
            url.is_empty() || known.iter().any(|prefix| url.starts_with(prefix)),
            "repo.database.url",
            format_args!("{scheme}:..."),
            "sqlite:, mysql: or postgres:",
        );
        report.range("repo.database.connections_max", self.database.connections_max, 1..=1_000);
        report.range("repo.database.acquire_timeout_ms", self.database.acquire_timeout_ms, 10..=60_000);
        // Longer than the commands they are the outcomes of, which may come again.
        let kept_min_ms = Topic::Upstream.facts().retention_ms + 1;
        report.range("repo.rejections_kept_ms", self.rejections_kept_ms, kept_min_ms..=3_650 * DAY_MS);
        // Past that a rejection is forgotten, and the same command could be accepted.
        report.range("repo.replay_age_max_ms", self.replay_age_max_ms, 1_000..=self.rejections_kept_ms);
        report.range("repo.used_tokens_max", self.used_tokens_max, 1..=1_000);
        self.cache.check(report);
    }
}
