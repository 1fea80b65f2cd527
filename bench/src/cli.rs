//! The command line.

mod loads;

use std::{
    io::{self, Write as _},
    path::PathBuf,
    process::ExitCode,
};

use clap::{Args, Parser, Subcommand, value_parser};

pub(crate) use self::loads::{GroupArgs, MixedArgs, ReconnectArgs, Setting, SyncArgs};
use crate::{
    error::{Usage, Void},
    floors::{Floor, Role, SOCKETS},
    load::CONVERSATIONS,
    measure::Length,
    prove::{LedgerCommand, NemesisCommand},
    target::{Site, TargetName},
};

const EXAMPLES: &str = "\
Examples:
  gochat-bench direct                                   start standalone, 100 messages a second, a table of latencies
  gochat-bench direct --pairs 100 --in-flight 8         as fast as it goes, 8 unanswered for each pair
  gochat-bench direct --target http://127.0.0.1:8080    load a gateway that runs
  gochat-bench group --members 1000                     one group, all online: how long to the last member
  gochat-bench group --members 5000 --burst 16          the same, 16 messages at once
  gochat-bench mixed --rate 200                         messages to one and to 50, read cursors, history
  gochat-bench reconnect --connections 10000            all are cut and come back, while others keep talking
  gochat-bench sync --devices 200 --messages 50         devices that were away catch up
  gochat-bench idle --connections 10000                 what a connection that says nothing costs
  gochat-bench floors --of standalone                   what the parts alone can do here
  gochat-bench floors --only write-loop,handshake       what many bare connections cost
  gochat-bench run --quick                              all of it, docs/performance.md and its plots
  gochat-bench run --resume                             the long one, from where it was cut
  gochat-bench nemesis run kill-logic --seed 7          a fault at work, judged by the ledger

`processes` needs Kafka, etcd, Redis and MariaDB: `scripts/infra up DIR && . DIR/env` starts them and says where they are.
A figure says little without its floors from the same machine and minute: prefer `run`, whose rows are ratios.
Exit codes: 0 measured, 1 something failed (a message lost, a process that ended), 2 a wrong request, 3 void (of `nemesis`).";

/// Loads GoChat and measures it, beside what its parts can do at best on this machine.
#[derive(Parser)]
#[command(name = "gochat-bench", version, about, after_help = EXAMPLES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Pairs of users of whom one writes and one reads: send-to-ack and send-to-delivery.
    ///
    /// With --rate (the default, 100 a second over all pairs) messages have intended times, and latency counts from those:
    /// a server that stalls is charged for everything that should have been sent meanwhile. With --in-flight each pair
    /// keeps that many messages unanswered and sends as fast as they are acknowledged. The ledger judges every message.
    Direct(DirectArgs),
    /// One group whose members are all connected: to the ack, the median member and the last member.
    ///
    /// The first member writes at intended times, a message or a --burst that leaves together, and latency counts from those.
    /// A group of 500 or more is large: its entries go by way of im-task. CPU is told for each delivery. The ledger judges
    /// every push, so members times messages is bounded.
    Group(GroupArgs),
    /// Users who do a bit of everything: 80 % direct messages, 15 % to groups of 50, 5 % read cursors and histories.
    ///
    /// All of it has intended times, and each kind its own latencies. A receipt takes about a second by design, because
    /// cursors are collected. The ledger judges every message, and in the end every unread count.
    Mixed(MixedArgs),
    /// All connections are cut at once and come back with a digest, while others keep talking.
    ///
    /// Counts how long until all are live again, the hellos, and the latency of those others before and meanwhile: for
    /// --warm-up-seconds and --seconds they talk undisturbed, then comes the cut. In the end some of those who came back write to
    /// each other.
    Reconnect(ReconnectArgs),
    /// Devices that were away while messages came: hello, sync and fetch until each has all there is.
    ///
    /// Devices come back at intended times, and latency counts from those. The ledger compares what they have in the end with
    /// the log.
    Sync(SyncArgs),
    /// Connections that are logged in and say nothing: private dirty memory of the gateway for each, and what it keeps of that
    /// after all were closed.
    Idle(IdleArgs),
    /// What the parts can do alone: a Kafka hop, a durable insert, a call, an echo.
    ///
    /// Times of an operation, and CPU for each of all processes that take part; that of Kafka and MariaDB is known where
    /// --infra is given. Floors with many connections are measured where --only names them: a write loop goes through all
    /// sockets at the --rate, or as often as it can with --in-flight 1, and tells the writer's CPU for each recipient, an idle
    /// connection tells the server's memory, handshakes are done once, 64 or --in-flight at the same time.
    Floors(FloorsArgs),
    /// Rounds of floors and subject in turn on each target; writes the raw results, the document and its plots.
    ///
    /// After its rounds each target is measured with logins, idle connections and, on Kafka, groups and connections that are all
    /// cut; in a full run three times, all of it in turn. What was measured is kept after each round and each of those, so that a
    /// run that was cut, by Ctrl-C or otherwise, goes on with --resume.
    Run(RunArgs),
    /// Writes the document and its plots again from raw results.
    Report(ReportArgs),
    /// The server of a floor with many connections, which `floors` starts.
    #[command(hide = true)]
    FloorServer(FloorServerArgs),
    /// Hurts a system that works, and has the ledger judge what came of it.
    #[command(subcommand)]
    Nemesis(NemesisCommand),
    /// What the ledger says of a saved history.
    #[command(subcommand)]
    Ledger(LedgerCommand),
}

