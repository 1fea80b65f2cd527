//! How long and how often.

use std::{
    ops::Range,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};

use super::road::on_the_road;
use crate::{
    floors::{Floor, FloorPlan, Pace},
    load::{DirectPlan, Drive},
    measure::Length,
};

/// Messages a second at which latencies are compared with the floors, which have the same pace.
const RATE: f64 = 100.0;
const PAIRS: u32 = 20;
/// As the peers were measured.
const CLOSED_PAIRS: u32 = 100;
const CLOSED_IN_FLIGHT: u32 = 8;
pub(super) const PAYLOAD_BYTES: u32 = 200;
/// Of the pairs, each has two.
pub(super) const CONNECTIONS_OF_ROUNDS: u32 = CLOSED_PAIRS * 2;
const IDLE_CONNECTIONS: u32 = 15_000;
const QUICK_IDLE_CONNECTIONS: u32 = 8_000;
/// Percent of the maximum rate at which latencies are compared with the floors too.
pub(crate) const TENTH_PERCENT: u32 = 10;
/// Operations of a floor at the same time, where it is measured together with others: as many as it has connections to a database.
const TOGETHER_LANES: u32 = 16;
/// Percent of the maximum rate at which the knee is looked for, above the tenth.
const KNEE_PERCENTS: [u32; 4] = [30, 50, 70, 90];
const QUICK_KNEE_PERCENTS: [u32; 2] = [70, 90];
/// The percentage whose p99 is compared with that at the tenth.
pub(crate) const LOADED_PERCENT: u32 = 70;
/// Seconds that something takes beside its length, about: a load connects and is judged, a floor makes what it needs.
const BESIDE_A_LOAD: f64 = 1.5;
const BESIDE_A_FLOOR: f64 = 0.5;
/// Until all of those are ready that are measured at the same time.
const TOGETHER_SETUP: Duration = Duration::from_secs(5);
/// Seconds of a calibration.
pub(super) const CALIBRATION: f64 = 1.3;
const CALIBRATIONS_OF_ROUND: f64 = 6.0;

/// A run. Two runs of the same plan send the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RunPlan {
    pub(crate) quick: bool,
    pub(crate) rounds: u64,
    pub(crate) idle_connections: u32,
    pub(crate) seed: u64,
    floor: Length,
    subject: Length,
    closed: Length,
    tenth: Length,
    knee: Length,
}

impl RunPlan {
    /// Three rounds of short runs, about five minutes for each target and five more for what is measured after them; or seven of longer
    /// ones, about an hour for each target.
    pub(crate) fn new(quick: bool, seed: u64) -> Self {
        let length = |seconds, warm_up_seconds| Length { seconds, warm_up_seconds };
        let (rounds, [floor, subject, closed, tenth, knee]) = if quick {
            (3, [length(1, 1), length(3, 1), length(3, 1), length(3, 1), length(2, 1)])
        } else {
            (7, [length(5, 1), length(20, 3), length(12, 3), length(15, 3), length(8, 2)])
        };
        let idle_connections = if quick { QUICK_IDLE_CONNECTIONS } else { IDLE_CONNECTIONS };
        Self { quick, rounds, idle_connections, seed, floor, subject, closed, tenth, knee }
    }

