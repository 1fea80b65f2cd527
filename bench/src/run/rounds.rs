//! The rounds of a target.

use std::{ops::Range, path::Path};

use anyhow::bail;
use futures_util::future::join_all;
use tokio_util::sync::CancellationToken;

use super::{
    FloorTimes, Knee, LoadResult, Round, RunPlan, Spreads,
    journal::Journal,
    parts::measure_parts,
    play,
    road::{TWO_HOPS, on_the_road},
};
use crate::{
    bar::Bar,
    floors::{Floor, FloorPlan, FloorResult, floors_of, measure_floor},
    load::DirectPlan,
    measure::calibrate,
    target::{Site, System, TargetName, start},
};

/// The parts of a round that are floors at the same time, one for each of them.
const TOGETHER_PARTS: Range<u64> = 14..18;

/// A target with where and until when it is measured.
struct Rounds<'a> {
    target: &'a TargetName,
    site: &'a Site,
    plan: RunPlan,
    progress: Bar,
    stop: &'a CancellationToken,
    /// Where the calibration writes.
    folder: &'a Path,
}

/// Measures what is left of a target, the one of this number in the journal. What was found until Ctrl-C is there.
pub(super) async fn measure(
    target: &TargetName,
    site: &Site,
    (journal, number): (&mut Journal, usize),
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let folder = site.own_folder()?;
    let plan = journal.of(number).plan;
    if (journal.of(number).rounds.len() as u64) < plan.rounds {
        let rounds = Rounds::new(target, site, (plan, journal.of(number).rounds.len() as u64), (folder.path(), stop));
        Box::pin(rounds.play(journal, number)).await?;
    }
    if !stop.is_cancelled() {
        Box::pin(measure_parts(target, site, (&mut *journal, number), (folder.path(), stop))).await?;
    }
    if stop.is_cancelled() { Ok(()) } else { journal.finish(number) }
}

/// How many floors a target has at the fixed pace, and at the tenth.
pub(super) fn floor_counts(target: &TargetName, site: &Site, plan: RunPlan) -> (usize, usize) {
    let count = |wanted: fn(Floor) -> bool| floors_of(target, site).iter().filter(|floor| wanted(**floor)).count();
    (count(plan.wants_floor()), count(on_the_road))
}

impl<'a> Rounds<'a> {
    fn new(
        target: &'a TargetName,
        site: &'a Site,
        (plan, done): (RunPlan, u64),
        (folder, stop): (&'a Path, &'a CancellationToken),
    ) -> Self {
        let (floors, of_tenth) = floor_counts(target, site, plan);
        let each = plan.seconds_of_round(floors, of_tenth);
        let warm_up = plan.seconds_of_warm_up(of_tenth);
        let progress = Bar::of_seconds(target.to_string(), warm_up + plan.rounds * each, done * each);
        Self { target, site, plan, progress, stop, folder }
    }

    /// Those that are left, each kept when it came to its end.
    async fn play(&self, journal: &mut Journal, target: usize) -> anyhow::Result<()> {
        self.progress.say(format_args!("{}: starting", self.target));
        let system = start(self.target, self.site).await?;
        let mut outcome = self.warm_up(&system).await;
        for number in journal.of(target).rounds.len() as u64..self.plan.rounds {
            if outcome.is_err() || self.stop.is_cancelled() {
                break;
            }
            self.progress.say(format_args!("{}: round {} of {}", self.target, number + 1, self.plan.rounds));
            outcome = match Box::pin(self.round(number, &system)).await {
                Ok(Some((round, [paced, tenth]))) => journal.add(target, round, [&paced, &tenth]),
                Ok(None) => break,
                Err(error) => Err(error),
            };
        }
        let stopped = system.stop().await;
        outcome.and(stopped)
    }

    /// What has just started connects, fills its caches, and compiles if it is Kafka; that is in no round.
    async fn warm_up(&self, system: &System) -> anyhow::Result<()> {
        if self.plan.quick {
            return Ok(());
        }
        self.progress.say(format_args!("{}: warming up", self.target));
        self.load(self.plan.closed(self.plan.rounds, 0), system).await?;
        self.floors(self.plan.floor(self.plan.rounds, 1), on_the_road).await.map(drop)
    }

