//! How to reach etcd.

use serde::{Deserialize, Serialize};

use crate::config::Secret;

/// Where etcd is, and how long a process may be silent before it counts as gone.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct EtcdOptions {
    /// `http://host:port` or `https://host:port` (by the system's certificates), all of the same kind.
    pub endpoints: Vec<String>,
    /// What every key begins with.
    pub namespace: String,
    /// The time of a lease, rounded up to seconds; etcd has a minimum of its own, about two seconds. A freed slot rests
    /// for two of them.
    pub lease_ttl_ms: i64,
    /// The user; empty where etcd asks for none.
    pub user: String,
    /// The user's password.
    pub password: Secret,
}

impl Default for EtcdOptions {
    fn default() -> Self {
        Self {
            endpoints: vec!["http://127.0.0.1:2379".into()],
            namespace: "gochat".into(),
            lease_ttl_ms: 10_000,
            user: String::new(),
            password: Secret::new(""),
        }
    }
}
