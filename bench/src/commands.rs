//! What the commands do.

mod loads;

use std::{fs, path::Path, time::Duration};

use anyhow::{Context as _, bail};
use im_infra::lifecycle::{Lifecycle, stop_on_signals};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use self::loads::{Told, load};
use crate::{
    bar::Bar,
    cli::{
        Cli, Command, DirectArgs, FloorsArgs, GroupArgs, IdleArgs, MixedArgs, ReconnectArgs, ReportArgs, RunArgs,
        SyncArgs,
    },
    error::usage,
    floors::{Floor, FloorPlan, FloorResult, Pace, floors_of, measure_floor, serve},
    load::{
        Connections, DirectPlan, Drive, GroupResult, IdlePlan, MixedResult, ReconnectResult, SyncResult,
        check_descriptors, measure_idle,
    },
    output::{note, say},
    plot::page,
    prove,
    report::{
        direct_table, document, floors_table, group_table, idle_table, mixed_table, reconnect_table, summary,
        sync_table,
    },
    run::{RunPlan, RunResult, measure_all, play},
    target::{Process, TargetName, start},
};

/// Messages a second unless something else is asked for.
const RATE: f64 = 100.0;

/// Does what was asked. Ctrl-C ends what is going on and lets it report.
pub(crate) async fn run(cli: Cli) -> anyhow::Result<()> {
    let life = Lifecycle::new();
    stop_on_signals(&life)?;
    let stop = life.stopping();
    match cli.command {
        Command::Direct(args) => Box::pin(direct(&args, &stop)).await,
        Command::Group(args) => Box::pin(group(&args, &stop)).await,
        Command::Mixed(args) => Box::pin(mixed(&args, &stop)).await,
        Command::Reconnect(args) => Box::pin(reconnect(&args, &stop)).await,
        Command::Sync(args) => Box::pin(sync(&args, &stop)).await,
        Command::Idle(args) => Box::pin(idle(&args, &stop)).await,
        Command::Floors(args) => Box::pin(floors(&args, &stop)).await,
        Command::Run(args) => Box::pin(run_all(&args, &stop)).await,
        Command::Report(args) => report(&args),
        Command::FloorServer(args) => Box::pin(serve(args.role, args.payload_bytes, &stop)).await,
        Command::Nemesis(command) => Box::pin(prove::nemesis(command, &stop)).await,
        Command::Ledger(command) => prove::ledger(&command),
    }
}

async fn direct(args: &DirectArgs, stop: &CancellationToken) -> anyhow::Result<()> {
    let drive = args.in_flight.map_or(Drive::Rate(args.rate.unwrap_or(RATE)), Drive::InFlight);
    let (pairs, length, payload_bytes, seed) = (args.pairs, args.length, args.payload_bytes, args.seed);
    let plan = DirectPlan { pairs, drive, length, payload_bytes, seed };
    plan.check()?;
    let connections = plan.connections();
    // Said before anything is started; the gateway's limit is looked at when it runs.
    connections.check(std::process::id())?;
    let system = Box::pin(start(&args.target, &args.site)).await?;
    note(format_args!("{pairs} pairs at {}, seed {seed}", system.endpoint));
    let progress = Bar::of_seconds("direct", length.whole_seconds(), 0);
    let played = match system.gateway.as_ref().map_or(Ok(()), |gateway| connections.check(gateway.pid)) {
        Ok(()) => Box::pin(play(plan, &system, &progress, stop)).await,
        Err(error) => Err(error),
    };
    drop(progress);
    let stopped = system.stop().await;
    let (result, _) = played?;
    say(direct_table(&result));
    write_if_asked(args.out.as_deref(), &result)?;
    if let Some(fault) = result.load.fault() {
        bail!("{fault}");
    }
    stopped
}

async fn group(args: &GroupArgs, stop: &CancellationToken) -> anyhow::Result<()> {
    let plan = args.plan();
    let what = format!("a group of {}, {} messages {} times a second", plan.members, plan.burst, plan.rate);
    let tell = |found: &GroupResult| Told { table: group_table(found), fault: found.sum.fault() };
    Box::pin(load(plan, (&args.setting, &what), tell, stop)).await
}

async fn mixed(args: &MixedArgs, stop: &CancellationToken) -> anyhow::Result<()> {
    let plan = args.plan();
    let what = format!("{} groups, {} a second of everything", plan.groups, plan.rate);
    let tell = |found: &MixedResult| Told { table: mixed_table(found), fault: found.sum.fault() };
    Box::pin(load(plan, (&args.setting, &what), tell, stop)).await
}

async fn reconnect(args: &ReconnectArgs, stop: &CancellationToken) -> anyhow::Result<()> {
    let plan = args.plan();
    let what = format!("{} connections, {} pairs that talk", plan.connections, plan.pairs);
    let tell = |found: &ReconnectResult| Told { table: reconnect_table(found), fault: found.fault() };
    Box::pin(load(plan, (&args.setting, &what), tell, stop)).await
}

async fn sync(args: &SyncArgs, stop: &CancellationToken) -> anyhow::Result<()> {
    let plan = args.plan();
    let what = format!("{} devices with {} conversations", plan.devices, plan.conversations);
    let tell = |found: &SyncResult| Told { table: sync_table(found), fault: found.sum.fault() };
    Box::pin(load(plan, (&args.setting, &what), tell, stop)).await
}