    /// With its latencies at the fixed pace and at the tenth. None if it was interrupted: half a round compares nothing.
    async fn round(&self, number: u64, system: &System) -> anyhow::Result<Option<(Round, [Spreads; 2])>> {
        let before = calibrate(self.folder).await?;
        let first_floors = self.floors(self.plan.floor(number, 0), self.plan.wants_floor()).await?;
        let (first, mut paced) = self.load(self.plan.subject(number, 1), system).await?;
        let (second, latencies) = self.load(self.plan.subject(number, 2), system).await?;
        paced.add(&latencies);
        let second_floors = self.floors(self.plan.floor(number, 3), self.plan.wants_floor()).await?;
        let after = calibrate(self.folder).await?;
        if self.stop.is_cancelled() {
            return Ok(None);
        }
        let (closed, _) = self.load(self.plan.closed(number, 4), system).await?;
        let after_closed = calibrate(self.folder).await?;
        let (single, _) = self.load(self.plan.single(number, 5), system).await?;
        let after_single = calibrate(self.folder).await?;
        if self.stop.is_cancelled() {
            return Ok(None);
        }
        let (knee, tenth) = Box::pin(self.knee(number, closed.load.messages_per_second, system)).await?;
        if self.stop.is_cancelled() {
            return Ok(None);
        }
        let round = Round {
            before,
            floors: [first_floors, second_floors],
            subjects: [first, second],
            after,
            closed,
            after_closed,
            single,
            after_single,
            knee,
        };
        Ok(Some((round, [paced, tenth])))
    }

    /// Paced loads at shares of this maximum; floor, subject, subject, floor at its tenth.
    async fn knee(&self, number: u64, maximum: f64, system: &System) -> anyhow::Result<(Knee, Spreads)> {
        let first_floors = self.floors(self.plan.floor_at(maximum, number, 6), on_the_road).await?;
        let (first, mut spreads) = self.load(self.plan.tenth(maximum, number, 7), system).await?;
        let (second, latencies) = self.load(self.plan.tenth(maximum, number, 8), system).await?;
        spreads.add(&latencies);
        let second_floors = self.floors(self.plan.floor_at(maximum, number, 9), on_the_road).await?;
        let together = self.floors_together(maximum, number).await?;
        let after_tenth = calibrate(self.folder).await?;
        let mut points = Vec::new();
        for (percent, plan) in self.plan.knee(maximum, number, 10).take_while(|_| !self.stop.is_cancelled()) {
            let (load, _) = self.play_one(plan, system).await?;
            if let Some(fault) = load.load.fault_but_behind() {
                bail!("{}: {fault}", self.target);
            }
            if load.load.fell_behind() {
                self.progress.say(format_args!("  {percent} % of the maximum is over the knee: it fell behind"));
            }
            points.push((percent, load));
        }
        let after = calibrate(self.folder).await?;
        let (floors, tenth) = ([first_floors, second_floors], [first, second]);
        Ok((Knee { maximum, floors, together, tenth, after_tenth, points, after }, spreads))
    }

    /// Those beneath a delivery, all at the same time; none if it is interrupted. Whose CPU is whose is not known then.
    async fn floors_together(&self, maximum: f64, number: u64) -> anyhow::Result<FloorTimes> {
        if !self.plan.compares_together() || self.stop.is_cancelled() {
            return Ok(FloorTimes::new());
        }
        self.progress.doing("the floors together");
        let stop = self.stop.child_token();
        let floors = floors_of(self.target, self.site).iter().copied().filter(|floor| TWO_HOPS.contains(floor));
        let plans = self.plan.together(maximum, number, TOGETHER_PARTS);
        let measured = floors.zip(plans).map(async |(floor, plan)| {
            let found = measure_floor(floor, &plan, self.site, &stop).await;
            if found.is_err() {
                // The others end too, and clear away what they made.
                stop.cancel();
            }
            anyhow::Ok((floor, FloorResult { cpu_us: None, ..found? }))
        });
        let times = join_all(measured).await.into_iter().collect::<anyhow::Result<FloorTimes>>()?;
        self.progress.advance(self.plan.seconds_of_floor());
        Ok(times)
    }

    /// Those of the target's floors that are wanted; fewer if it is interrupted.
    async fn floors(&self, plan: FloorPlan, wanted: fn(Floor) -> bool) -> anyhow::Result<FloorTimes> {
        let mut times = FloorTimes::new();
        let floors = floors_of(self.target, self.site).iter().filter(|floor| wanted(**floor));
        for floor in floors.take_while(|_| !self.stop.is_cancelled()) {
            self.progress.doing(format!("{floor}, {}", plan.pace));
            times.insert(*floor, measure_floor(*floor, &plan, self.site, self.stop).await?);
            self.progress.advance(self.plan.seconds_of_floor());
        }
        Ok(times)
    }

    /// A figure of a system that loses messages is none.
    async fn load(&self, plan: DirectPlan, system: &System) -> anyhow::Result<(LoadResult, Spreads)> {
        let (result, spreads) = self.play_one(plan, system).await?;
        if let Some(fault) = result.load.fault() {
            bail!("{}: {fault}", self.target);
        }
        Ok((result, spreads))
    }

    async fn play_one(&self, plan: DirectPlan, system: &System) -> anyhow::Result<(LoadResult, Spreads)> {
        let (result, played) = Box::pin(play(plan, system, &self.progress, self.stop)).await?;
        Ok((result, Spreads::of(&played)))
    }
}
