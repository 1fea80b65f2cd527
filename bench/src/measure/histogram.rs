//! Latencies, in an HDR histogram of microseconds.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

/// Longer ones count as this long.
const LONGEST_US: u64 = 60_000_000;
const SIGNIFICANT_DIGITS: u8 = 3;
/// Where waits of a library or a timer would show: fetch waits and back-offs.
const STEPS_MS: [u64; 3] = [100, 500, 1_000];
/// The width in which such latencies would pile up.
const PLATEAU_WIDTH_US: u64 = 10_000;

/// Latencies of one kind.
#[derive(Clone)]
pub(crate) struct Latencies {
    histogram: Histogram<u64>,
}

/// What is told of them, in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Summary {
    pub(crate) count: u64,
    pub(crate) p50_us: u64,
    pub(crate) p90_us: u64,
    pub(crate) p99_us: u64,
    pub(crate) p999_us: u64,
    pub(crate) max_us: u64,
}

/// The fullest 10 ms window that holds a time at which a wait would show.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Plateau {
    pub(crate) at_ms: u64,
    /// Of all latencies, 0 to 1.
    pub(crate) share: f64,
}

impl Default for Latencies {
    fn default() -> Self {
        #[allow(clippy::expect_used)]
        let histogram = Histogram::new_with_bounds(1, LONGEST_US, SIGNIFICANT_DIGITS).expect("the bounds are valid");
        Self { histogram }
    }
}

impl Latencies {
    pub(crate) fn record(&mut self, took: Duration) {
        self.record_us(u64::try_from(took.as_micros()).unwrap_or(LONGEST_US));
    }

    pub(crate) fn record_us(&mut self, us: u64) {
        self.histogram.saturating_record(us.max(1));
    }

    /// So many of the same length.
    pub(crate) fn record_many_us(&mut self, us: u64, count: u64) {
        self.histogram.saturating_record_n(us.max(1), count);
    }

    /// Each length that was seen, in microseconds, ascending, with how many there are.
    pub(crate) fn counts(&self) -> impl Iterator<Item = (u64, u64)> {
        self.histogram.iter_recorded().map(|value| (value.value_iterated_to(), value.count_at_value()))
    }

    pub(crate) fn summary(&self) -> Summary {
        let at = |quantile| self.histogram.value_at_quantile(quantile);
        Summary {
            count: self.histogram.len(),
            p50_us: at(0.5),
            p90_us: at(0.9),
            p99_us: at(0.99),
            p999_us: at(0.999),
            max_us: self.histogram.max(),
        }
    }

    /// For each suspicious time the fullest window that holds it, moved by a millisecond at a time.
    pub(crate) fn plateaus(&self) -> Vec<Plateau> {
        let all = self.histogram.len().max(1) as f64;
        let fullest = |at_ms: u64| {
            let firsts = (at_ms * 1_000 - PLATEAU_WIDTH_US..=at_ms * 1_000).step_by(1_000);
            firsts
                .map(|first| self.histogram.count_between(first, first + PLATEAU_WIDTH_US - 1))
                .max()
                .unwrap_or_default()
        };
        STEPS_MS.map(|at_ms| Plateau { at_ms, share: fullest(at_ms) as f64 / all }).to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(times_us: impl IntoIterator<Item = u64>) -> Latencies {
        let mut latencies = Latencies::default();
        times_us.into_iter().for_each(|us| latencies.record_us(us));
        latencies
    }

    #[test]
    fn quantiles_are_within_a_thousandth() {
        let summary = of(1..=10_000).summary();
        assert_eq!(summary.count, 10_000);
        for (found, expected) in [(summary.p50_us, 5_000), (summary.p99_us, 9_900), (summary.max_us, 10_000)] {
            assert!(found.abs_diff(expected) <= expected / 500, "{found} is not about {expected}");
        }
    }

    #[test]
    fn a_wait_shows_as_a_plateau_and_a_smooth_tail_does_not() {
        // 990 quick ones, 10 that a fetch wait of 500 ms held up.
        let waited = of((0..990).map(|n| 1_000 + n).chain((0..10).map(|n| 500_500 + n * 100)));
        let shares: Vec<f64> = waited.plateaus().iter().map(|plateau| plateau.share).collect();
        assert_eq!(shares[0], 0.0);
        assert!((shares[1] - 0.01).abs() < 0.001, "{shares:?}");
        let smooth = of((0..2_000).map(|n| 1_000 + n * 1_000));
        assert!(smooth.plateaus().iter().all(|plateau| plateau.share <= 0.007), "{:?}", smooth.plateaus());
    }

    #[test]
    fn what_was_counted_is_recorded_again() {
        let mut all = of([1_000; 10]);
        for (us, count) in of([3_000; 30]).counts() {
            all.record_many_us(us, count);
        }
        assert_eq!(all.summary().count, 40);
        assert!(all.summary().p50_us.abs_diff(3_000) < 10);
    }
}
