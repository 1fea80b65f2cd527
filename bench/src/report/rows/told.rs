//! Absolute figures, of rounds that were quiet. Nothing is asked of them here.

use super::{
    figures::{all_servers_cpu_us, is_on_kafka, mean, our_cpu_us, over, over_times},
    row::{Row, Unit},
};
use crate::{
    floors::Floor,
    load::DirectResult,
    run::{Beside, FloorTimes, LoadResult, ONE_HOP, Round, RunResult, TWO_HOPS, sum_us},
};

/// The name of the row that has all processes together.
pub(in crate::report) const ALL_CPU: &str = "CPU a message, all of these";

/// Latencies at the fixed pace.
pub(in crate::report) fn paced(result: &RunResult) -> Vec<Row> {
    latencies(result, |round| result.is_quiet(round), |round| &round.subjects)
}

/// Latencies at a tenth of the maximum.
pub(in crate::report) fn tenth(result: &RunResult) -> Vec<Row> {
    latencies(result, |round| result.is_quiet_tenth(round), |round| &round.knee.tenth)
}

/// Deliveries at the shares of the maximum above the tenth. A share at which a load fell behind says so.
pub(in crate::report) fn knee(result: &RunResult) -> Vec<Row> {
    let mut percents: Vec<u32> =
        result.rounds.iter().flat_map(|round| round.knee.points.iter().map(|(percent, _)| *percent)).collect();
    percents.sort_unstable();
    percents.dedup();
    percents.into_iter().flat_map(|percent| at_share(result, percent)).collect()
}

fn at_share(result: &RunResult, percent: u32) -> [Row; 2] {
    let fell_behind = |round: &&Round| round.knee.at(percent).is_some_and(|load| load.load.fell_behind());
    let note = match result.rounds.iter().filter(fell_behind).count() {
        0 => String::new(),
        behind => format!(" (over the knee: fell behind in {behind} of {} rounds)", result.rounds.len()),
    };
    let row = |name: &str, figure: fn(&DirectResult) -> u64| {
        let of_round =
            |round: &Round| round.knee.at(percent).map_or(f64::NAN, |load| figure(&load.load) as f64 / 1_000.0);
        let value = over(result, |round| result.is_quiet_knee(round), of_round);
        Row::told(format!("{name} at {percent} %{note}"), Unit::Millis, value)
    };
    [row("delivery p50", |load| load.delivery.p50_us), row("delivery p99", |load| load.delivery.p99_us)]
}

fn latencies(result: &RunResult, counts: impl Fn(&Round) -> bool, loads: fn(&Round) -> &[LoadResult; 2]) -> Vec<Row> {
    let row = |name: &str, figure: fn(&DirectResult) -> u64| {
        let of_round = |round: &Round| mean(loads(round).each_ref().map(|load| figure(&load.load) as f64)) / 1_000.0;
        Row::told(name, Unit::Millis, over(result, &counts, of_round))
    };
    vec![
        row("ack p50", |load| load.ack.p50_us),
        row("ack p99", |load| load.ack.p99_us),
        row("delivery p50", |load| load.delivery.p50_us),
        row("delivery p99", |load| load.delivery.p99_us),
    ]
}

/// The floors' p50s at the fixed pace.
pub(in crate::report) fn floors(result: &RunResult) -> Vec<Row> {
    let Some(first) = result.rounds.first() else { return Vec::new() };
    let row = |name: String, figure: &dyn Fn(&FloorTimes) -> f64| {
        let of_round = |round: &Round| mean(round.floors.each_ref().map(figure)) / 1_000.0;
        Row::told(name, Unit::Millis, over(result, |round| result.is_quiet(round), of_round))
    };
    let measured = first.floors[0].keys();
    let mut rows: Vec<Row> = measured.map(|floor| row(floor.to_string(), &|times| sum_us(times, &[*floor]))).collect();
    rows.push(row("sum with one hop".into(), &|times| sum_us(times, &ONE_HOP)));
    rows.push(row("sum with two hops".into(), &|times| sum_us(times, &TWO_HOPS)));
    rows
}

/// The floors' CPU under load.
pub(in crate::report) fn loaded(result: &RunResult) -> Vec<Row> {
    let Some(first) = result.workloads.loaded.first() else { return Vec::new() };
    let row = |floor: &Floor| {
        let cpu_us = |beside: &Beside<FloorTimes>| beside.found.get(floor)?.cpu_us;
        let value = over_times(result, &result.workloads.loaded, |beside| result.is_quiet_beside(beside), cpu_us);
        Row::told(floor.to_string(), Unit::Micros, value)
    };
    first.found.keys().map(row).collect()
}

