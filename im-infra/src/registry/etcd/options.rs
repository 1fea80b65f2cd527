//! How to reach etcd.

use serde::{Deserialize, Serialize};

use crate::{
    clock::Clock,
    config::{Check, Report, Secret},
    tls::TlsOptions,
};

/// Where etcd is, and how long a process may be silent before it counts as gone.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct EtcdOptions {
    /// `http://host:port` or `https://host:port`, all of the same kind.
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
    /// TLS, with `https://`: without authorities those of the system are taken.
    #[serde(default)]
    pub tls: TlsOptions,
}

impl Default for EtcdOptions {
    fn default() -> Self {
        Self {
            endpoints: vec!["http://127.0.0.1:2379".into()],
            namespace: "gochat".into(),
            lease_ttl_ms: 10_000,
            user: String::new(),
            password: Secret::new(""),
            tls: TlsOptions::default(),
        }
    }
}

impl EtcdOptions {
    pub(super) fn is_over_tls(&self) -> bool {
        self.endpoints.iter().any(|endpoint| endpoint.starts_with("https://"))
    }
}

impl Check for EtcdOptions {
    fn check(&self, report: &mut Report) {
        report.range("etcd.lease_ttl_ms", self.lease_ttl_ms, 2_000..=60_000);
        report.require(!self.endpoints.is_empty(), "etcd.endpoints", "", "at least one http://host:port");
        let same = !self.is_over_tls() || self.endpoints.iter().all(|endpoint| endpoint.starts_with("https://"));
        report.require(same, "etcd.endpoints", self.endpoints.join(","), "all with http://, or all with https://");
        let used = self.is_over_tls() || self.tls.is_empty();
        report.require(used, "etcd.endpoints", self.endpoints.join(","), "https://host:port, as etcd.tls is set");
        self.tls.check("etcd.tls", &Clock::system(), report);
    }
}
