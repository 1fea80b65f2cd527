//! A figure of each round that counts, put together.

use crate::{
    floors::Floor,
    measure::{Interval, interval},
    run::{Beside, LoadResult, Round, RunResult},
};

/// Those of GoChat; all others are what they stand on.
const OURS: [&str; 5] = ["standalone", "gateway", "logic", "repo", "task"];
/// Without these the CPU of all servers is not known.
const SERVERS: [&str; 3] = ["Kafka", "MariaDB", "Redis"];

/// The median over the rounds that count, with its interval.
pub(super) fn over(
    result: &RunResult,
    counts: impl Fn(&Round) -> bool,
    figure: impl Fn(&Round) -> f64,
) -> Option<Interval> {
    let values: Vec<f64> =
        result.rounds.iter().filter(|round| counts(round)).map(figure).filter(|value| value.is_finite()).collect();
    interval(&values, result.plan.seed)
}

/// The median over the times that count of what is measured after the rounds, with its interval.
pub(super) fn over_times<T>(
    result: &RunResult,
    times: &[Beside<T>],
    counts: impl Fn(&Beside<T>) -> bool,
    figure: impl Fn(&Beside<T>) -> Option<f64>,
) -> Option<Interval> {
    let values = times.iter().filter(|beside| counts(beside)).filter_map(figure);
    interval(&values.filter(|value| value.is_finite()).collect::<Vec<_>>(), result.plan.seed)
}

/// A figure of all rounds together.
pub(super) fn once(value: f64, rounds: usize) -> Interval {
    Interval { median: value, low: value, high: value, rounds }
}

/// The mean of the two runs of a round.
pub(super) fn mean(values: [f64; 2]) -> f64 {
    values[0].midpoint(values[1])
}

/// Whether a target stands on Kafka and MariaDB.
pub(super) fn is_on_kafka(result: &RunResult) -> bool {
    result.target == "processes"
        || result.rounds.first().is_some_and(|round| round.floors[0].contains_key(&Floor::KafkaHop))
}

/// Microseconds of CPU a message of GoChat's own processes; not a number where none of them is known.
pub(super) fn our_cpu_us(load: &LoadResult) -> f64 {
    ours(load.cpu_us_per_message())
}

/// Microseconds of CPU a message of all servers; not a number where those beneath GoChat are not known.
pub(super) fn all_servers_cpu_us(load: &LoadResult) -> f64 {
    all_servers(load.cpu_us_per_message())
}

/// The same of anything that is known by process.
pub(super) fn ours<'a>(by_process: impl Iterator<Item = (&'a str, f64)>) -> f64 {
    let known: Vec<f64> = by_process.filter(|(process, _)| OURS.contains(process)).map(|(_, us)| us).collect();
    if known.is_empty() { f64::NAN } else { known.iter().sum() }
}

/// The same of anything that is known by process.
pub(super) fn all_servers<'a>(by_process: impl Iterator<Item = (&'a str, f64)>) -> f64 {
    let all: Vec<(&str, f64)> = by_process.collect();
    let is_known = |server: &&str| all.iter().any(|(process, _)| process == server);
    if SERVERS.iter().all(is_known) { all.iter().map(|(_, us)| us).sum() } else { f64::NAN }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::sample::load;

    #[test]
    fn ours_are_told_from_what_they_stand_on() {
        let all =
            load(1.0, 1, &[("gateway", 0.001), ("repo", 0.002), ("Kafka", 0.004), ("MariaDB", 0.005), ("Redis", 0.0)]);
        assert_eq!(our_cpu_us(&all).round(), 30.0);
        assert_eq!(all_servers_cpu_us(&all).round(), 120.0);
    }

    #[test]
    fn what_is_not_known_is_not_taken_for_cheap() {
        assert!(all_servers_cpu_us(&load(1.0, 1, &[("gateway", 0.001), ("Kafka", 0.004)])).is_nan());
        assert!(our_cpu_us(&load(1.0, 1, &[])).is_nan());
    }
}