/// `direct`.
#[derive(Args)]
pub(crate) struct DirectArgs {
    /// What to load: `standalone`, `processes` (both are started and stopped), or the http:// address of a gateway.
    #[arg(long, default_value = "standalone")]
    pub(crate) target: TargetName,
    /// Pairs of users.
    #[arg(long, default_value_t = 20, value_parser = value_parser!(u32).range(1..=2_000))]
    pub(crate) pairs: u32,
    /// Messages a second over all pairs, at intended times [default: 100].
    #[arg(long, value_parser = rate, conflicts_with = "in_flight")]
    pub(crate) rate: Option<f64>,
    /// Messages that each pair keeps unanswered, instead of a rate.
    #[arg(long, value_parser = value_parser!(u32).range(1..=256))]
    pub(crate) in_flight: Option<u32>,
    #[command(flatten)]
    pub(crate) length: Length,
    /// Bytes of text in a message.
    #[arg(long, default_value_t = 200, value_parser = value_parser!(u32).range(1..=16_000))]
    pub(crate) payload_bytes: u32,
    /// Decides the texts and the intended times.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Writes the result there, as JSON.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) site: Site,
}

/// `idle`.
#[derive(Args)]
pub(crate) struct IdleArgs {
    /// What to load: `standalone`, `processes` (both are started and stopped), or the http:// address of a gateway.
    #[arg(long, default_value = "standalone")]
    pub(crate) target: TargetName,
    /// Connections, each of a user of its own. One address has no more ports than the most allowed here.
    #[arg(long, default_value_t = 10_000, value_parser = value_parser!(u32).range(100..=25_000))]
    pub(crate) connections: u32,
    /// Conversations of each user.
    #[arg(long, default_value_t = CONVERSATIONS, value_parser = value_parser!(u32).range(0..=100))]
    pub(crate) conversations: u32,
    /// Seconds after all were closed at which the memory is read once more.
    #[arg(long, default_value_t = 30, value_parser = value_parser!(u64).range(0..=600))]
    pub(crate) closed_seconds: u64,
    /// The gateway's process, where it was not started here.
    #[arg(long)]
    pub(crate) pid: Option<u32>,
    /// Writes the result there, as JSON.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) site: Site,
}

/// `floors`.
#[derive(Args)]
pub(crate) struct FloorsArgs {
    /// Whose floors: `standalone` or `processes`.
    #[arg(long, default_value = "standalone")]
    pub(crate) of: TargetName,
    /// Only these, separated by commas.
    #[arg(long, value_enum, value_delimiter = ',', conflicts_with = "of")]
    pub(crate) only: Vec<Floor>,
    /// Operations a second, at intended times, one after the other [default: 100].
    #[arg(long, value_parser = rate, conflicts_with = "in_flight")]
    pub(crate) rate: Option<f64>,
    /// Operations at the same time, as many as can be done, instead of a rate: their CPU under load.
    #[arg(long, value_parser = value_parser!(u32).range(1..=1_000))]
    pub(crate) in_flight: Option<u32>,
    #[command(flatten)]
    pub(crate) length: Length,
    /// Connections of the floors that have many: write-loop, coalesced-write-loop, idle-connection, handshake.
    #[arg(long, default_value_t = SOCKETS, value_parser = value_parser!(u32).range(100..=25_000))]
    pub(crate) sockets: u32,
    /// Bytes of a record, a row, a request, a frame.
    #[arg(long, default_value_t = 200, value_parser = value_parser!(u32).range(16..=16_000))]
    pub(crate) payload_bytes: u32,
    /// Decides the intended times.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Writes the result there, as JSON.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) site: Site,
}