    /// `quick` or `full`.
    pub(crate) fn kind(&self) -> &'static str {
        if self.quick { "quick" } else { "full" }
    }

    /// Seconds of load in a round, with so many floors at the fixed pace and so many at the tenth.
    pub(super) fn seconds_of_round(&self, floors: usize, floors_of_tenth: usize) -> u64 {
        let [floor, subject, closed, tenth, knee] =
            [self.floor, self.subject, self.closed, self.tenth, self.knee].map(Length::whole_seconds);
        let floors = (floors + floors_of_tenth) as u64;
        let together = if self.compares_together() { floor } else { 0 };
        2 * (floors * floor + subject + closed + tenth) + together + self.knee_percents().len() as u64 * knee
    }

    /// About how many seconds a round takes, with what lies between its loads.
    pub(super) fn estimated_seconds_of_round(&self, floors: usize, floors_of_tenth: usize) -> f64 {
        let loads = 6 + self.knee_percents().len();
        let beside = loads as f64 * BESIDE_A_LOAD
            + if self.compares_together() { TOGETHER_SETUP.as_secs_f64() } else { 0.0 }
            + 2.0 * (floors + floors_of_tenth) as f64 * BESIDE_A_FLOOR
            + CALIBRATIONS_OF_ROUND * CALIBRATION;
        self.seconds_of_round(floors, floors_of_tenth) as f64 + beside
    }

    /// Whether there is a warm-up before the first round, and floors that are measured all at the same time. A quick run has no time for
    /// either.
    pub(super) const fn compares_together(&self) -> bool {
        !self.quick
    }

    /// Seconds of load before the first round, with so many floors on the road.
    pub(super) const fn seconds_of_warm_up(&self, floors_of_tenth: usize) -> u64 {
        if self.quick { 0 } else { self.closed.whole_seconds() + floors_of_tenth as u64 * self.floor.whole_seconds() }
    }

    /// Whether a floor is measured at the fixed pace. A quick run has no time for what no sum needs.
    pub(super) fn wants_floor(&self) -> fn(Floor) -> bool {
        if self.quick { on_the_road } else { |_| true }
    }

    fn knee_percents(&self) -> &'static [u32] {
        if self.quick { &QUICK_KNEE_PERCENTS } else { &KNEE_PERCENTS }
    }

    pub(super) fn seconds_of_floor(&self) -> u64 {
        self.floor.whole_seconds()
    }

    /// Each part of a round has times of its own, and the same ones when repeated.
    fn seed(&self, round: u64, part: u64) -> u64 {
        self.seed.wrapping_mul(1_000).wrapping_add(round * 20 + part)
    }

    /// At the fixed pace.
    pub(super) fn floor(&self, round: u64, part: u64) -> FloorPlan {
        FloorPlan::at_rate(RATE, self.floor, PAYLOAD_BYTES, self.seed(round, part))
    }

    /// At the pace of the tenth.
    pub(super) fn floor_at(&self, maximum: f64, round: u64, part: u64) -> FloorPlan {
        FloorPlan { pace: Pace::Rate(share(maximum, TENTH_PERCENT)), ..self.floor(round, part) }
    }

    /// At the pace of the tenth and all at the same time, so that each needs several lanes; so many plans for one part each.
    pub(super) fn together(&self, maximum: f64, round: u64, parts: Range<u64>) -> impl Iterator<Item = FloorPlan> {
        let pace = Pace::Dealt { rate: share(maximum, TENTH_PERCENT), lanes: TOGETHER_LANES };
        let begin = Some(Instant::now() + TOGETHER_SETUP);
        parts.map(move |part| FloorPlan { pace, begin, ..self.floor(round, part) })
    }

    /// Of what was asked of a floor that was measured together with others, the part that it did.
    pub(crate) fn part_together(&self, maximum: f64, done: u64) -> f64 {
        done as f64 / (share(maximum, TENTH_PERCENT) * self.floor.seconds as f64)
    }

    pub(super) fn subject(&self, round: u64, part: u64) -> DirectPlan {
        let (length, seed) = (self.subject, self.seed(round, part));
        DirectPlan { pairs: PAIRS, drive: Drive::Rate(RATE), length, payload_bytes: PAYLOAD_BYTES, seed }
    }

    /// As many unanswered as the peers had, which gives the maximum rate.
    pub(super) fn closed(&self, round: u64, part: u64) -> DirectPlan {
        self.crowd(Drive::InFlight(CLOSED_IN_FLIGHT), self.closed, self.seed(round, part))
    }

    /// One unanswered.
    pub(super) fn single(&self, round: u64, part: u64) -> DirectPlan {
        self.crowd(Drive::InFlight(1), self.closed, self.seed(round, part))
    }

    pub(super) fn tenth(&self, maximum: f64, round: u64, part: u64) -> DirectPlan {
        self.crowd(Drive::Rate(share(maximum, TENTH_PERCENT)), self.tenth, self.seed(round, part))
    }

    /// The percentages above the tenth, ascending, each with its load; the parts of the round go on from this one.
    pub(super) fn knee(&self, maximum: f64, round: u64, part: u64) -> impl Iterator<Item = (u32, DirectPlan)> {
        self.knee_percents().iter().copied().zip(part..).map(move |(percent, part)| {
            (percent, self.crowd(Drive::Rate(share(maximum, percent)), self.knee, self.seed(round, part)))
        })
    }

    fn crowd(&self, drive: Drive, length: Length, seed: u64) -> DirectPlan {
        DirectPlan { pairs: CLOSED_PAIRS, drive, length, payload_bytes: PAYLOAD_BYTES, seed }
    }
}

/// Messages a second, at least one.
fn share(maximum: f64, percent: u32) -> f64 {
    (maximum * f64::from(percent) / 100.0).round().max(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_parts_of_a_run_share_their_times() {
        let plan = RunPlan::new(false, 1);
        // The warm-up counts as one more round.
        let mut seeds: Vec<u64> =
            (0..=plan.rounds).flat_map(|round| (0..18).map(move |part| plan.seed(round, part))).collect();
        seeds.sort_unstable();
        seeds.dedup();
        assert_eq!(seeds.len(), 8 * 18);
    }

    #[test]
    fn floors_at_the_same_time_begin_together_and_are_due_at_times_of_their_own() {
        let plan = RunPlan::new(false, 1);
        let plans: Vec<FloorPlan> = plan.together(5_000.0, 0, 14..18).collect();
        assert!(plans.iter().all(|one| one.begin.is_some() && one.begin == plans[0].begin));
        let seeds: std::collections::BTreeSet<u64> = plans.iter().map(|one| one.seed).collect();
        assert_eq!((plans.len(), seeds.len()), (4, 4));
        assert_eq!(plan.part_together(5_000.0, 1_250), 0.5, "500 a second for five seconds");
    }

    #[test]
    fn the_knee_is_looked_for_at_shares_of_the_maximum() {
        let plan = RunPlan::new(false, 1);
        let rates: Vec<(u32, String)> =
            plan.knee(5_004.0, 0, 10).map(|(percent, load)| (percent, format!("{:?}", load.drive))).collect();
        let quick: Vec<u32> = RunPlan::new(true, 1).knee(5_004.0, 0, 10).map(|(percent, _)| percent).collect();
        assert!(quick.contains(&LOADED_PERCENT), "a quick run tells that figure too: {quick:?}");
        let expected = [(30, "Rate(1501.0)"), (50, "Rate(2502.0)"), (70, "Rate(3503.0)"), (90, "Rate(4504.0)")];
        assert_eq!(rates, expected.map(|(percent, rate)| (percent, rate.to_owned())));
        assert!(rates.iter().any(|(percent, _)| *percent == LOADED_PERCENT));
        assert_eq!(plan.floor_at(5_004.0, 0, 6).pace, Pace::Rate(500.0));
        assert_eq!(plan.floor_at(0.0, 0, 6).pace, Pace::Rate(1.0), "a floor has a pace");
    }
}
