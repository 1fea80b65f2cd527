//! Others, who keep talking meanwhile.

use anyhow::Context as _;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::ReconnectPlan;
use crate::{
    load::{
        pace::{Pacer, Schedule},
        pair::{Cue, Pair, Seen},
    },
    measure::Window,
};

/// Pairs at work.
pub(super) struct Others {
    playing: JoinSet<Seen>,
    enough: CancellationToken,
    _pacer: Pacer,
}

impl Others {
    /// Has them talk until it is enough.
    pub(super) fn talk(
        plan: &ReconnectPlan,
        pairs: Vec<Pair>,
        window: Window,
        stop: &CancellationToken,
    ) -> anyhow::Result<Self> {
        let enough = stop.child_token();
        let (pacer, lanes) = Pacer::start(Schedule::new(plan.rate, plan.seed), window, pairs.len(), &enough)?;
        let mut playing = JoinSet::new();
        for (pair, times) in pairs.into_iter().zip(lanes) {
            playing.spawn(pair.play(window, Cue::Times(times), stop.clone()));
        }
        Ok(Self { playing, enough, _pacer: pacer })
    }

    /// It is enough: waits for what is missing.
    pub(super) async fn end(self) -> anyhow::Result<Vec<Seen>> {
        self.enough.cancel();
        all(self.playing).await
    }
}

/// What each of them saw.
pub(super) async fn all(mut playing: JoinSet<Seen>) -> anyhow::Result<Vec<Seen>> {
    let mut seen = Vec::new();
    while let Some(pair) = playing.join_next().await {
        seen.push(pair.context("a pair panicked")?);
    }
    Ok(seen)
}
