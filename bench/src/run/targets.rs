//! All targets of a run, one after the other.

use std::path::Path;

use tokio_util::sync::CancellationToken;

use super::{
    RunPlan, RunResult,
    build::build_of,
    journal::Journal,
    parts::Part,
    plan::{CALIBRATION, CONNECTIONS_OF_ROUNDS},
    rounds::{floor_counts, measure},
};
use crate::{
    load::check_limits,
    output::note,
    target::{Site, TargetName},
};

/// Seconds until a target is started, and stopped again, about.
const START_AND_STOP: f64 = 8.0;

/// Measures the targets. After each round what was found is kept in the folder; with `resume` a run that was cut there goes on.
/// What was found until Ctrl-C is a result too.
pub(crate) async fn measure_all(
    targets: &[TargetName],
    site: &Site,
    plan: RunPlan,
    (folder, resume): (&Path, bool),
    stop: &CancellationToken,
) -> anyhow::Result<Vec<RunResult>> {
    // What is missing is said before anything takes its time.
    targets.iter().try_for_each(|target| site.check(target))?;
    let build = build_of(targets, site).await?;
    let fresh: Vec<RunResult> = targets.iter().map(|target| RunResult::empty(target, plan, &build)).collect();
    let resumed = if resume { Some(Journal::resume(folder, &fresh)?) } else { None };
    check_connections(targets, plan)?;
    let mut journal = match resumed {
        Some(journal) => journal,
        None => Journal::begin(folder, fresh)?,
    };
    let left = targets.iter().enumerate();
    let left = left.map(|(number, target)| seconds_left(target, journal.of(number), floor_counts(target, site, plan)));
    note(format_args!("about {:.0} minutes", (left.sum::<f64>() / 60.0).ceil()));
    for (number, target) in targets.iter().enumerate() {
        if !stop.is_cancelled() && !journal.of(number).finished {
            let measured = Box::pin(measure(target, site, (&mut journal, number), stop)).await;
            if let Err(error) = measured {
                if !journal.is_empty() {
                    note("what was measured until then is kept: the same command with --resume goes on");
                }
                return Err(error);
            }
        }
    }
    let results = journal.close()?;
    if !results.iter().all(|result| result.finished) || results.len() < targets.len() {
        note("interrupted: the same command with --resume goes on");
    }
    Ok(results)
}

/// Makes sure that this process, and what it starts, may have the connections of the part that has most.
fn check_connections(targets: &[TargetName], plan: RunPlan) -> anyhow::Result<()> {
    let most = |plan: RunPlan| {
        let parts = targets.iter().flat_map(Part::sittings).copied().flatten();
        u64::from(parts.map(|part| part.connections(&plan)).fold(CONNECTIONS_OF_ROUNDS, u32::max))
    };
    let of_quick = most(RunPlan::new(true, plan.seed));
    check_limits(most(plan), std::process::id(), |room| {
        let fits = !plan.quick && of_quick <= room;
        if fits { ", or take --quick".to_owned() } else { String::new() }
    })
}

/// About how long what is left of a target takes, given how many floors it has at the fixed pace and at the tenth.
fn seconds_left(target: &TargetName, result: &RunResult, (floors, of_tenth): (usize, usize)) -> f64 {
    let RunResult { plan, rounds, workloads, .. } = result;
    let rounds = plan.rounds.saturating_sub(rounds.len() as u64);
    let mut seconds = rounds as f64 * plan.estimated_seconds_of_round(floors, of_tenth);
    if rounds > 0 {
        seconds += START_AND_STOP + plan.seconds_of_warm_up(of_tenth) as f64;
    }
    for parts in Part::left(target, plan, workloads) {
        seconds += START_AND_STOP + parts.iter().map(|part| part.seconds(plan) as f64 + 2.0 * CALIBRATION).sum::<f64>();
    }
    seconds
}

#[cfg(test)]
mod tests {
    use super::{super::sample::workloads, *};

    #[test]
    fn a_quick_run_of_both_targets_takes_less_than_a_quarter_of_an_hour() {
        let plan = RunPlan::new(true, 1);
        let of = |target: TargetName, floors: usize| {
            seconds_left(&target, &RunResult::empty(&target, plan, ""), (floors, floors))
        };
        let seconds = of(TargetName::Standalone, 4) + of(TargetName::Processes, 5);
        assert!((600.0..900.0).contains(&seconds), "{seconds}");
    }

    #[test]
    fn what_was_measured_takes_no_more_time() {
        let plan = RunPlan::new(true, 1);
        let done = RunResult { workloads: workloads(), ..RunResult::empty(&TargetName::Processes, plan, "") };
        let fresh = RunResult::empty(&TargetName::Processes, plan, "");
        let left = |result: &RunResult| seconds_left(&TargetName::Processes, result, (5, 5));
        assert!(left(&done) + 60.0 < left(&fresh));
    }
}
