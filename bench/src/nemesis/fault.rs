//! What can be done to a system.

use std::fmt;

use im_infra::failpoint::Point;
use serde::{Deserialize, Serialize};

/// What it takes, as a rule, until a process that was started to die somewhere has come there.
const CRASH_MS: u64 = 2_500;

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

/// Which bytes do not pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// Neither requests nor answers.
    Both,
    /// No requests.
    ToServer,
    /// No answers: what was asked for is done, and nobody hears of it.
    ToClient,
}

/// Something that is done to a system, and for how long. All of them pass by themselves.
///
/// A slow or failing `fdatasync` would be one more kind: of MariaDB, Kafka and standalone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// SIGKILL, and a new start on the same data.
    Kill {
        /// Who.
        victim: Victim,
        /// How long it is gone.
        away_ms: u64,
    },
    /// SIGTERM, and a new start once it has ended.
    Terminate {
        /// Who.
        victim: Victim,
        /// How long it is gone.
        away_ms: u64,
    },
    /// SIGSTOP, then SIGCONT: it does not know that time has passed.
    Pause {
        /// Who.
        victim: Victim,
        /// How long it stands still.
        away_ms: u64,
    },
    /// Redis forgets everything.
    Flush,
    /// Redis' data is copied, for later.
    Snapshot,
    /// Redis is killed and comes back with the copy.
    Restore {
        /// How long it is gone.
        away_ms: u64,
    },
    /// Nothing passes between our services and a server; connections stay open, and what was held goes on in the end.
    Cut {
        /// Which.
        server: Server,
        /// In which direction.
        way: Way,
        /// How long.
        away_ms: u64,
    },
    /// Everything between our services and a server takes longer.
    Slow {
        /// Which.
        server: Server,
        /// By so much, in each direction.
        delay_ms: u64,
        /// How long.
        away_ms: u64,
    },
    /// Begins anew so that it dies at that place, as by SIGKILL, and then begins anew as it was.
    Crash {
        /// Who.
        victim: Victim,
        /// Where.
        point: Point,
        /// How often it passes there before.
        passes: u64,
        /// How long it is gone then.
        away_ms: u64,
    },
    /// A connection to the database ends after a COMMIT was done and before its answer comes.
    LoseCommits {
        /// How many times.
        count: u64,
    },
}

impl Fault {
    /// How long it is at work, what comes after it aside.
    pub(super) fn lasts_ms(self) -> u64 {
        match self {
            Self::Kill { away_ms, .. }
            | Self::Terminate { away_ms, .. }
            | Self::Pause { away_ms, .. }
            | Self::Restore { away_ms }
            | Self::Cut { away_ms, .. }
            | Self::Slow { away_ms, .. } => away_ms,
            Self::Crash { away_ms, .. } => CRASH_MS + away_ms,
            Self::Flush | Self::Snapshot | Self::LoseCommits { .. } => 0,
        }
    }

    /// Whether it is a fault in itself, and not the preparation of one.
    pub(super) fn hurts(self) -> bool {
        self != Self::Snapshot
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kill { victim, away_ms } => write!(f, "kill -9 {victim}, gone for {away_ms} ms"),
            Self::Terminate { victim, away_ms } => write!(f, "SIGTERM to {victim}, gone for {away_ms} ms"),
            Self::Pause { victim, away_ms } => write!(f, "{victim} stands still for {away_ms} ms"),
            Self::Flush => f.write_str("redis forgets everything"),
            Self::Snapshot => f.write_str("redis is copied"),
            Self::Restore { away_ms } => write!(f, "redis comes back after {away_ms} ms with the copy"),
            Self::Cut { server, way, away_ms } => {
                let what = match way {
                    Way::Both => "nothing passes",
                    Way::ToServer => "no request passes",
                    Way::ToClient => "no answer passes",
                };
                write!(f, "{what} between us and {} for {away_ms} ms", server.service())
            }
            Self::Slow { server, delay_ms, away_ms } => {
                write!(f, "{} is {delay_ms} ms further away for {away_ms} ms", server.service())
            }
            Self::Crash { victim, point, passes, away_ms } => {
                write!(f, "{victim} dies at {} after {passes} passes, gone for {away_ms} ms", point.name())
            }
            Self::LoseCommits { count } => write!(f, "{count} connections are cut between COMMIT and its answer"),
        }
    }
}
