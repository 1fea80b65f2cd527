//! The command line.

use std::{
    io::{self, Write as _},
    path::PathBuf,
    process::ExitCode,
};

use clap::{Parser, Subcommand, ValueEnum};
use im_infra::config::ConfigError;

/// GoChat: instant messaging on a durable pipeline.
#[derive(Parser)]
#[command(version, about)]
pub(crate) struct Cli {
    /// A configuration file (TOML); `gochat config defaults` prints one with every key.
    #[arg(long, short, global = true)]
    pub(crate) config: Option<PathBuf>,
    /// The bug that this process is to have.
    #[cfg(feature = "planted-bugs")]
    #[arg(long, env = "GOCHAT_PLANTED_BUG", hide = true)]
    pub(crate) planted_bug: Option<im_infra::planted::Bug>,
    /// A file that says by how much the wall clock of this process is wrong.
    #[cfg(feature = "failpoints")]
    #[arg(long, env = im_infra::clock::shift::VARIABLE, hide = true)]
    pub(crate) clock_shift: Option<PathBuf>,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// All services in this process, nothing else needed: SQLite and an embedded log in the data folder.
    Standalone,
    /// im-gateway: HTTP and WebSocket. Needs Kafka, etcd, Redis and im-logic.
    Gateway,
    /// im-logic: decides commands. Needs Kafka, etcd, Redis and im-repo.
    Logic,
    /// im-repo: the store. Needs etcd, Redis and a database whose schema is up to date (`gochat migrate up`).
    Repo,
    /// im-task: background work. Needs Kafka, etcd, Redis and im-repo.
    Task,
    /// Looks at the configuration.
    Config {
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// Looks at records that were given up, through a running im-repo at `rpc.listen`.
    DeadLetters {
        #[command(subcommand)]
        command: DeadLettersCommand,
    },
    /// Looks after the database's schema.
    Migrate {
        #[command(subcommand)]
        command: MigrateCommand,
    },
    /// Looks at what GoChat needs, with the configuration in force; makes and changes nothing.
    Doctor {
        /// What is going to run here: standalone where `repo.database.url` is empty, else all services.
        #[arg(long = "for", value_enum)]
        target: Option<DoctorTarget>,
        /// Prints JSON.
        #[arg(long)]
        json: bool,
    },
    /// Looks after the epoch by which clients tell one store from another.
    StoreEpoch {
        #[command(subcommand)]
        command: StoreEpochCommand,
    },
    /// Lists what was built in for tests alone, one a line: nothing, unless this is a binary for proof under faults.
    #[command(hide = true)]
    TestFeatures,
}

/// What a doctor looks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum DoctorTarget {
    /// All services in one process.
    Standalone,
    /// All services, each as a process.
    Services,
    /// im-gateway alone.
    Gateway,
    /// im-logic alone.
    Logic,
    /// im-repo alone.
    Repo,
    /// im-task alone.
    Task,
}

/// Looks after the epoch by which clients tell one store from another.
#[derive(Clone, Copy, Subcommand)]
pub(crate) enum StoreEpochCommand {
    /// Gives the store another: after a restore from a backup, so that clients drop what was lost.
    Renew,
}

/// Looks at the configuration.
#[derive(Clone, Copy, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Prints what is in force, secrets masked.
    Show,
    /// Says everything that is wrong with it; exit code 2 if anything is.
    Check,
    /// Prints the documented defaults.
    Defaults,
}

/// Looks after the database's schema.
#[derive(Clone, Copy, Subcommand)]
pub(crate) enum MigrateCommand {
    /// Brings it up to date.
    Up,
    /// Says which steps are missing.
    Status,
}

/// Looks at records that were given up.
#[derive(Clone, Copy, Subcommand)]
pub(crate) enum DeadLettersCommand {
    /// Lists those that are parked, oldest first.
    List {
        /// Those that were replayed or dropped, too.
        #[arg(long)]
        all: bool,
    },
    /// Shows one.
    Show {
        /// Its number, as `list` tells it.
        id: i64,
    },
    /// Sends one back to where it came from, to be decided anew.
    Replay {
        /// Its number, as `list` tells it.
        id: i64,
        /// Although it is older than `repo.replay_age_max_ms`.
        #[arg(long)]
        force: bool,
    },
    /// Gives one up for good.
    Drop {
        /// Its number, as `list` tells it.
        id: i64,
    },
}

/// Prints a line; a closed pipe is no error.
pub(crate) fn say(line: impl std::fmt::Display) {
    let _ = writeln!(io::stdout(), "{line}");
}

/// Prints why, and answers with which code to end: 2 for a wrong configuration, else 1.
pub(crate) fn failed(error: &anyhow::Error) -> ExitCode {
    let _ = writeln!(io::stderr(), "gochat: {error:#}");
    if error.is::<ConfigError>() { ExitCode::from(2) } else { ExitCode::FAILURE }
}
