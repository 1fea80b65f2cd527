//! Whom something can be done to.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What is put under faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// One process, nothing else.
    Standalone,
    /// Two processes of each service, on a Kafka, an etcd, a Redis and a MariaDB of their own.
    Processes,
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Standalone => "standalone",
            Self::Processes => "processes",
        })
    }
}

/// One of our processes, by what it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Service {
    /// All in one.
    Standalone,
    /// im-gateway.
    Gateway,
    /// im-logic.
    Logic,
    /// im-repo.
    Repo,
    /// im-task.
    Task,
}

impl Service {
    /// The command of `gochat` that starts it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Standalone => "standalone",
            Self::Gateway => "gateway",
            Self::Logic => "logic",
            Self::Repo => "repo",
            Self::Task => "task",
        }
    }
}

/// What the services stand on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Server {
    /// The broker.
    Kafka,
    /// The registry.
    Etcd,
    /// Routes and cache.
    Redis,
    /// The store.
    Mariadb,
}

impl Server {
    /// All of them.
    pub(super) const ALL: [Self; 4] = [Self::Kafka, Self::Etcd, Self::Redis, Self::Mariadb];

    /// As `scripts/infra` starts it.
    pub(super) fn service(self) -> &'static str {
        match self {
            Self::Kafka => "kafka",
            Self::Etcd => "etcd",
            Self::Redis => "redis",
            Self::Mariadb => "mariadb",
        }
    }

    /// As `scripts/infra` names its process.
    pub(super) fn process(self) -> &'static str {
        match self {
            Self::Kafka => "kafka1",
            Self::Etcd => "etcd1",
            Self::Redis | Self::Mariadb => self.service(),
        }
    }
}

/// Who is hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Victim {
    /// One of our processes, and which of its kind from 0 on.
    Ours(Service, usize),
    /// A server.
    Server(Server),
}

impl fmt::Display for Victim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ours(service, index) => write!(f, "{} {index}", service.name()),
            Self::Server(server) => f.write_str(server.service()),
        }
    }
}
