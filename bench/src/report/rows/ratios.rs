//! Latencies against the sums of their floors, round by round.

use super::{
    figures::{mean, once, over},
    row::{Asked, Row, Unit},
};
use crate::{
    floors::Floor,
    load::DirectResult,
    measure::Plateau,
    run::{FloorTimes, Knee, LoadResult, ONE_HOP, Round, RunResult, Spreads, TWO_HOPS, sum_us},
};

/// Percent of the latencies in any 10 ms around a step.
const PLATEAU_MAX: f64 = 0.5;

/// Loads of a round with the floors around them, and which rounds compare.
pub(super) struct Against {
    /// What stands in the rows' names.
    at: &'static str,
    loads: fn(&Round) -> &[LoadResult; 2],
    floors: fn(&Round) -> &[FloorTimes; 2],
    compares: fn(&Round) -> bool,
}

/// At the fixed pace.
pub(super) const FIXED: Against = Against {
    at: "at 100 msg/s",
    loads: |round| &round.subjects,
    floors: |round| &round.floors,
    compares: Round::compares,
};

/// At a tenth of the maximum.
pub(super) const TENTH: Against = Against {
    at: "at 10 %",
    loads: |round| &round.knee.tenth,
    floors: |round| &round.knee.floors,
    compares: Round::tenth_compares,
};

/// What floors that are measured at the same time must do of their pace at least: beyond that they tell how long their lanes are.
const KEPT_UP: f64 = 0.95;

/// Delivery at the tenth against the floors with two hops, measured all at the same time: what the machine can do at that pace,
/// where the sum of those that were measured one after the other says what it could with nothing else to do. And what they do of
/// that pace. Nothing where they were not measured so.
pub(super) fn together(result: &RunResult) -> Vec<Row> {
    if result.rounds.iter().all(|round| round.knee.together.is_empty()) {
        return Vec::new();
    }
    let part = |round: &Round| {
        let Knee { maximum, together, .. } = &round.knee;
        let parts = together.values().map(|found| result.plan.part_together(*maximum, found.times.count));
        // Not a number where there is none.
        parts.fold(f64::NAN, f64::min)
    };
    let ratio = |round: &Round| {
        let loads = round.knee.tenth.each_ref().map(|load| load.load.delivery.p50_us as f64);
        if part(round) < KEPT_UP { f64::NAN } else { mean(loads) / sum_us(&round.knee.together, &TWO_HOPS) }
    };
    vec![
        Row::told(
            "delivery p50 at 10 % / the same floors, all at the same time".to_owned(),
            Unit::Ratio,
            over(result, Round::tenth_compares, ratio),
        ),
        Row::told(
            "what the slowest of these does of that pace".to_owned(),
            Unit::Percent,
            over(result, Round::tenth_compares, |round| part(round) * 100.0),
        ),
    ]
}

impl Against {
    /// Ack against the floors with one hop.
    pub(super) fn ack(&self, result: &RunResult) -> Row {
        self.ratio(result, ("ack", |load| load.ack.p50_us), ("one hop", &ONE_HOP))
    }

    /// Delivery against the floors with two hops.
    pub(super) fn delivery(&self, result: &RunResult) -> Row {
        self.ratio(result, ("delivery", |load| load.delivery.p50_us), ("two hops", &TWO_HOPS))
    }

    /// The other readings: what is compared with the other sum.
    pub(super) fn other_readings(&self, result: &RunResult) -> [Row; 2] {
        [
            self.ratio(result, ("ack", |load| load.ack.p50_us), ("two hops", &TWO_HOPS)),
            self.ratio(result, ("delivery", |load| load.delivery.p50_us), ("one hop", &ONE_HOP)),
        ]
    }

    fn ratio(
        &self,
        result: &RunResult,
        (kind, p50_us): (&str, fn(&DirectResult) -> u64),
        (hops, of): (&str, &[Floor]),
    ) -> Row {
        let figure = |round: &Round| {
            let loads = (self.loads)(round).each_ref().map(|load| p50_us(&load.load) as f64);
            mean(loads) / mean((self.floors)(round).each_ref().map(|times| sum_us(times, of)))
        };
        let name = format!("{kind} p50 {} / floors with {hops}", self.at);
        Row::told(name, Unit::Ratio, over(result, self.compares, figure))
    }

    /// Where waits of a timer would show, of the latencies of all rounds.
    pub(super) fn plateaus(&self, result: &RunResult, spreads: &Spreads) -> Vec<Row> {
        let row = |kind: &str, plateau: &Plateau| {
            let rounds = result.rounds.len();
            let value = (rounds > 0).then(|| once(plateau.share * 100.0, rounds));
            let name = format!("{kind} {}: latencies in any 10 ms around {} ms", self.at, plateau.at_ms);
            Row::told(name, Unit::Percent, value).asked(Asked::at_most(PLATEAU_MAX))
        };
        let of = [("ack", spreads.ack.plateaus()), ("delivery", spreads.delivery.plateaus())];
        of.into_iter()
            .flat_map(|(kind, plateaus)| plateaus.into_iter().map(move |plateau| row(kind, &plateau)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{super::Verdict, *};
    use crate::run::sample::{result, round};

    #[test]
    fn a_ratio_is_the_median_of_the_rounds_that_compare() {
        let mut moved = round(90_000);
        moved.after.fdatasync_us *= 2.0;
        let result = result(vec![round(3_000), round(6_000), round(4_500), moved]);
        // Three floors of 1 ms each.
        assert_eq!(FIXED.ack(&result).value.map(|value| (value.median, value.rounds)), Some((1.5, 3)));
        assert_eq!(FIXED.delivery(&result).value.map(|value| value.median), Some(3.0));
        assert_eq!(TENTH.ack(&result).value.map(|value| value.rounds), Some(4), "its own calibrations did not move");
    }

    #[test]
    fn floors_at_the_same_time_are_compared_with_where_all_of_them_keep_the_pace() {
        // 600 a second are asked of each, for a second.
        let with = |slowest| {
            let mut round = round(3_000);
            for (floor, found) in &mut round.knee.together {
                found.times.count = if *floor == Floor::Echo { slowest } else { 600 };
            }
            let rows = together(&result(vec![round]));
            rows.into_iter().map(|row| row.value.map(|value| value.median)).collect::<Vec<_>>()
        };
        assert_eq!(with(600), [Some(2.0), Some(100.0)], "6 ms against three floors of 1 ms each");
        assert_eq!(with(300), [None, Some(50.0)]);
        let mut alone = round(3_000);
        alone.knee.together.clear();
        assert!(together(&result(vec![alone])).is_empty());
    }

    #[test]
    fn a_wait_of_half_a_second_is_told_as_missed() {
        let result = result(vec![round(3_000)]);
        let rows = FIXED.plateaus(&result, &result.paced);
        assert_eq!(rows.len(), 6);
        let missed: Vec<&str> =
            rows.iter().filter(|row| row.verdict() == Some(Verdict::Missed)).map(|row| row.name.as_str()).collect();
        assert_eq!(missed, ["ack at 100 msg/s: latencies in any 10 ms around 500 ms"]);
    }
}