/// `floor-server`.
#[derive(Args)]
pub(crate) struct FloorServerArgs {
    /// What it does with connections.
    #[arg(value_enum)]
    pub(crate) role: Role,
    /// Bytes of a frame.
    #[arg(long)]
    pub(crate) payload_bytes: u32,
}

/// `run`.
#[derive(Args)]
pub(crate) struct RunArgs {
    /// What to measure, may be repeated [default: standalone and processes].
    #[arg(long = "target")]
    pub(crate) targets: Vec<TargetName>,
    /// Three rounds of short runs: indicative. Without it seven longer ones.
    #[arg(long)]
    pub(crate) quick: bool,
    /// Goes on with the run that was cut: the same targets, length and seed, the same build on the same machine.
    #[arg(long)]
    pub(crate) resume: bool,
    /// Decides texts, intended times and the resampling of the intervals.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// The folder for raw results, and for what a run that was cut has measured.
    #[arg(long, value_name = "DIR", default_value = "docs/performance")]
    pub(crate) raw: PathBuf,
    /// The document; its plots are beside it, as .html.
    #[arg(long, value_name = "FILE", default_value = "docs/performance.md", value_parser = document_path)]
    pub(crate) out: PathBuf,
    #[command(flatten)]
    pub(crate) site: Site,
}

/// `report`.
#[derive(Args)]
pub(crate) struct ReportArgs {
    /// Raw results of `run`.
    #[arg(required = true, value_name = "RAW")]
    pub(crate) raw: Vec<PathBuf>,
    /// The document; its plots are beside it, as .html.
    #[arg(long, value_name = "FILE", default_value = "docs/performance.md", value_parser = document_path)]
    pub(crate) out: PathBuf,
}

/// A rate that a paced sender can keep.
fn rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if (0.1..=50_000.0).contains(&rate) => Ok(rate),
        _ => Err("a rate is 0.1 to 50000 a second".to_owned()),
    }
}

/// A file whose name is not that of its plots.
fn document_path(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    if path.file_name().is_none() || path.extension().is_some_and(|extension| extension == "html") {
        return Err("the document is Markdown, such as performance.md; its plots are the .html beside it".to_owned());
    }
    Ok(path)
}

/// Prints why, and answers with which code to end: 2 for a wrong request, 3 for what says nothing, else 1.
pub(crate) fn failed(error: &anyhow::Error) -> ExitCode {
    let _ = writeln!(io::stderr(), "gochat-bench: {error:#}");
    match error {
        error if error.is::<Usage>() => ExitCode::from(2),
        error if error.is::<Void>() => ExitCode::from(3),
        _ => ExitCode::FAILURE,
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn contradictory_flags_are_refused() {
        let parsed = Cli::try_parse_from(["gochat-bench", "direct", "--rate", "10", "--in-flight", "2"]);
        assert_eq!(parsed.err().map(|error| error.kind()), Some(clap::error::ErrorKind::ArgumentConflict));
        assert!(Cli::try_parse_from(["gochat-bench", "floors", "--rate", "10", "--in-flight", "2"]).is_err());
        assert!(Cli::try_parse_from(["gochat-bench", "direct", "--rate", "0"]).is_err());
        assert!(Cli::try_parse_from(["gochat-bench", "direct", "--target", "nowhere"]).is_err());
        assert!(Cli::try_parse_from(["gochat-bench", "run", "--out", "a.html"]).is_err(), "the plots go there");
        assert!(Cli::try_parse_from(["gochat-bench", "run", "--out", "a.md", "--resume"]).is_ok());
    }
}
