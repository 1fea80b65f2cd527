//! Measures the parts, and keeps each.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::{Beside, Part, Workloads, plan::CLOSED};
use crate::{
    floors::{Floor, FloorPlan, measure_floor},
    load::{CONVERSATIONS, GroupPlan, GroupResult, IdlePlan, ReconnectResult, Workload, measure_idle, measure_logins},
    measure::{Calibration, Quiet, calibrate},
    output::note,
    run::{FloorTimes, RunPlan, journal::Journal, road::COMPOSED},
    target::{Site, System, TargetName, start},
};

/// How long it is waited for that the machine is as quiet as it was: what was written before goes to the disk for a while.
const QUIET_WAIT_MAX: Duration = Duration::from_secs(60);
const QUIET_POLL: Duration = Duration::from_secs(2);

/// A system that was started for some parts, with where and until when they are measured.
struct Sitting<'a> {
    target: &'a TargetName,
    site: &'a Site,
    plan: RunPlan,
    system: &'a System,
    /// What the rounds say that it is.
    quiet: Option<Quiet>,
    /// Where the calibration writes.
    folder: &'a Path,
    stop: &'a CancellationToken,
}

/// Measures what is left of it for a target, the one of this number in the journal. Each part is kept when it came to its end.
pub(in crate::run) async fn measure_parts(
    target: &TargetName,
    site: &Site,
    (journal, number): (&mut Journal, usize),
    (folder, stop): (&Path, &CancellationToken),
) -> anyhow::Result<()> {
    let plan = journal.of(number).plan;
    let quiet = journal.of(number).quiet();
    for parts in Part::left(target, &plan, &journal.of(number).workloads) {
        if stop.is_cancelled() {
            break;
        }
        note(format_args!("{target}: starting"));
        let system = start(target, site).await?;
        let sitting = Sitting { target, site, plan, system: &system, quiet, folder, stop };
        let mut outcome = Ok(());
        for part in parts {
            note(format_args!("{target}: {part}"));
            let mut found = journal.of(number).workloads.clone();
            let measured = Box::pin(sitting.measure(part, &mut found)).await;
            // Interrupted it is no measurement, and what was found before is not lost with it.
            if stop.is_cancelled() {
                break;
            }
            outcome = measured.and_then(|()| journal.keep(number, found));
            if outcome.is_err() {
                break;
            }
        }
        let stopped = system.stop().await;
        outcome.and(stopped)?;
    }
    Ok(())
}

impl Sitting<'_> {
    async fn measure(&self, part: Part, found: &mut Workloads) -> anyhow::Result<()> {
        let Self { plan, system, stop, .. } = self;
        match part {
            Part::Login => {
                let logins = Box::pin(measure_logins(plan.logins(), system, stop));
                found.login.push(self.beside(None, logins).await?);
            }
            Part::Idle => {
                let gateway = system.gateway.clone().context("the gateway was not started here")?;
                let (connections, conversations) = (plan.idle_connections, CONVERSATIONS);
                let idle = IdlePlan { connections, conversations, gateway, closed: CLOSED };
                let floor = (Floor::IdleConnection, plan.socket_floor(plan.idle_connections));
                let load = Box::pin(measure_idle(&idle, &system.endpoint, stop));
                found.idle.push(self.beside(Some(floor), load).await?);
            }
            Part::LoadedFloors => found.loaded.push(self.beside(None, Box::pin(self.loaded_floors())).await?),
            Part::Group => found.group.push(self.group(None, plan.group()).await?),
            Part::LargeGroup => {
                found.large_group.push(self.group(Some(Floor::WriteLoop), plan.large_group()).await?);
            }
            Part::Burst => found.burst.push(self.group(Some(Floor::CoalescedWriteLoop), plan.burst()).await?),
            Part::Reconnect => {
                let reconnect = plan.reconnect();
                let floor = (Floor::Handshake, plan.socket_floor(reconnect.connections));
                let load = Box::pin(self.load(reconnect, ReconnectResult::fault));
                found.reconnect.push(self.beside(Some(floor), load).await?);
            }
        }
        Ok(())
    }

    async fn group(&self, floor: Option<Floor>, group: GroupPlan) -> anyhow::Result<Beside<GroupResult>> {
        let floor = floor.map(|floor| (floor, self.plan.group_floor(&group)));
        self.beside(floor, Box::pin(self.load(group, |found: &GroupResult| found.sum.fault()))).await
    }

    /// The floor, then the load, between calibrations.
    async fn beside<T>(
        &self,
        floor: Option<(Floor, FloorPlan)>,
        load: impl Future<Output = anyhow::Result<T>>,
    ) -> anyhow::Result<Beside<T>> {
        let before = self.calm().await?;
        let floor = match floor {
            Some((floor, plan)) => Some(measure_floor(floor, &plan, self.site, self.stop).await?),
            None => None,
        };
        let found = load.await?;
        let after = calibrate(self.folder).await?;
        Ok(Beside { before, floor, found, after })
    }

    /// The calibration that finds the machine quiet, or the last one within the time there is for that.
    async fn calm(&self) -> anyhow::Result<Calibration> {
        // A quick run has no time for that.
        let deadline = Instant::now() + if self.plan.quick { Duration::ZERO } else { QUIET_WAIT_MAX };
        loop {
            let found = calibrate(self.folder).await?;
            let is_busy = self.quiet.is_some_and(|quiet| quiet.is_busier(&found));
            if !is_busy || self.stop.is_cancelled() || Instant::now() >= deadline {
                return Ok(found);
            }
            sleep(QUIET_POLL).await;
        }
    }

    async fn loaded_floors(&self) -> anyhow::Result<FloorTimes> {
        let mut times = FloorTimes::new();
        for floor in COMPOSED {
            let plan = self.plan.loaded_floor(floor);
            note(format_args!("  {floor}, {}", plan.pace));
            times.insert(floor, measure_floor(floor, &plan, self.site, self.stop).await?);
        }
        Ok(times)
    }

    /// A figure of a system that loses messages is none.
    async fn load<W: Workload>(
        &self,
        plan: W,
        fault: impl Fn(&W::Found) -> Option<String>,
    ) -> anyhow::Result<W::Found> {
        plan.check()?;
        if let Some(gateway) = &self.system.gateway {
            plan.connections().check(gateway.pid)?;
        }
        let found = Box::pin(plan.measure(self.system, self.stop)).await?;
        match fault(&found) {
            Some(fault) => bail!("{}: {fault}", self.target),
            None => Ok(found),
        }
    }
}
