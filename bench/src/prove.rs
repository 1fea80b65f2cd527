//! `nemesis` and `ledger`: the command line of proof under faults.

mod bugs;
mod campaign;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::bail;
use clap::{Args, Subcommand, value_parser};
use im_bench::{
    ledger::{self, History},
    nemesis::{Features, Means, Order, Outcome, Scenario, Subject, Verdict, can_trace, logs_of, run, schedule},
};
use tokio_util::sync::CancellationToken;

use crate::{
    error::{Void, usage},
    output::{note, say},
    target::gochat,
};

/// Tokens of the users end after fifteen minutes.
const MINUTES_MAX: f64 = 10.0;
/// Less is void.
const MINUTES_MIN: f64 = 0.35;

/// `nemesis`.
#[derive(Subcommand)]
pub(crate) enum NemesisCommand {
    /// The scenarios, what they do, and to what.
    List,
    /// One run: starts the system, hurts it while users talk, and judges.
    ///
    /// `processes` runs on a Kafka, an etcd, a Redis and a MariaDB of its own, which `scripts/infra` starts in a temporary folder
    /// and stops again. Scenarios of slow and failing disks need strace, and that it may trace other processes; those of wrong
    /// clocks and of crashes need a binary with failpoints. Exit codes: 0 clean, 1 violations (or the system did not come back), 2 a
    /// wrong request, 3 void: the faults met no command without an outcome, or there was too little load.
    Run(RunArgs),
    /// Many runs, scenario after scenario, over as many sittings as it takes: what its folder holds is not done again.
    ///
    /// Void runs do not count; where strace may not trace, those that need it are void. Scenarios that let a process crash
    /// somewhere, or move its clock, take part where the binary has failpoints. The table is written after each run.
    /// Ctrl-C ends the sitting; the runs under way are done again in the next one. Exit codes: 0 enough runs and all clean, 1
    /// violations or failures, 2 a wrong request, 3 not yet enough.
    Campaign(campaign::CampaignArgs),
    /// Plants bugs in the services, one after the other, and looks whether the ledger finds them.
    ///
    /// Each has its scenarios, and a number of runs after which it counts as missed. What the folder holds of earlier sittings is
    /// not done again; the table is written from that. It needs a binary with bugs and failpoints in it, and some need the servers
    /// of `processes`. Exit codes: 0 all found, 1 one was missed, 2 a wrong request, 3 not yet looked for all of them.
    Bugs(bugs::BugsArgs),
}

/// What any run needs.
#[derive(Args)]
pub(crate) struct Site {
    /// Minutes of load.
    #[arg(long, default_value_t = 1.0, value_parser = minutes)]
    minutes: f64,
    /// Users; every fourth has two devices.
    #[arg(long, default_value_t = 12, value_parser = value_parser!(u16).range(6..=200))]
    users: u16,
    /// Messages a second, of all of them together.
    #[arg(long, default_value_t = 100, value_parser = value_parser!(u32).range(10..=2_000))]
    rate: u32,
    #[command(flatten)]
    tools: Tools,
}

/// With what runs are made.
#[derive(Args)]
pub(crate) struct Tools {
    /// The binary to start [default: gochat beside this one].
    #[arg(long, value_name = "PATH")]
    gochat: Option<PathBuf>,
    /// What starts the servers of `processes`.
    #[arg(long, value_name = "PATH", default_value = "scripts/infra")]
    infra_script: PathBuf,
    /// Where data of the runs lies [default: the system's temporary folder].
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

/// `nemesis run`.
#[derive(Args)]
pub(crate) struct RunArgs {
    /// Which scenario, see `nemesis list`.
    #[arg(value_parser = scenario)]
    name: &'static Scenario,
    /// Decides whom the faults hit, when and for how long.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// To what it is done [default: what the scenario fits].
    #[arg(long, value_enum)]
    target: Option<Subject>,
    /// Where the history goes; logs go beside it [default: NAME-SEED.history.gz].
    #[arg(long, value_name = "FILE")]
    history: Option<PathBuf>,
    #[command(flatten)]
    site: Site,
}

/// `ledger`.
#[derive(Subcommand)]
pub(crate) enum LedgerCommand {
    /// Checks a history again. Exit codes: 0 clean, 1 violations, 2 it is no history.
    Check {
        /// As `nemesis` saves it; one that was cut short is checked as far as it goes.
        #[arg(value_name = "HISTORY")]
        path: PathBuf,
    },
}

fn scenario(name: &str) -> Result<&'static Scenario, String> {
    Scenario::named(name).ok_or_else(|| "there is no such scenario, see `gochat-bench nemesis list`".to_owned())
}

fn minutes(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(minutes) if (MINUTES_MIN..=MINUTES_MAX).contains(&minutes) => Ok(minutes),
        _ => Err(format!("{MINUTES_MIN} to {MINUTES_MAX} minutes: with less load a run is void")),
    }
}

