//! One operation after the other, at a pace.

use std::time::Duration;

use anyhow::Context as _;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::FloorPlan;
use crate::{
    load::{Pacer, Schedule},
    measure::{Latencies, Window},
};

/// How long a single operation may take.
const OPERATION_MAX: Duration = Duration::from_secs(10);

/// Does an operation whenever one is due and the one before is done; it answers how long it took.
pub(super) async fn timed(
    plan: &FloorPlan,
    stop: &CancellationToken,
    mut operation: impl AsyncFnMut(u64) -> anyhow::Result<Duration>,
) -> anyhow::Result<Latencies> {
    let window = Window::starting_now(plan.length);
    let (_pacer, mut lanes) = Pacer::start(Schedule::new(plan.rate, plan.seed), window, 1, stop)?;
    let mut due = lanes.pop().context("the pacer has no lane")?;
    let mut latencies = Latencies::default();
    let mut number = 0;
    while let Some(at) = due.recv().await {
        let took = timeout(OPERATION_MAX, operation(number)).await.context("an operation took too long")??;
        if window.holds(at) {
            latencies.record(took);
        }
        number += 1;
    }
    Ok(latencies)
}
