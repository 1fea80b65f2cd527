//! Waits for those who play, and tells what they have in common.

use anyhow::Context as _;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::Progress;
use crate::{
    bar::Bar,
    load::Sum,
    measure::{CpuUse, Window, cpu_over},
    target::System,
};

/// How a load ended, whoever played it.
pub(crate) struct Ended {
    unfinished: u64,
    interrupted: bool,
    cpu: Vec<CpuUse>,
}

/// What each of those at work answers, in no order, once nothing is missing or nobody has to wait any longer.
pub(crate) async fn played<T: Send + 'static>(
    mut playing: JoinSet<T>,
    (system, progress): (&System, &Progress),
    (window, stop): (Window, &CancellationToken),
) -> anyhow::Result<(Vec<T>, Ended)> {
    let bar = Bar::of_seconds("load", window.whole_seconds(), 0);
    let both = async { tokio::join!(cpu_over(window, &system.processes, stop), progress.settle(window, stop)) };
    let (cpu, ()) = bar.follow("pushes", window.whole_seconds(), progress.pushes(), Box::pin(both)).await;
    drop(bar);
    let mut played = Vec::with_capacity(playing.len());
    while let Some(one) = playing.join_next().await {
        played.push(one.context("a user panicked")?);
    }
    Ok((played, Ended { unfinished: progress.missing(), interrupted: stop.is_cancelled(), cpu: cpu? }))
}

impl Ended {
    /// What it adds to what else was found.
    pub(crate) fn add_to(self, sum: &mut Sum) {
        let Self { unfinished, interrupted, cpu } = self;
        (sum.unfinished, sum.interrupted, sum.cpu) = (unfinished, interrupted, cpu);
    }
}
