//! Measures what is measured once, and keeps it part by part.

use std::path::Path;

use anyhow::{Context as _, bail};
use tokio_util::sync::CancellationToken;

use super::{Beside, Part, Workloads, plan::CLOSED};
use crate::{
    floors::{Floor, FloorPlan, measure_floor},
    load::{CONVERSATIONS, GroupPlan, GroupResult, IdlePlan, ReconnectResult, Workload, measure_idle, measure_logins},
    measure::calibrate,
    output::note,
    run::{FloorTimes, RunPlan, journal::Journal, road::COMPOSED},
    target::{Site, System, TargetName, start},
};

/// A system that was started for some parts, with where and until when they are measured.
struct Sitting<'a> {
    target: &'a TargetName,
    site: &'a Site,
    plan: RunPlan,
    system: &'a System,
    /// Where the calibration writes.
    folder: &'a Path,
    stop: &'a CancellationToken,
}

/// Measures what is left of it for a target, the one of this number in the journal. Each part is kept when it came to its end.
pub(in crate::run) async fn measure_once(
    target: &TargetName,
    site: &Site,
    (journal, number): (&mut Journal, usize),
    (folder, stop): (&Path, &CancellationToken),
) -> anyhow::Result<()> {
    let plan = journal.of(number).plan;
    for parts in Part::sittings(target) {
        let found = &journal.of(number).workloads;
        let left: Vec<Part> = parts.iter().copied().filter(|part| !part.is_in(found)).collect();
        if left.is_empty() || stop.is_cancelled() {
            continue;
        }
        note(format_args!("{target}: starting"));
        let system = start(target, site).await?;
        let sitting = Sitting { target, site, plan, system: &system, folder, stop };
        let mut outcome = Ok(());
        for part in left {
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
                found.login = Some(self.beside(None, logins).await?);
            }
            Part::Idle => {
                let gateway = system.gateway.clone().context("the gateway was not started here")?;
                let (connections, conversations) = (plan.idle_connections, CONVERSATIONS);
                let idle = IdlePlan { connections, conversations, gateway, closed: CLOSED };
                let floor = (Floor::IdleConnection, plan.socket_floor(plan.idle_connections));
                let load = Box::pin(measure_idle(&idle, &system.endpoint, stop));
                found.idle = Some(self.beside(Some(floor), load).await?);
            }
            Part::LoadedFloors => found.loaded = Some(self.beside(None, Box::pin(self.loaded_floors())).await?),
            Part::Group => found.group = Some(self.group(None, plan.group()).await?),
            Part::LargeGroup => {
                found.large_group = Some(self.group(Some(Floor::WriteLoop), plan.large_group()).await?);
            }
            Part::Burst => found.burst = Some(self.group(Some(Floor::CoalescedWriteLoop), plan.burst()).await?),
            Part::Reconnect => {
                let reconnect = plan.reconnect();
                let floor = (Floor::Handshake, plan.socket_floor(reconnect.connections));
                let load = Box::pin(self.load(reconnect, ReconnectResult::fault));
                found.reconnect = Some(self.beside(Some(floor), load).await?);
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
        let before = calibrate(self.folder).await?;
        let floor = match floor {
            Some((floor, plan)) => Some(measure_floor(floor, &plan, self.site, self.stop).await?),
            None => None,
        };
        let found = load.await?;
        let after = calibrate(self.folder).await?;
        Ok(Beside { before, floor, found, after })
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