/// Said before hours of runs, not after them.
fn check_out(path: &Path) -> anyhow::Result<()> {
    match path.parent() {
        Some(folder) if folder != Path::new("") && !folder.is_dir() => {
            Err(usage(format!("there is no folder {}: make it, or choose another --out", folder.display())))
        }
        _ => Ok(()),
    }
}

impl Tools {
    async fn means(&self, subject: Subject) -> anyhow::Result<Means> {
        let infra = match (subject, self.infra_script.canonicalize()) {
            (Subject::Standalone, _) => PathBuf::new(),
            (Subject::Processes, Ok(path)) => path,
            (Subject::Processes, Err(_)) => {
                let path = self.infra_script.display();
                return Err(usage(format!("{path} is not there: name it with --infra-script")));
            }
        };
        let folder = self.data.clone().unwrap_or_else(std::env::temp_dir);
        if !folder.is_dir() {
            return Err(usage(format!("there is no folder {}: make it, or choose another --data", folder.display())));
        }
        Ok(Means { gochat: gochat(self.gochat.as_deref()).await?, infra, folder, settings: Vec::new() })
    }
}

impl Site {
    fn order(&self, scenario: &'static Scenario, subject: Subject, seed: u64, history: PathBuf) -> Order {
        let load = Duration::from_secs_f64(self.minutes * 60.0);
        Order { scenario, subject, seed, load, users: usize::from(self.users), rate: self.rate, history }
    }
}

/// Does what was asked. A stop ends the run at work, and lets it report.
pub(crate) async fn nemesis(command: NemesisCommand, stop: &CancellationToken) -> anyhow::Result<()> {
    match command {
        NemesisCommand::List => list(),
        NemesisCommand::Run(args) => Box::pin(run_one(&args, stop)).await?,
        NemesisCommand::Campaign(args) => Box::pin(campaign::campaign(&args, stop)).await?,
        NemesisCommand::Bugs(args) => Box::pin(bugs::bugs(&args, stop)).await?,
    }
    Ok(())
}

fn list() {
    for scenario in Scenario::all() {
        let fits = [Subject::Standalone, Subject::Processes].into_iter().filter(|subject| scenario.fits(*subject));
        let fits: Vec<String> = fits.map(|subject| subject.to_string()).collect();
        say(format_args!("{:<28} {:<22} {}", scenario.name, fits.join(", "), scenario.does));
    }
}

async fn run_one(args: &RunArgs, stop: &CancellationToken) -> anyhow::Result<()> {
    let scenario = args.name;
    let subject = match args.target {
        Some(subject) if !scenario.fits(subject) => {
            return Err(usage(format!(
                "{} cannot be done to {subject}: see `gochat-bench nemesis list`",
                scenario.name
            )));
        }
        Some(subject) => subject,
        None if scenario.fits(Subject::Processes) => Subject::Processes,
        None => Subject::Standalone,
    };
    if scenario.needs_strace()
        && let Err(why) = can_trace().await
    {
        return Err(usage(why));
    }
    let history = args.history.clone().unwrap_or_else(|| format!("{}-{}.history.gz", scenario.name, args.seed).into());
    let means = args.site.tools.means(subject).await?;
    if scenario.needs_failpoints() && !Features::of(&means.gochat).await?.have_failpoints() {
        return Err(usage(format!(
            "{} has no failpoints: build it with `cargo build --release -p gochat --features failpoints`",
            means.gochat.display()
        )));
    }
    let order = args.site.order(scenario, subject, args.seed, history);
    note(format_args!("{} on {subject}, seed {}, {:.0} s of load", scenario.name, args.seed, order.load.as_secs_f64()));
    for step in schedule(scenario, subject, args.seed, u64::try_from(order.load.as_millis())?) {
        note(format_args!("{:>8.1} s  {}", step.at_ms as f64 / 1_000.0, step.fault));
    }
    let outcome = Box::pin(run(&order, &means, stop)).await?;
    say(&outcome);
    say(format_args!("history: {}, logs: {}", order.history.display(), logs_of(&order.history).display()));
    judged(&outcome)
}

fn judged(outcome: &Outcome) -> anyhow::Result<()> {
    match outcome.verdict() {
        Verdict::Clean => Ok(()),
        Verdict::Violated => bail!("{} violations", outcome.violations),
        Verdict::Void => Err(Void(outcome.void.clone().unwrap_or_default()).into()),
    }
}

/// Says what is wrong with a history.
pub(crate) fn ledger(command: &LedgerCommand) -> anyhow::Result<()> {
    let LedgerCommand::Check { path } = command;
    let history = History::read(path).map_err(|error| usage(format!("{} {error}", path.display())))?;
    say(format_args!("{}, seed {}: {}", history.header.scenario, history.header.seed, history.header.details));
    let report = if history.complete {
        ledger::check(&history.events)
    } else {
        say(format_args!("cut short: {} events, checked as far as they go", history.events.len()));
        ledger::check_beginning(&history.events)
    };
    say(&report);
    if !report.violations.is_empty() {
        bail!("{} violations", report.violations.len());
    }
    Ok(())
}
