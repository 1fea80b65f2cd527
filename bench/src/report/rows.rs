//! Figures of a run: ratios of rounds that compare, absolute values of rounds that were quiet.

use crate::{
    floors::Floor,
    load::DirectResult,
    measure::{Interval, interval},
    run::{FloorTimes, LoadResult, Round, RunResult},
};

/// A figure and what was asked of it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Row {
    pub(super) name: String,
    /// None: void, no round was quiet enough, or nothing was measured.
    pub(super) value: Option<Interval>,
    pub(super) unit: Unit,
    /// At most this.
    pub(super) target: Option<f64>,
}

/// How a figure is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    Ratio,
    Millis,
    Micros,
    Percent,
    Bytes,
    PerSecond,
}

impl Unit {
    pub(super) fn format(self, value: f64) -> String {
        match self {
            Self::Ratio => format!("{value:.2}"),
            Self::Millis => format!("{value:.2} ms"),
            Self::Micros => format!("{value:.0} us"),
            Self::Percent => format!("{value:.2} %"),
            Self::Bytes => format!("{value:.0} B"),
            Self::PerSecond => format!("{value:.0}/s"),
        }
    }
}

/// The part of the floors that a latency is compared with.
const ONE_HOP: [Floor; 6] =
    [Floor::KafkaHop, Floor::MariadbInsert, Floor::Call, Floor::LogHop, Floor::SqliteInsert, Floor::Echo];
const TWO_HOPS: [Floor; 6] =
    [Floor::KafkaTwoHops, Floor::MariadbInsert, Floor::Call, Floor::LogTwoHops, Floor::SqliteInsert, Floor::Echo];
/// At most twice the sum of the floors.
const RATIO_MAX: f64 = 2.0;
/// Percent of the latencies in any 10 ms around a step.
const PLATEAU_MAX: f64 = 0.5;
/// Of user space, for each idle connection.
const IDLE_BYTES_MAX: f64 = 8_192.0;

/// Whether the machine stayed the same through a round.
pub(super) fn compares(round: &Round) -> bool {
    !round.before.moved(&round.after)
}

/// Whether absolute figures of the paced part count.
fn is_quiet(result: &RunResult, round: &Round) -> bool {
    compares(round) && result.quiet.is_some_and(|quiet| quiet.holds(&round.before) && quiet.holds(&round.after))
}

/// The same of the closed loop.
fn is_quiet_closed(result: &RunResult, round: &Round) -> bool {
    result.quiet.is_some_and(|quiet| quiet.holds(&round.after) && quiet.holds(&round.after_closed))
}

/// Microseconds: the sum of the p50s of those floors that were measured.
fn sum(times: &FloorTimes, of: &[Floor]) -> f64 {
    of.iter().filter_map(|floor| times.get(floor)).map(|found| found.times.p50_us as f64).sum()
}

fn mean(values: [f64; 2]) -> f64 {
    values[0].midpoint(values[1])
}

/// A figure of each round that counts, put together.
fn over(result: &RunResult, counts: impl Fn(&Round) -> bool, figure: impl Fn(&Round) -> f64) -> Option<Interval> {
    let values: Vec<f64> =
        result.rounds.iter().filter(|round| counts(round)).map(figure).filter(|value| value.is_finite()).collect();
    interval(&values, result.seed)
}

