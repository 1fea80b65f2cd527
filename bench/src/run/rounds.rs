//! The rounds.

use std::path::Path;

use anyhow::bail;
use tokio_util::sync::CancellationToken;

use super::{FloorTimes, LoadResult, Round, RunPlan, RunResult, play};
use crate::{
    floors::{floors_of, measure_floor},
    load::{DirectPlan, IdlePlan, IdleResult, Played, check_descriptors, measure_idle},
    measure::{Latencies, Machine, Quiet, calibrate},
    output::note,
    target::{Site, System, TargetName, start},
};

/// A target with where and until when it is measured.
struct Rounds<'a> {
    target: &'a TargetName,
    site: &'a Site,
    plan: RunPlan,
    stop: &'a CancellationToken,
    /// Of all rounds.
    ack: Latencies,
    delivery: Latencies,
}

/// Measures a target. What was found until Ctrl-C is a result too.
pub(crate) async fn measure(
    target: &TargetName,
    site: &Site,
    plan: RunPlan,
    stop: &CancellationToken,
) -> anyhow::Result<RunResult> {
    site.check(target)?;
    // Said now, not after the rounds.
    check_descriptors(plan.idle_connections, std::process::id())?;
    let folder = site.own_folder()?;
    let (ack, delivery) = (Latencies::default(), Latencies::default());
    let mut rounds = Rounds { target, site, plan, stop, ack, delivery };
    let found = Box::pin(rounds.play(folder.path())).await?;
    let idle = if stop.is_cancelled() { Ok(None) } else { Box::pin(rounds.idle()).await };
    // What the rounds found is not lost to a Ctrl-C at the end.
    let idle = if stop.is_cancelled() { idle.unwrap_or_default() } else { idle? };
    let calibrations = found.iter().flat_map(|round| [round.before, round.after, round.after_closed]);
    Ok(RunResult {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        target: target.to_string(),
        quick: plan.quick,
        seed: plan.seed,
        rounds_planned: plan.rounds,
        interrupted: stop.is_cancelled(),
        machine: Machine::here(),
        quiet: Quiet::of(calibrations),
        ack_plateaus: rounds.ack.plateaus(),
        delivery_plateaus: rounds.delivery.plateaus(),
        rounds: found,
        idle,
    })
}

impl Rounds<'_> {
    /// Those that came to their end.
    async fn play(&mut self, folder: &Path) -> anyhow::Result<Vec<Round>> {
        note(format_args!("{}: starting", self.target));
        let system = start(self.target, self.site).await?;
        let mut found = Vec::new();
        let mut outcome = Ok(());
        for number in 0..self.plan.rounds {
            note(format_args!("{}: round {} of {}", self.target, number + 1, self.plan.rounds));
            match Box::pin(self.round(number, &system, folder)).await {
                Ok(Some(round)) => found.push(round),
                Ok(None) => break,
                Err(error) => {
                    outcome = Err(error);
                    break;
                }
            }
        }
        let stopped = system.stop().await;
        outcome.and(stopped).map(|()| found)
    }

    /// None if it was interrupted: half a round compares nothing.
    async fn round(&mut self, number: u64, system: &System, folder: &Path) -> anyhow::Result<Option<Round>> {
        let before = calibrate(folder).await?;
        let first_floors = self.floors(number, 0).await?;
        let first = self.subject(self.plan.subject(number, 1), system).await?;
        let second = self.subject(self.plan.subject(number, 2), system).await?;
        let second_floors = self.floors(number, 3).await?;
        let after = calibrate(folder).await?;
        if self.stop.is_cancelled() {
            return Ok(None);
        }
        let (closed, _) = self.load(self.plan.closed(number, 4), system).await?;
        let after_closed = calibrate(folder).await?;
        let round = Round {
            before,
            floors: [first_floors, second_floors],
            subjects: [first, second],
            after,
            closed,
            after_closed,
        };
        Ok((!self.stop.is_cancelled()).then_some(round))
    }

    async fn floors(&self, number: u64, part: u64) -> anyhow::Result<FloorTimes> {
        let mut times = FloorTimes::new();
        for floor in floors_of(self.target, self.site) {
            let found = measure_floor(*floor, &self.plan.floor(number, part), self.site, self.stop).await?;
            times.insert(*floor, found);
        }
        Ok(times)
    }

    async fn subject(&mut self, plan: DirectPlan, system: &System) -> anyhow::Result<LoadResult> {
        let (result, played) = self.load(plan, system).await?;
        self.ack.add(&played.ack);
        self.delivery.add(&played.delivery);
        Ok(result)
    }

    /// A figure of a system that loses messages is none.
    async fn load(&self, plan: DirectPlan, system: &System) -> anyhow::Result<(LoadResult, Played)> {
        let (result, played) = play(plan, system, self.stop).await?;
        if let Some(fault) = result.load.fault() {
            bail!("{}: {fault}", self.target);
        }
        Ok((result, played))
    }

    /// On a fresh start, so that what the rounds took is not counted. None where the process is not ours to look at.
    async fn idle(&self) -> anyhow::Result<Option<IdleResult>> {
        if matches!(self.target, TargetName::Url(_)) {
            return Ok(None);
        }
        note(format_args!("{}: idle connections", self.target));
        let system = start(self.target, self.site).await?;
        let measured = match &system.gateway {
            Some(gateway) => {
                let plan = IdlePlan { connections: self.plan.idle_connections, gateway: gateway.clone() };
                measure_idle(&plan, &system.endpoint, self.stop).await.map(Some)
            }
            None => Ok(None),
        };
        let stopped = system.stop().await;
        measured.and_then(|idle| stopped.map(|()| idle))
    }
}
