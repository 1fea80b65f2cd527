//! How to reach Redis.

use serde::{Deserialize, Serialize};

use crate::{config::Secret, tls::TlsOptions};

/// Where Redis is, and how long it remembers.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RedisOptions {
    /// `redis://…` or `rediss://…` (TLS), with the password: a secret.
    pub url: Secret,
    /// With `rediss://`: what to show and whom to trust; no authorities: the system's.
    #[serde(default)]
    pub tls: TlsOptions,
    /// What every key begins with.
    pub namespace: String,
    /// How long an operation may take, connecting included.
    pub timeout_ms: u64,
    /// How long a route counts after it was last written: several times the interval in which gateways write theirs,
    /// and more than the clocks of two hosts may differ.
    pub route_ttl_ms: u64,
    /// How long an instance counts as complete, and a gateway as alive, after it last said so.
    pub complete_ttl_ms: u64,
}

impl Default for RedisOptions {
    fn default() -> Self {
        Self {
            url: Secret::new("redis://127.0.0.1:6379/0"),
            tls: TlsOptions::default(),
            namespace: "gochat".into(),
            timeout_ms: 1_000,
            route_ttl_ms: 120_000,
            complete_ttl_ms: 90_000,
        }
    }
}