async fn idle(args: &IdleArgs, stop: &CancellationToken) -> anyhow::Result<()> {
    if matches!(args.target, TargetName::Url(_)) != args.pid.is_some() {
        return Err(usage("--pid is the gateway's process where --target is an address, and only there"));
    }
    // Said before anything is started; the gateway's limit is looked at when it runs.
    check_descriptors(args.connections, std::process::id())?;
    let system = Box::pin(start(&args.target, &args.site)).await?;
    let named = args.pid.map(|pid| Process { name: "gateway".to_owned(), pid });
    let measured = match system.gateway.clone().or(named) {
        Some(gateway) => {
            let closed = Duration::from_secs(args.closed_seconds);
            let plan = IdlePlan { connections: args.connections, conversations: args.conversations, gateway, closed };
            Box::pin(measure_idle(&plan, &system.endpoint, stop)).await
        }
        None => Err(usage("whose memory? name the gateway's process with --pid")),
    };
    let stopped = system.stop().await;
    let result = measured?;
    say(idle_table(&result));
    write_if_asked(args.out.as_deref(), &result)?;
    stopped
}

async fn floors(args: &FloorsArgs, stop: &CancellationToken) -> anyhow::Result<()> {
    if matches!(args.of, TargetName::Url(_)) {
        return Err(usage("the floors are those of `standalone` or `processes`"));
    }
    let chosen = if args.only.is_empty() { floors_of(&args.of, &args.site) } else { args.only.as_slice() };
    let pace = args.in_flight.map_or(Pace::Rate(args.rate.unwrap_or(RATE)), Pace::InFlight);
    let sockets = args.sockets;
    let plan = FloorPlan { pace, sockets, ..FloorPlan::at_rate(RATE, args.length, args.payload_bytes, args.seed) };
    if chosen.iter().any(|floor| floor.has_sockets()) {
        // Said before anything is measured.
        Connections { flag: "--sockets", asked: sockets, each: 1, beside: 0 }.check(std::process::id())?;
    }
    let (mut measured, mut outcome): (Vec<(Floor, FloorResult)>, _) = (Vec::new(), Ok(()));
    for floor in chosen.iter().take_while(|_| !stop.is_cancelled()) {
        note(floor);
        match measure_floor(*floor, &plan, &args.site, stop).await {
            Ok(found) => measured.push((*floor, found)),
            Err(error) => {
                outcome = Err(error);
                break;
            }
        }
    }
    // One that fails takes nothing with it.
    if outcome.is_ok() || !measured.is_empty() {
        say(floors_table(&measured));
        write_if_asked(args.out.as_deref(), &measured)?;
    }
    outcome
}

async fn run_all(args: &RunArgs, stop: &CancellationToken) -> anyhow::Result<()> {
    let both = [TargetName::Standalone, TargetName::Processes];
    let targets = if args.targets.is_empty() { &both[..] } else { &args.targets[..] };
    check_names(targets)?;
    let plan = RunPlan::new(args.quick, args.seed);
    let results = Box::pin(measure_all(targets, &args.site, plan, (&args.raw, args.resume), stop)).await?;
    if results.is_empty() {
        say("nothing was measured, and nothing is written");
        return Ok(());
    }
    for result in &results {
        let path = args.raw.join(format!("{}-{}.json", result.short_name(), plan.kind()));
        write(&path, &serde_json::to_string(result)?)?;
    }
    publish(&results, &args.out)
}

/// Results are kept under the names of their targets.
fn check_names(targets: &[TargetName]) -> anyhow::Result<()> {
    let names: Vec<&str> = targets.iter().map(TargetName::short).collect();
    let again = names.iter().enumerate().find(|(number, name)| names[..*number].contains(name));
    again.map_or(Ok(()), |(_, name)| Err(usage(format!("two targets are named {name}: measure one of them at a time"))))
}

fn report(args: &ReportArgs) -> anyhow::Result<()> {
    let mut results = Vec::new();
    for path in &args.raw {
        let text =
            fs::read_to_string(path).map_err(|error| usage(format!("cannot read {}: {error}", path.display())))?;
        let result: RunResult = serde_json::from_str(&text)
            .map_err(|error| usage(format!("{} holds no result of this version: {error}", path.display())))?;
        results.push(result);
    }
    publish(&results, &args.out)
}

/// Writes the document, and its plots beside it.
fn publish(results: &[RunResult], path: &Path) -> anyhow::Result<()> {
    let plots = path.with_extension("html");
    let name = plots.file_name().unwrap_or_default().to_string_lossy();
    write(path, &document(results, &name))?;
    write(&plots, &page(results))?;
    say(summary(results));
    say(format_args!("written: {} and {}", path.display(), plots.display()));
    Ok(())
}

fn write_if_asked(path: Option<&Path>, result: &impl Serialize) -> anyhow::Result<()> {
    match path {
        Some(path) => write(path, &serde_json::to_string_pretty(result)?),
        None => Ok(()),
    }
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    fs::write(path, format!("{}\n", text.trim_end())).with_context(|| format!("cannot write {}", path.display()))
}