/// The closed loop with several in flight.
pub(in crate::report) fn closed(result: &RunResult) -> Vec<Row> {
    let mut rows = throughput(result, |round| result.is_quiet_closed(round), |round| &round.closed);
    rows.extend(cpu(result));
    rows
}

/// The closed loop with one in flight.
pub(in crate::report) fn single(result: &RunResult) -> Vec<Row> {
    throughput(result, |round| result.is_quiet_single(round), |round| &round.single)
}

fn throughput(result: &RunResult, counts: impl Fn(&Round) -> bool, load: fn(&Round) -> &LoadResult) -> Vec<Row> {
    let row = |name: &str, unit, figure: fn(&DirectResult) -> f64| {
        Row::told(name, unit, over(result, &counts, |round| figure(&load(round).load)))
    };
    vec![
        row("messages", Unit::PerSecond, |load| load.messages_per_second),
        row("ack p50", Unit::Millis, |load| load.ack.p50_us as f64 / 1_000.0),
        row("ack p99", Unit::Millis, |load| load.ack.p99_us as f64 / 1_000.0),
        row("delivery p50", Unit::Millis, |load| load.delivery.p50_us as f64 / 1_000.0),
        row("delivery p99", Unit::Millis, |load| load.delivery.p99_us as f64 / 1_000.0),
    ]
}

/// CPU for each message by process, in the closed loop, and all of it.
pub(in crate::report) fn cpu(result: &RunResult) -> Vec<Row> {
    let Some(first) = result.rounds.first().filter(|round| !round.closed.cpu.is_empty()) else { return Vec::new() };
    let row = |name: String, figure: &dyn Fn(&LoadResult) -> f64| {
        let value = over(result, |round| result.is_quiet_closed(round), |round| figure(&round.closed));
        Row::told(name, Unit::Micros, value)
    };
    let processes = first.closed.cpu.iter().map(|used| used.process.as_str());
    let mut rows: Vec<Row> = processes
        .map(|process| {
            let own = |closed: &LoadResult| {
                closed.cpu_us_per_message().find(|(name, _)| *name == process).map_or(f64::NAN, |(_, us)| us)
            };
            row(format!("CPU a message, {process}"), &own)
        })
        .collect();
    // Of servers that were not started here it is not known, and what is left is not all.
    let all: fn(&LoadResult) -> f64 = if is_on_kafka(result) { all_servers_cpu_us } else { our_cpu_us };
    rows.push(row(ALL_CPU.into(), &all));
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::sample::{result, round};

    fn medians(rows: &[Row]) -> Vec<Option<f64>> {
        rows.iter().map(|row| row.value.map(|value| value.median)).collect()
    }

    #[test]
    fn absolute_figures_of_a_loaded_machine_are_void() {
        let mut loaded = round(3_000);
        for calibration in [
            &mut loaded.before,
            &mut loaded.after,
            &mut loaded.after_closed,
            &mut loaded.after_single,
            &mut loaded.knee.after_tenth,
        ] {
            calibration.spin_us *= 2.0;
        }
        let result = result(vec![loaded]);
        for rows in [paced(&result), tenth(&result), floors(&result), closed(&result), single(&result)] {
            assert!(!rows.is_empty() && medians(&rows).iter().all(Option::is_none), "{rows:?}");
        }
    }

    #[test]
    fn a_share_at_which_a_load_fell_behind_says_so() {
        let mut behind = round(3_000);
        behind.knee.points[3].1.load.unfinished = 5;
        let rows = knee(&result(vec![behind, round(3_000)]));
        let names: Vec<&str> = rows.iter().map(|row| row.name.as_str()).collect();
        assert_eq!(names[..2], ["delivery p50 at 30 %", "delivery p99 at 30 %"]);
        assert_eq!(names[7], "delivery p99 at 90 % (over the knee: fell behind in 1 of 2 rounds)");
        assert_eq!(medians(&rows)[7], Some(36.0));
    }

    #[test]
    fn cpu_is_divided_by_the_messages_of_the_same_seconds() {
        let rows = cpu(&result(vec![round(3_000)]));
        assert_eq!(medians(&rows), [Some(200.0), Some(200.0)]);
    }
}
