//! A load with the CPU that it takes.

use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use crate::{
    bar::Bar,
    load::{Direct, DirectPlan, DirectResult, Drive, Played},
    measure::{CpuUse, Window, cpu_over},
    target::System,
};

/// What came of a load, and what each process used meanwhile.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct LoadResult {
    pub(crate) load: DirectResult,
    /// Within the seconds that count; empty where no process is known.
    pub(crate) cpu: Vec<CpuUse>,
}

impl LoadResult {
    /// Microseconds of CPU for each message that was acknowledged in the same seconds, by process.
    pub(crate) fn cpu_us_per_message(&self) -> impl Iterator<Item = (&str, f64)> {
        let messages = self.load.acknowledged.max(1) as f64;
        self.cpu.iter().map(move |used| (used.process.as_str(), used.seconds * 1e6 / messages))
    }
}

/// Connects the pairs, plays, and reads the processes' times at both ends of the window.
pub(crate) async fn play(
    plan: DirectPlan,
    system: &System,
    progress: &Bar,
    stop: &CancellationToken,
) -> anyhow::Result<(LoadResult, Played)> {
    let what = name(&plan);
    progress.doing(format!("{what}: connecting"));
    let direct = Box::pin(Direct::prepare(plan, &system.endpoint)).await?;
    let acknowledged = direct.acknowledged();
    let window = Window::starting_now(plan.length);
    let playing = Box::pin(direct.play(window, stop));
    let both = Box::pin(async { tokio::join!(playing, cpu_over(window, &system.processes, stop)) });
    let (played, cpu) = progress.follow(&what, plan.length.whole_seconds(), &acknowledged, both).await;
    let played = played?;
    Ok((LoadResult { load: played.result.clone(), cpu: cpu? }, played))
}

/// What is said while it plays.
fn name(plan: &DirectPlan) -> String {
    match plan.drive {
        Drive::Rate(rate) => format!("{} pairs, {rate} messages/s", plan.pairs),
        Drive::InFlight(unanswered) => format!("{} pairs, {unanswered} in flight each", plan.pairs),
    }
}
