//! All targets of a run, one after the other.

use std::path::Path;

use tokio_util::sync::CancellationToken;

use super::{RunPlan, RunResult, build::build_of, journal::Journal, rounds::measure};
use crate::{
    load::check_descriptors,
    output::note,
    target::{Site, TargetName},
};

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
    check_descriptors(plan.idle_connections, std::process::id())?;
    let mut journal = match resumed {
        Some(journal) => journal,
        None => Journal::begin(folder, fresh)?,
    };
    for (number, target) in targets.iter().enumerate() {
        if !stop.is_cancelled() && !journal.of(number).finished {
            Box::pin(measure(target, site, (&mut journal, number), stop)).await?;
        }
    }
    let results = journal.close()?;
    if !results.iter().all(|result| result.finished) || results.len() < targets.len() {
        note("interrupted: the same command with --resume goes on");
    }
    Ok(results)
}