/// The rows that a target was set for, and the other readings of the ratios.
pub(super) fn judged(result: &RunResult) -> Vec<Row> {
    let ratio = |name: &str, p50: fn(&DirectResult) -> u64, floors: &'static [Floor], target| {
        let figure = |round: &Round| {
            let subject = mean([p50(&round.subjects[0].load) as f64, p50(&round.subjects[1].load) as f64]);
            subject / mean([sum(&round.floors[0], floors), sum(&round.floors[1], floors)])
        };
        Row { name: name.to_owned(), value: over(result, compares, figure), unit: Unit::Ratio, target }
    };
    let ack: fn(&DirectResult) -> u64 = |load| load.ack.p50_us;
    let delivery: fn(&DirectResult) -> u64 = |load| load.delivery.p50_us;
    let mut rows = vec![
        ratio("ack p50 / floors with one hop", ack, &ONE_HOP, Some(RATIO_MAX)),
        ratio("delivery p50 / floors with two hops", delivery, &TWO_HOPS, Some(RATIO_MAX)),
        ratio("ack p50 / floors with two hops", ack, &TWO_HOPS, None),
        ratio("delivery p50 / floors with one hop", delivery, &ONE_HOP, None),
    ];
    for (kind, plateaus) in [("ack", &result.ack_plateaus), ("delivery", &result.delivery_plateaus)] {
        for plateau in plateaus {
            let percent = plateau.share * 100.0;
            let rounds = result.rounds.len();
            let value = (rounds > 0).then_some(Interval { median: percent, low: percent, high: percent, rounds });
            let name = format!("{kind}: latencies in any 10 ms around {} ms", plateau.at_ms);
            rows.push(Row { name, value, unit: Unit::Percent, target: Some(PLATEAU_MAX) });
        }
    }
    let idle = result.idle.as_ref().map(|idle| idle.bytes_per_connection);
    let value = idle.map(|bytes| Interval { median: bytes, low: bytes, high: bytes, rounds: 1 });
    rows.push(Row { name: "idle connection".into(), value, unit: Unit::Bytes, target: Some(IDLE_BYTES_MAX) });
    rows
}

/// Latencies at the paced rate, of quiet rounds.
pub(super) fn paced(result: &RunResult) -> Vec<Row> {
    let row = |name: &str, figure: fn(&DirectResult) -> u64| {
        let of_round = |round: &Round| {
            mean([figure(&round.subjects[0].load) as f64, figure(&round.subjects[1].load) as f64]) / 1_000.0
        };
        let value = over(result, |round| is_quiet(result, round), of_round);
        Row { name: name.to_owned(), value, unit: Unit::Millis, target: None }
    };
    vec![
        row("ack p50", |load| load.ack.p50_us),
        row("ack p99", |load| load.ack.p99_us),
        row("delivery p50", |load| load.delivery.p50_us),
        row("delivery p99", |load| load.delivery.p99_us),
    ]
}

/// The floors' p50s, of quiet rounds.
pub(super) fn floors(result: &RunResult) -> Vec<Row> {
    let Some(first) = result.rounds.first() else { return Vec::new() };
    let row = |name: String, figure: &dyn Fn(&FloorTimes) -> f64| {
        let of_round = |round: &Round| mean([figure(&round.floors[0]), figure(&round.floors[1])]) / 1_000.0;
        let value = over(result, |round| is_quiet(result, round), of_round);
        Row { name, value, unit: Unit::Millis, target: None }
    };
    let measured = first.floors[0].keys();
    let mut rows: Vec<Row> = measured.map(|floor| row(floor.to_string(), &|times| sum(times, &[*floor]))).collect();
    rows.push(row("sum with one hop".into(), &|times| sum(times, &ONE_HOP)));
    rows.push(row("sum with two hops".into(), &|times| sum(times, &TWO_HOPS)));
    rows
}

/// The closed loop, of rounds that were quiet around it.
pub(super) fn closed(result: &RunResult) -> Vec<Row> {
    let row = |name: String, unit, figure: &dyn Fn(&LoadResult) -> f64| {
        let value = over(result, |round| is_quiet_closed(result, round), |round| figure(&round.closed));
        Row { name, value, unit, target: None }
    };
    let mut rows = vec![
        row("messages".into(), Unit::PerSecond, &|closed| closed.load.messages_per_second),
        row("ack p50".into(), Unit::Millis, &|closed| closed.load.ack.p50_us as f64 / 1_000.0),
        row("ack p99".into(), Unit::Millis, &|closed| closed.load.ack.p99_us as f64 / 1_000.0),
        row("delivery p50".into(), Unit::Millis, &|closed| closed.load.delivery.p50_us as f64 / 1_000.0),
    ];
    rows.extend(cpu(result));
    rows
}

