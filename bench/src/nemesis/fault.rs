//! What can be done to a system.

use std::fmt;

use im_infra::failpoint::Point;
use serde::{Deserialize, Serialize};

pub use super::victim::{Server, Service, Subject, Victim};

/// What it takes, as a rule, until a process that was started to die somewhere has come there.
const CRASH_MS: u64 = 2_500;
/// A broker begins slowly, and then members come to their groups again.
const BROKER_BACK_MS: u64 = 3_000;
/// On its way out a broker says that there are no brokers, and a client that takes its word asks nobody any more: it is replaced
/// once others were answered several times (`im-infra/src/mq/kafka/lost.rs`).
const BROKER_LOST_MS: u64 = 8_000;

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

/// What a disk says that does not bring to itself what was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DiskError {
    /// It is broken.
    Io,
    /// It is full.
    Full,
}

impl DiskError {
    /// As the system names it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Io => "EIO",
            Self::Full => "ENOSPC",
        }
    }
}

/// Something that is done to a system, and for how long. All of them pass by themselves.
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
    /// Each `fsync` and `fdatasync` of a process takes longer.
    SlowSync {
        /// Who.
        victim: Victim,
        /// By so much.
        delay_ms: u64,
        /// How long.
        away_ms: u64,
    },
    /// Each `fsync` and `fdatasync` of a process fails. Who ends of it begins anew afterwards.
    FailingSync {
        /// Who.
        victim: Victim,
        /// With what.
        error: DiskError,
        /// How long.
        away_ms: u64,
    },
    /// The wall clock of one of our processes is wrong.
    WrongClock {
        /// Who.
        victim: Victim,
        /// By how much it is ahead; below 0: behind.
        shift_ms: i64,
        /// How long.
        away_ms: u64,
    },
    /// Every third user reads nothing on any device, and says nothing; then all of them read what waited.
    Deafen {
        /// The first of them, by the number of the user from 0 on.
        first: usize,
        /// How long.
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
            | Self::Slow { away_ms, .. }
            | Self::SlowSync { away_ms, .. }
            | Self::FailingSync { away_ms, .. }
            | Self::WrongClock { away_ms, .. }
            | Self::Deafen { away_ms, .. } => away_ms,
            Self::Crash { away_ms, .. } => CRASH_MS + away_ms,
            Self::Flush | Self::Snapshot | Self::LoseCommits { .. } => 0,
        }
    }

    /// How long it takes after that, as a rule, until the system works as before. Where that is about a second it counts as nothing.
    pub(super) fn recovers_ms(self) -> u64 {
        match self {
            Self::Terminate { victim: Victim::Server(Server::Kafka), .. } => BROKER_LOST_MS,
            Self::Kill { victim: Victim::Server(Server::Kafka), .. }
            | Self::FailingSync { victim: Victim::Server(Server::Kafka), .. } => BROKER_BACK_MS,
            _ => 0,
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
            Self::SlowSync { victim, delay_ms, away_ms } => {
                write!(f, "each fsync of {victim} takes {delay_ms} ms longer for {away_ms} ms")
            }
            Self::FailingSync { victim, error, away_ms } => {
                write!(f, "each fsync of {victim} fails with {} for {away_ms} ms", error.name())
            }
            Self::WrongClock { victim, shift_ms, away_ms } => {
                let way = if *shift_ms < 0 { "behind" } else { "ahead" };
                write!(f, "the clock of {victim} is {} s {way} for {away_ms} ms", shift_ms.unsigned_abs() / 1_000)
            }
            Self::Deafen { first, away_ms } => {
                write!(f, "every third user from number {first} on reads nothing for {away_ms} ms")
            }
            Self::LoseCommits { count } => write!(f, "{count} connections are cut between COMMIT and its answer"),
        }
    }
}
