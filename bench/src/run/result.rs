//! What a run found, as it is kept.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Beside, LoadResult, RunPlan, Spreads, Workloads, plan::LOADED_PERCENT};
use crate::{
    floors::{Floor, FloorResult},
    load::IdleResult,
    measure::{Calibration, Machine, Quiet},
    target::TargetName,
};

/// What each floor took.
pub(crate) type FloorTimes = BTreeMap<Floor, FloorResult>;

/// Everything that the document says of a target.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct RunResult {
    pub(crate) version: String,
    /// Tells two builds of a version apart.
    pub(crate) build: String,
    /// `standalone`, `processes` or an address.
    pub(crate) target: String,
    pub(crate) plan: RunPlan,
    pub(crate) machine: Machine,
    /// All is there; else the run was cut and can go on.
    pub(crate) finished: bool,
    pub(crate) rounds: Vec<Round>,
    /// Of all rounds at the fixed pace.
    pub(crate) paced: Spreads,
    /// Of all rounds at a tenth of the maximum.
    pub(crate) tenth: Spreads,
    /// What was measured after the rounds.
    pub(crate) workloads: Workloads,
}

/// Floor, subject, subject, floor, between two calibrations; closed loops, and the knee with floors of its own, each followed
/// by a calibration.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Round {
    pub(crate) before: Calibration,
    pub(crate) floors: [FloorTimes; 2],
    pub(crate) subjects: [LoadResult; 2],
    pub(crate) after: Calibration,
    /// Several in flight.
    pub(crate) closed: LoadResult,
    pub(crate) after_closed: Calibration,
    /// One in flight.
    pub(crate) single: LoadResult,
    pub(crate) after_single: Calibration,
    pub(crate) knee: Knee,
}

/// Paced loads at shares of the maximum, which is what the closed loop of the same round reached.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Knee {
    /// Messages a second.
    pub(crate) maximum: f64,
    /// At the pace of the tenth, around it.
    pub(crate) floors: [FloorTimes; 2],
    /// Those beneath a delivery at the same pace, all at the same time; none in results of before they were measured so.
    #[serde(default)]
    pub(crate) together: FloorTimes,
    pub(crate) tenth: [LoadResult; 2],
    pub(crate) after_tenth: Calibration,
    /// Percent of the maximum and the load, ascending, above the tenth. One that fell behind lies over the knee.
    pub(crate) points: Vec<(u32, LoadResult)>,
    pub(crate) after: Calibration,
}

impl Round {
    /// Whether the machine stayed the same through the part at the fixed pace.
    pub(crate) fn compares(&self) -> bool {
        !self.before.moved(&self.after)
    }

    /// The same of the part at the tenth.
    pub(crate) fn tenth_compares(&self) -> bool {
        !self.after_single.moved(&self.knee.after_tenth)
    }

    /// The same from the closed loop, which says what the maximum is, to the last point of the knee.
    pub(crate) fn knee_compares(&self) -> bool {
        self.around_knee().iter().all(|calibration| !self.after.moved(calibration))
    }

    fn around_knee(&self) -> [Calibration; 5] {
        [self.after, self.after_closed, self.after_single, self.knee.after_tenth, self.knee.after]
    }
}

impl Knee {
    /// The load at [`LOADED_PERCENT`] of the maximum.
    pub(crate) fn loaded(&self) -> Option<&LoadResult> {
        self.at(LOADED_PERCENT)
    }

    /// The load at a share of the maximum above the tenth.
    pub(crate) fn at(&self, percent: u32) -> Option<&LoadResult> {
        self.points.iter().find(|(at, _)| *at == percent).map(|(_, load)| load)
    }
}

