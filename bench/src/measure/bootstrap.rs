//! A median of rounds and how far it may be trusted: the percentile bootstrap (Efron 1979), with a seed.

use serde::{Deserialize, Serialize};

const RESAMPLES: usize = 2_000;
/// 95 % lie between.
const LOW: f64 = 0.025;
const HIGH: f64 = 0.975;

/// A median with the interval of the medians of resampled rounds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Interval {
    pub(crate) median: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
    /// Rounds that counted.
    pub(crate) rounds: usize,
}

/// None without values.
pub(crate) fn interval(values: &[f64], seed: u64) -> Option<Interval> {
    let median_of_all = median(values)?;
    let mut random = fastrand::Rng::with_seed(seed);
    let mut medians: Vec<f64> = (0..RESAMPLES)
        .filter_map(|_| {
            let resampled: Vec<f64> = values.iter().map(|_| values[random.usize(..values.len())]).collect();
            median(&resampled)
        })
        .collect();
    medians.sort_unstable_by(f64::total_cmp);
    let at = |share: f64| medians[(share * (RESAMPLES - 1) as f64).round() as usize];
    Some(Interval { median: median_of_all, low: at(LOW), high: at(HIGH), rounds: values.len() })
}

/// The middle value, or the mean of the two in the middle; none without values.
pub(crate) fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let upper = *sorted.get(sorted.len() / 2)?;
    if sorted.len() % 2 == 1 { Some(upper) } else { Some(sorted[sorted.len() / 2 - 1].midpoint(upper)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_holds_the_median_and_lies_within_the_values() {
        let values = [1.4, 1.1, 1.9, 1.3, 1.2, 1.35, 1.25];
        let found = interval(&values, 1).unwrap();
        assert_eq!(found.median, 1.3);
        assert!(1.1 <= found.low && found.low <= found.median && found.median <= found.high && found.high <= 1.9);
        assert_eq!(interval(&values, 1), Some(found), "a seed repeats its interval");
    }

    #[test]
    fn values_that_differ_more_have_a_wider_interval() {
        let wide = interval(&[1.0, 2.0, 3.0, 4.0, 5.0], 1).unwrap();
        let narrow = interval(&[2.9, 3.0, 3.0, 3.0, 3.1], 1).unwrap();
        assert!(narrow.high - narrow.low < wide.high - wide.low);
    }

    #[test]
    fn nothing_has_no_median() {
        assert_eq!((median(&[]), interval(&[], 1)), (None, None));
        assert_eq!(median(&[4.0, 2.0]), Some(3.0));
    }
}
