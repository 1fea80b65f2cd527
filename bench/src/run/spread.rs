//! How latencies are spread, coarse enough to be kept with a result and exact enough for its plots and plateaus.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    load::Played,
    measure::{Latencies, Plateau},
};

/// From here on to the millisecond: waits of a timer are looked for there. The steps below end exactly here.
const MILLIS_FROM_US: u64 = 64_000;
/// Below, each doubling has so many steps, as a power of two: within 1.6 %.
const STEPS_LOG2: u32 = 6;

/// Latencies of one kind: how many there are from each number of microseconds on, up to the end of its step.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Spread {
    counts: BTreeMap<u64, u64>,
}

/// Both kinds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Spreads {
    pub(crate) ack: Spread,
    pub(crate) delivery: Spread,
}

impl Spreads {
    /// Those of a load.
    pub(super) fn of(played: &Played) -> Self {
        Self { ack: Spread::of(&played.ack), delivery: Spread::of(&played.delivery) }
    }

    /// Adds those of another load.
    pub(super) fn add(&mut self, other: &Self) {
        self.ack.add(&other.ack);
        self.delivery.add(&other.delivery);
    }
}

impl Spread {
    fn of(latencies: &Latencies) -> Self {
        let mut counts: BTreeMap<u64, u64> = BTreeMap::new();
        for (us, count) in latencies.counts() {
            *counts.entry(step(us).0).or_default() += count;
        }
        Self { counts }
    }

    fn add(&mut self, other: &Self) {
        for (&us, &count) in &other.counts {
            *self.counts.entry(us).or_default() += count;
        }
    }

    /// How many latencies there are.
    pub(crate) fn count(&self) -> u64 {
        self.counts.values().sum()
    }

    /// Each step that holds some, ascending: its first microsecond, the first one after it, and how many lie between.
    pub(crate) fn steps(&self) -> impl Iterator<Item = (u64, u64, u64)> {
        self.counts.iter().map(|(&us, &count)| {
            let (from, width) = step(us);
            (from, from + width, count)
        })
    }

    /// See [`Latencies::plateaus`].
    pub(crate) fn plateaus(&self) -> Vec<Plateau> {
        let mut latencies = Latencies::default();
        for (from, to, count) in self.steps() {
            // From the middle no rounding leads into a neighbour's window.
            latencies.record_many_us(from.midpoint(to), count);
        }
        latencies.plateaus()
    }
}

/// The first microsecond of a latency's step, and how many the step has.
fn step(us: u64) -> (u64, u64) {
    if us >= MILLIS_FROM_US {
        return (us / 1_000 * 1_000, 1_000);
    }
    let shift = us.max(1).ilog2().saturating_sub(STEPS_LOG2);
    (us >> shift << shift, 1 << shift)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(times_us: impl IntoIterator<Item = u64>) -> Spread {
        let mut latencies = Latencies::default();
        times_us.into_iter().for_each(|us| latencies.record_us(us));
        Spread::of(&latencies)
    }

    #[test]
    fn a_latency_lies_in_its_step_and_the_step_is_narrow() {
        for us in [1, 63, 64, 1_000, 1_234, 63_999, 64_000, 64_001, 100_499, 1_000_000] {
            let (from, width) = step(us);
            assert!((from..from + width).contains(&us), "{us}: {from} + {width}");
            assert!(width <= (us / 64).max(1) || width == 1_000, "{us}: {width}");
            assert_eq!(step(from), (from, width), "a step begins with itself");
        }
    }

    #[test]
    fn it_counts_what_there_is_and_is_put_together() {
        let mut all = of([1_000; 10]);
        all.add(&of([1_000, 3_000]));
        assert_eq!(all.count(), 12);
        let steps: Vec<_> = all.steps().collect();
        assert_eq!(steps.len(), 2, "{steps:?}");
        assert_eq!((steps[0].2, steps[1].2), (11, 1));
    }

    #[test]
    fn plateaus_are_those_of_the_latencies() {
        // 990 quick ones, 10 that a fetch wait of 500 ms held up.
        let shares: Vec<f64> = of((0..990).map(|n| 1_000 + n).chain((0..10).map(|n| 500_500 + n * 100)))
            .plateaus()
            .iter()
            .map(|plateau| plateau.share)
            .collect();
        assert_eq!((shares[0], shares[2]), (0.0, 0.0));
        assert!((shares[1] - 0.01).abs() < 0.001, "{shares:?}");
    }

    #[test]
    fn it_is_kept_and_read_again() {
        let spread = of([5, 1_000, 70_123]);
        let text = serde_json::to_string(&spread).unwrap();
        assert_eq!(serde_json::from_str::<Spread>(&text).unwrap(), spread);
    }
}