impl RunResult {
    /// One that nothing was measured for.
    pub(super) fn empty(target: &TargetName, plan: RunPlan, build: &str) -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            build: build.to_owned(),
            target: target.to_string(),
            plan,
            machine: Machine::here(),
            finished: false,
            rounds: Vec::new(),
            paced: Spreads::default(),
            tenth: Spreads::default(),
            workloads: Workloads::default(),
        }
    }

    /// See [`TargetName::short`].
    pub(crate) fn short_name(&self) -> &str {
        self.target.parse::<TargetName>().map_or(self.target.as_str(), |target| target.short())
    }

    /// Its idle connections, of the times that one in the middle.
    pub(crate) fn idle(&self) -> Option<&IdleResult> {
        let mut times: Vec<&IdleResult> = self.workloads.idle.iter().map(|idle| &idle.found).collect();
        times.sort_by(|one, other| one.bytes_per_connection.total_cmp(&other.bytes_per_connection));
        times.get(times.len() / 2).copied()
    }

    /// What counts as quiet, of all calibrations of the rounds; none if there was no round.
    pub(crate) fn quiet(&self) -> Option<Quiet> {
        Quiet::of(self.rounds.iter().flat_map(|round| [round.before].into_iter().chain(round.around_knee())))
    }

    /// Whether absolute figures of a round's part at the fixed pace count.
    pub(crate) fn is_quiet(&self, round: &Round) -> bool {
        round.compares() && self.holds(&[round.before, round.after])
    }

    /// The same of its closed loop with several in flight.
    pub(crate) fn is_quiet_closed(&self, round: &Round) -> bool {
        self.holds(&[round.after, round.after_closed])
    }

    /// The same of its closed loop with one in flight.
    pub(crate) fn is_quiet_single(&self, round: &Round) -> bool {
        self.holds(&[round.after_closed, round.after_single])
    }

    /// The same of its tenth.
    pub(crate) fn is_quiet_tenth(&self, round: &Round) -> bool {
        round.tenth_compares() && self.holds(&[round.after_single, round.knee.after_tenth])
    }

    /// The same of its whole knee.
    pub(crate) fn is_quiet_knee(&self, round: &Round) -> bool {
        round.knee_compares() && self.holds(&round.around_knee())
    }

    /// The same of what was measured after the rounds.
    pub(crate) fn is_quiet_beside<T>(&self, beside: &Beside<T>) -> bool {
        beside.compares() && self.holds(&[beside.before, beside.after])
    }

    fn holds(&self, calibrations: &[Calibration]) -> bool {
        self.quiet().is_some_and(|quiet| calibrations.iter().all(|calibration| quiet.holds(calibration)))
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::sample::{CALM, result, result_on_kafka, round},
        *,
    };

    const LOADED: Calibration = Calibration { spin_us: CALM.spin_us * 2.0, ..CALM };

    #[test]
    fn a_calibration_that_moved_takes_with_it_what_lies_beside_it_and_nothing_else() {
        let mut moved = round(3_000);
        moved.knee.after = LOADED;
        let result = result(vec![moved, round(3_000)]);
        let moved = &result.rounds[0];
        assert!(moved.compares() && moved.tenth_compares() && !moved.knee_compares());
        assert!(result.is_quiet(moved) && result.is_quiet_closed(moved) && result.is_quiet_single(moved));
        assert!(result.is_quiet_tenth(moved) && !result.is_quiet_knee(moved));
        assert!(result.is_quiet_knee(&result.rounds[1]));
    }

    #[test]
    fn what_was_measured_after_the_rounds_counts_on_a_quiet_machine() {
        let mut result = result_on_kafka(vec![round(3_000)]);
        let quiet = |result: &RunResult| result.workloads.group.first().map(|group| result.is_quiet_beside(group));
        assert_eq!(quiet(&result), Some(true));
        if let Some(group) = result.workloads.group.first_mut() {
            (group.before, group.after) = (LOADED, LOADED);
            assert!(group.compares(), "the machine stayed the same, and was not quiet");
        }
        assert_eq!(quiet(&result), Some(false));
    }

    #[test]
    fn a_maximum_of_another_machine_than_its_shares_is_none() {
        let mut moved = round(3_000);
        for calibration in [&mut moved.after_single, &mut moved.knee.after_tenth, &mut moved.knee.after] {
            *calibration = LOADED;
        }
        assert!(moved.tenth_compares(), "the tenth and its floors had the same machine");
        assert!(!moved.knee_compares());
    }
}
