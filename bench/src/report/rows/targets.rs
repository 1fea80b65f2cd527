//! What was asked of GoChat, and what came of it.

use super::{
    figures::{all_servers_cpu_us, is_on_kafka, mean, our_cpu_us, over, over_times},
    ratios::{FIXED, TENTH, together},
    row::{Asked, Row, Unit},
    told, workloads,
};
use crate::{
    load::IdleResult,
    run::{Beside, Round, RunResult},
};

/// What its figures are worth: those of a quick run show where to look, and those of one that was cut are of fewer rounds.
pub(in crate::report) fn worth(result: &RunResult) -> String {
    let kind = if result.plan.quick { "quick: indicative" } else { "full" };
    let cut = if result.finished { "" } else { ", interrupted" };
    format!("{kind}{cut}")
}

/// What the road was first built to: at a pace that loads nothing.
pub(in crate::report) fn first_targets(result: &RunResult) -> Vec<Row> {
    const TWICE_THE_FLOORS: Asked = Asked::at_most(2.0);
    const IDLE_BYTES: Asked = Asked::at_most(8_192.0);
    let mut rows = vec![FIXED.ack(result).asked(TWICE_THE_FLOORS), FIXED.delivery(result).asked(TWICE_THE_FLOORS)];
    rows.extend(FIXED.other_readings(result));
    rows.extend(FIXED.plateaus(result, &result.paced));
    rows.push(idle(result).asked(IDLE_BYTES));
    rows
}

/// What the hot road is to reach. Some of it is asked of GoChat on real Kafka and MariaDB only, some of standalone.
pub(in crate::report) fn hot_road_targets(result: &RunResult) -> Vec<Row> {
    let mut rows = if is_on_kafka(result) { on_kafka(result) } else { on_embedded_parts(result) };
    rows.push(knee(result).asked(Asked::at_most(5.0).aim(3.0)));
    rows.push(idle(result).asked(Asked::at_most(6.0 * 1_024.0).aim(3.5 * 1_024.0)));
    rows.extend(workloads::connections(result));
    if is_on_kafka(result) {
        rows.push(workloads::efficiency(result));
        rows.extend(workloads::group(result));
        rows.extend(workloads::reconnect(result));
    }
    rows
}

fn on_kafka(result: &RunResult) -> Vec<Row> {
    let mut rows = vec![
        TENTH.ack(result).asked(Asked::at_most(1.6).aim(1.2)),
        TENTH.delivery(result).asked(Asked::at_most(1.6).aim(1.25)),
    ];
    rows.extend(together(result));
    rows.extend(TENTH.plateaus(result, &result.tenth));
    let closed = |name: &str, unit, figure: &dyn Fn(&Round) -> f64| {
        let value = over(result, |round| result.is_quiet_closed(round), figure);
        Row::told(format!("100 pairs, 8 in flight: {name}"), unit, value)
    };
    let single = |name: &str, unit, figure: &dyn Fn(&Round) -> f64| {
        let value = over(result, |round| result.is_quiet_single(round), figure);
        Row::told(format!("100 pairs, 1 in flight: {name}"), unit, value)
    };
    rows.extend([
        closed("messages", Unit::PerSecond, &|round| round.closed.load.messages_per_second)
            .asked(Asked::at_least(5_000.0).aim(9_000.0)),
        closed("ack p50", Unit::Millis, &|round| round.closed.load.ack.p50_us as f64 / 1_000.0)
            .asked(Asked::at_most(100.0)),
        closed("CPU a message of all servers", Unit::Micros, &|round| all_servers_cpu_us(&round.closed))
            .asked(Asked::at_most(200.0).aim(110.0)),
        closed("CPU a message of gateway, logic, repo and task", Unit::Micros, &|round| our_cpu_us(&round.closed))
            .asked(Asked::at_most(100.0).aim(50.0)),
        single("messages", Unit::PerSecond, &|round| round.single.load.messages_per_second)
            .asked(Asked::at_least(4_000.0).aim(8_000.0)),
        single("ack p99", Unit::Millis, &|round| round.single.load.ack.p99_us as f64 / 1_000.0)
            .asked(Asked::at_most(60.0).aim(30.0)),
    ]);
    rows
}

fn on_embedded_parts(result: &RunResult) -> Vec<Row> {
    let ack = told::paced(result).into_iter().find(|row| row.name == "ack p50").and_then(|row| row.value);
    let ack = Row::told("ack p50 at 100 msg/s", Unit::Millis, ack).asked(Asked::at_most(6.0).aim(3.0));
    let mut rows = vec![ack, TENTH.ack(result), TENTH.delivery(result)];
    rows.extend(together(result));
    rows.extend(TENTH.plateaus(result, &result.tenth));
    rows
}

