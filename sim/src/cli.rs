//! The command line.

use std::{io, time::Instant};

use clap::{Parser, value_parser};
use im_sim::{Bug, Options, replay, run};

/// Runs the services' state machines under a seeded scheduler, with faults, and checks what must hold.
///
/// A seed is a run: the same seed and number of steps fail at the same step. Exit codes: 0 all seeds passed (with --bug: it
/// was found), 1 not so, 2 a wrong request.
#[derive(Parser)]
#[command(name = "im-sim", version, about)]
pub(crate) struct Cli {
    /// The first seed.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// How many seeds, one after the other.
    #[arg(long, default_value_t = 1, value_parser = value_parser!(u64).range(1..))]
    pub(crate) seeds: u64,
    /// Events with faults of each seed; those until all has settled come on top.
    #[arg(long, default_value_t = 20_000, value_parser = value_parser!(u64).range(1..))]
    pub(crate) steps: u64,
    /// A bug to plant, by its name; an unknown name lists them.
    #[arg(long)]
    pub(crate) bug: Option<Bug>,
    /// How many of the last events of a failing run are shown.
    #[arg(long, default_value_t = 30)]
    pub(crate) trace: usize,
}

/// Until a seed fails; answers whether one did.
pub(crate) fn play(cli: &Cli, out: &mut impl io::Write) -> io::Result<bool> {
    let (started, mut steps) = (Instant::now(), 0);
    if let Some(bug) = cli.bug {
        writeln!(out, "planted: {}", bug.wrong())?;
    }
    for seed in cli.seed..cli.seed.saturating_add(cli.seeds) {
        let options = Options { seed, steps: cli.steps, bug: cli.bug };
        let report = run(&options);
        steps += report.steps;
        writeln!(out, "{report}")?;
        if report.failure.is_some() {
            let (again, trace) = replay(&options, cli.trace);
            trace.iter().try_for_each(|line| writeln!(out, "  {line}"))?;
            writeln!(out, "{}", if again.hash == report.hash { "replayed to the same step" } else { "NOT replayed" })?;
            return Ok(true);
        }
    }
    let per_minute = steps as f64 / started.elapsed().as_secs_f64().max(1e-9) * 60.0;
    writeln!(out, "{steps} steps, {:.2} million a minute", per_minute / 1e6)?;
    Ok(false)
}