/// CPU for each message by process, in the closed loop, and all of it.
pub(super) fn cpu(result: &RunResult) -> Vec<Row> {
    let Some(first) = result.rounds.first().filter(|round| !round.closed.cpu.is_empty()) else { return Vec::new() };
    let row = |name: String, figure: &dyn Fn(&LoadResult) -> f64| {
        let value = over(result, |round| is_quiet_closed(result, round), |round| figure(&round.closed));
        Row { name, value, unit: Unit::Micros, target: None }
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
    rows.push(row(ALL_CPU.into(), &|closed| closed.cpu_us_per_message().map(|(_, us)| us).sum()));
    rows
}

/// The name of the row that has all processes together.
pub(super) const ALL_CPU: &str = "CPU a message, all of these";

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::{
        floors::FloorResult,
        measure::{Calibration, Machine, Quiet, Summary},
    };

    pub(in crate::report) const CALM: Calibration =
        Calibration { spin_us: 1_000.0, fdatasync_us: 200.0, append_us: None };

    /// A round whose floors take 1 ms each and whose acks take so much.
    pub(in crate::report) fn round(ack_us: u64) -> Round {
        let summary = |p50_us| Summary { count: 10, p50_us, ..Summary::default() };
        let floors: FloorTimes = [Floor::LogHop, Floor::LogTwoHops, Floor::SqliteInsert, Floor::Echo]
            .into_iter()
            .map(|floor| (floor, FloorResult { times: summary(1_000), ..FloorResult::default() }))
            .collect();
        let load = serde_json::json!({
            "load": {
                "plan": {"pairs": 1, "drive": {"rate": 100.0}, "length": {"seconds": 1, "warm_up_seconds": 0}, "payload_bytes": 1, "seed": 1},
                "interrupted": false, "seconds": 1.0, "sent": 100, "acknowledged": 100, "messages_per_second": 100.0,
                "unfinished": 0, "refused": {}, "broken": [], "ack": summary(ack_us), "delivery": summary(ack_us),
                "ack_plateaus": [], "delivery_plateaus": [],
                "ledger": {"sent": 0, "acknowledged": 0, "unknown": 0, "entries": 0, "pushes": 0, "pushes_due": 0, "violations": 0, "told": []},
            },
            "cpu": [{"process": "standalone", "seconds": 0.02}],
        });
        let load: LoadResult = serde_json::from_value(load).unwrap();
        Round {
            before: CALM,
            floors: [floors.clone(), floors],
            subjects: [load.clone(), load.clone()],
            after: CALM,
            closed: load,
            after_closed: CALM,
        }
    }

    pub(in crate::report) fn result(rounds: Vec<Round>) -> RunResult {
        RunResult {
            version: "0.1.0".into(),
            target: "standalone".into(),
            quick: true,
            seed: 1,
            rounds_planned: rounds.len() as u64,
            interrupted: false,
            machine: Machine { cpu: "a CPU".into(), cores: 2, memory_mib: 1_024, kernel: "6.1".into() },
            quiet: Some(Quiet(CALM)),
            rounds,
            ack_plateaus: Vec::new(),
            delivery_plateaus: Vec::new(),
            idle: None,
        }
    }

    fn medians(rows: &[Row]) -> Vec<Option<f64>> {
        rows.iter().map(|row| row.value.map(|value| value.median)).collect()
    }

    #[test]
    fn a_ratio_is_the_median_of_the_rounds_that_compare() {
        let mut moved = round(90_000);
        moved.after.fdatasync_us *= 2.0;
        let rows = judged(&result(vec![round(3_000), round(6_000), round(4_500), moved]));
        // Three floors of 1 ms each.
        assert_eq!(rows[0].value.map(|value| (value.median, value.rounds)), Some((1.5, 3)));
    }

    #[test]
    fn absolute_figures_of_a_loaded_machine_are_void() {
        let mut loaded = round(3_000);
        for calibration in [&mut loaded.before, &mut loaded.after, &mut loaded.after_closed] {
            calibration.spin_us *= 2.0;
        }
        let result = result(vec![loaded]);
        assert_eq!(judged(&result)[0].value.map(|value| value.median), Some(1.0), "the ratio still counts");
        for rows in [paced(&result), floors(&result), closed(&result)] {
            assert!(medians(&rows).iter().all(Option::is_none), "{rows:?}");
        }
    }

    #[test]
    fn cpu_is_divided_by_the_messages_of_the_same_seconds() {
        let rows = cpu(&result(vec![round(3_000)]));
        assert_eq!(medians(&rows), [Some(200.0), Some(200.0)]);
    }
}