/// How much longer the slowest percent takes when there is work to do.
fn knee(result: &RunResult) -> Row {
    let figure = |round: &Round| {
        let p99_us = round.knee.tenth.each_ref().map(|load| load.load.delivery_p99_us() as f64);
        let loaded = round.knee.loaded().map_or(f64::NAN, |load| load.load.delivery_p99_us() as f64);
        loaded / mean(p99_us)
    };
    let value = over(result, Round::knee_compares, figure);
    Row::told("delivery p99 at 70 % of the maximum / at 10 %", Unit::Ratio, value)
}

fn idle(result: &RunResult) -> Row {
    let idle = |beside: &Beside<IdleResult>| Some(beside.found.bytes_per_connection);
    let value = over_times(result, &result.workloads.idle, |_| true, idle);
    let name = match result.idle().map_or(0, |idle| idle.conversations) {
        0 => "idle connection".to_owned(),
        conversations => format!("idle connection of a user with {conversations} conversations"),
    };
    Row::told(name, Unit::Bytes, value)
}

#[cfg(test)]
mod tests {
    use super::{super::Verdict, *};
    use crate::run::sample::{result, result_on_kafka, round, round_on_kafka};

    fn verdict(rows: &[Row], name: &str) -> Option<Verdict> {
        let row = rows.iter().find(|row| row.name.contains(name));
        row.unwrap_or_else(|| panic!("no {name} in {rows:?}")).verdict()
    }

    #[test]
    fn what_is_asked_on_kafka_is_judged_there() {
        // Four floors of 1 ms each; the round has 6,000 messages a second with 180 us of CPU each, 80 of them ours.
        let rows = hot_road_targets(&result_on_kafka(vec![round_on_kafka(6_000); 3]));
        for (name, expected) in [
            ("ack p50 at 10 %", Verdict::Held),
            ("delivery p50 at 10 %", Verdict::Missed),
            ("delivery p99 at 70 %", Verdict::AimReached),
            ("8 in flight: messages", Verdict::Held),
            ("8 in flight: ack p50", Verdict::Held),
            ("of all servers", Verdict::Held),
            ("of gateway, logic, repo and task", Verdict::Held),
            ("1 in flight: messages", Verdict::Held),
            ("1 in flight: ack p99", Verdict::AimReached),
            ("idle connection", Verdict::Held),
            ("CPU a login", Verdict::Held),
            ("memory kept", Verdict::Held),
            ("CPU a message of the floors", Verdict::Missed),
            ("group of 1,000 online: CPU a delivery of gateway", Verdict::Held),
            ("last member", Verdict::Held),
            ("group of 5,000", Verdict::Void),
            ("live again", Verdict::AimReached),
            ("of other connections", Verdict::Held),
        ] {
            assert_eq!(verdict(&rows, name), Some(expected), "{name}");
        }
    }

    #[test]
    fn standalone_is_asked_for_what_it_can_do() {
        let rows = hot_road_targets(&result(vec![round(3_000)]));
        assert_eq!(verdict(&rows, "ack p50 at 100 msg/s"), Some(Verdict::AimReached));
        assert_eq!(verdict(&rows, "ack p50 at 10 %"), None, "that is asked on Kafka and MariaDB");
        assert_eq!(verdict(&rows, "idle connection"), Some(Verdict::Void));
        assert!(!rows.iter().any(|row| row.name.contains("in flight")), "{rows:?}");
    }

    #[test]
    fn the_first_targets_are_kept() {
        let rows = first_targets(&result_on_kafka(vec![round_on_kafka(9_000)]));
        assert_eq!(verdict(&rows, "ack p50 at 100 msg/s / floors with one hop"), Some(Verdict::Missed));
        assert_eq!(verdict(&rows, "idle connection"), Some(Verdict::Held));
    }

    #[test]
    fn a_knee_that_was_cut_or_moved_is_void() {
        let mut cut = round(3_000);
        cut.knee.points.truncate(1);
        let mut moved = round(3_000);
        moved.knee.after.spin_us *= 2.0;
        assert_eq!(knee(&result(vec![cut, moved])).value, None);
        assert_eq!(knee(&result(vec![round(3_000)])).value.map(|value| value.median), Some(2.0));
    }

    #[test]
    fn a_share_that_refuses_what_is_too_much_does_not_hold() {
        let mut refusing = round(3_000);
        for (_, load) in refusing.knee.points.iter_mut().filter(|(percent, _)| *percent == 70) {
            load.load.refused.insert("overloaded".to_owned(), 50);
        }
        let row = knee(&result(vec![refusing])).asked(Asked::at_most(5.0));
        assert_eq!(row.verdict(), Some(Verdict::Missed), "{row:?}");
    }
}
