//! Targets of what is measured once. A row without a figure is void: it says what is asked, and that nothing shows it.

use super::{
    figures::{all_servers, all_servers_cpu_us, is_on_kafka, once, ours, over},
    row::{Asked, Row, Unit},
};
use crate::{
    load::{GroupResult, IdleResult, LoginResult, ReconnectResult},
    measure::Interval,
    run::{Beside, RunResult, composed_cpu_us},
};

/// What is asked of a run of full length; a shorter one has fewer.
const CLOSED: u64 = 15_000;
const CUT: u32 = 10_000;
/// Seconds after which memory is asked for.
const CLOSED_SECONDS: u64 = 30;

/// A figure that was taken once, if there is one.
fn single(value: Option<f64>) -> Option<Interval> {
    value.filter(|value| value.is_finite()).map(|value| once(value, 1))
}

/// What was measured on a quiet machine, for absolute figures.
fn quiet<'a, T>(result: &RunResult, beside: Option<&'a Beside<T>>) -> Option<&'a T> {
    beside.filter(|&beside| result.is_quiet_beside(beside)).map(|beside| &beside.found)
}

/// What was measured on a machine that stayed the same, for figures beside their floors.
fn steady<T>(beside: Option<&Beside<T>>) -> Option<&Beside<T>> {
    beside.filter(|beside| beside.compares())
}

/// With a mark between thousands.
fn grouped(count: u64) -> String {
    if count < 1_000 { count.to_string() } else { format!("{},{:03}", grouped(count / 1_000), count % 1_000) }
}

/// What connections cost beside their memory, and what bare ones take of that.
pub(super) fn connections(result: &RunResult) -> Vec<Row> {
    let beside = result.workloads.idle.as_ref();
    let idle = beside.map(|beside| &beside.found);
    let bare = beside.and_then(|beside| beside.floor?.connection_bytes);
    let (count, seconds) = idle.map_or((CLOSED, CLOSED_SECONDS), |idle| (idle.connections, idle.closed_seconds));
    let kept = format!("memory kept {seconds} s after {} connections were closed", grouped(count));
    let a_login = |login: &LoginResult| {
        if is_on_kafka(result) { all_servers(login.cpu_us_per_login()) } else { ours(login.cpu_us_per_login()) }
    };
    let login = quiet(result, result.workloads.login.as_ref()).map(a_login);
    vec![
        Row::told("bare idle connection", Unit::Bytes, single(bare)),
        Row::told(kept, Unit::Percent, single(idle.and_then(IdleResult::kept_percent)))
            .asked(Asked::at_most(15.0).aim(5.0)),
        Row::told("CPU a login without a password hash, all servers", Unit::Micros, single(login))
            .asked(Asked::at_most(400.0).aim(200.0)),
    ]
}

/// The floors' CPU a message under load, put together, of what a message costs.
pub(super) fn efficiency(result: &RunResult) -> Row {
    let composed = quiet(result, result.workloads.loaded.as_ref()).and_then(composed_cpu_us);
    let value = composed.and_then(|composed_us| {
        over(result, |round| result.is_quiet_closed(round), |round| composed_us / all_servers_cpu_us(&round.closed))
    });
    Row::told("CPU a message of the floors / of all servers", Unit::Ratio, value).asked(Asked::at_least(0.25).aim(0.45))
}

/// Messages to groups whose members are all connected.
pub(super) fn group(result: &RunResult) -> Vec<Row> {
    let group = quiet(result, result.workloads.group.as_ref());
    let cpu = |of: fn(&GroupResult) -> f64| single(group.map(of));
    let last_ms = group.map(|group| group.last_member.p50_us as f64 / 1_000.0);
    let (large, burst) = (steady(result.workloads.large_group.as_ref()), steady(result.workloads.burst.as_ref()));
    vec![
        Row::told(
            "group of 1,000 online: CPU a delivery of gateway, logic, repo and task",
            Unit::Micros,
            cpu(|group| ours(group.sum.cpu_us_per(group.deliveries))),
        )
        .asked(Asked::at_most(12.0).aim(9.0)),
        Row::told(
            "of that, what they use while nobody writes",
            Unit::Micros,
            cpu(|group| ours(group.silent_us_per_delivery())),
        ),
        Row::told(
            "group of 1,000 online: CPU a delivery of all servers",
            Unit::Micros,
            cpu(|group| all_servers(group.sum.cpu_us_per(group.deliveries))),
        ),
        Row::told(
            "of that, what they use while nobody writes",
            Unit::Micros,
            cpu(|group| all_servers(group.silent_us_per_delivery())),
        ),
        Row::told("group of 1,000 online: last member p50", Unit::Millis, single(last_ms))
            .asked(Asked::at_most(15.0).aim(10.0)),
        Row::told(
            "group of 5,000 online: gateway's CPU a recipient / write loop at its pace",
            Unit::Ratio,
            single(large.and_then(against_loop)),
        )
        .asked(Asked::at_most(1.6).aim(1.2)),
        Row::told("the same, bursts of 16 / coalesced write loop", Unit::Ratio, single(burst.and_then(against_loop)))
            .asked(Asked::at_most(2.0).aim(1.4)),
    ]
}

/// A recipient of the floor has all messages of a burst.
fn against_loop(group: &Beside<GroupResult>) -> Option<f64> {
    let GroupResult { plan, sum, deliveries, .. } = &group.found;
    let (_, delivery_us) = sum.cpu_us_per(*deliveries).find(|(process, _)| *process == "gateway")?;
    Some(delivery_us * f64::from(plan.burst) / group.floor?.cpu_us?)
}

/// All connections cut at once.
pub(super) fn reconnect(result: &RunResult) -> Vec<Row> {
    let reconnect = steady(result.workloads.reconnect.as_ref());
    let count = reconnect.map_or(CUT, |reconnect| reconnect.found.plan.connections);
    let live = reconnect.and_then(|reconnect| Some(reconnect.found.live_seconds * 1_000.0 / reconnect.floor?.all_ms?));
    // Where all were live again before anybody else had sent anything nothing is known.
    let told = reconnect.filter(|reconnect| reconnect.found.during.delivery.count > 0);
    let others = told.map(|reconnect| {
        let ReconnectResult { before, during, .. } = &reconnect.found;
        during.delivery.p99_us as f64 / before.delivery.p99_us as f64
    });
    let name = format!("{} connections live again / bare handshakes", grouped(count.into()));
    vec![
        Row::told(name, Unit::Ratio, single(live)).asked(Asked::at_most(3.0).aim(2.0)),
        Row::told("delivery p99 of other connections meanwhile / before", Unit::Ratio, single(others))
            .asked(Asked::at_most(1.5)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        floors::FloorResult,
        run::sample::{beside, group as group_of, result_on_kafka, round_on_kafka},
    };

    fn medians(rows: &[Row]) -> Vec<Option<f64>> {
        rows.iter().map(|row| row.value.map(|value| (value.median * 1_000.0).round() / 1_000.0)).collect()
    }

    #[test]
    fn figures_are_those_of_the_parts() {
        let result = result_on_kafka(vec![round_on_kafka(3_000)]);
        assert_eq!(medians(&connections(&result)), [Some(2_500.0), Some(10.0), Some(300.0)]);
        // 12 us each of two hops, a call and an echo, and 4 of a batch of a hundred; the round has 180 us a message.
        assert_eq!(medians(&[efficiency(&result)]), [Some(0.222)]);
        assert_eq!(
            medians(&group(&result)),
            [Some(10.0), Some(1.0), Some(11.111), Some(1.111), Some(12.0), None, None]
        );
        assert_eq!(medians(&reconnect(&result)), [Some(2.0), Some(1.333)]);
        assert!(reconnect(&result)[0].name.starts_with("2,000 connections"), "as many as were cut");
    }

    #[test]
    fn a_group_before_which_nobody_was_silent_tells_nothing_of_silence() {
        let mut result = result_on_kafka(vec![round_on_kafka(3_000)]);
        if let Some(group) = &mut result.workloads.group {
            group.found.plan.silent_seconds = 0;
        }
        let told = medians(&group(&result));
        assert_eq!((told[1], told[3]), (None, None));
        assert!(told[0].is_some() && told[2].is_some());
    }

    #[test]
    fn others_who_said_nothing_meanwhile_were_not_undisturbed() {
        let mut result = result_on_kafka(Vec::new());
        if let Some(reconnect) = &mut result.workloads.reconnect {
            reconnect.found.during = Default::default();
        }
        assert_eq!(medians(&reconnect(&result)), [Some(2.0), None]);
    }

    #[test]
    fn a_burst_is_compared_with_a_loop_that_writes_as_many() {
        let mut result = result_on_kafka(Vec::new());
        let floor = |cpu_us| Some(FloorResult { cpu_us: Some(cpu_us), ..FloorResult::default() });
        // 5.556 us of the gateway for each delivery.
        result.workloads.large_group = Some(beside(floor(5.0), group_of(5_000, 1)));
        result.workloads.burst = Some(beside(floor(50.0), group_of(5_000, 16)));
        assert_eq!(medians(&group(&result))[5..], [Some(1.111), Some(1.778)]);
    }

    #[test]
    fn a_machine_that_moved_or_was_not_quiet_voids_what_it_took_part_in() {
        let mut result = result_on_kafka(vec![round_on_kafka(3_000)]);
        if let Some(group) = &mut result.workloads.group {
            (group.before.spin_us, group.after.spin_us) = (2_000.0, 2_000.0);
        }
        if let Some(reconnect) = &mut result.workloads.reconnect {
            reconnect.after.spin_us *= 2.0;
        }
        assert!(medians(&group(&result)).iter().all(Option::is_none));
        assert!(medians(&reconnect(&result)).iter().all(Option::is_none));
        assert!(reconnect(&result)[0].name.starts_with("10,000 connections"), "as many as are asked for");
        result.workloads = crate::run::Workloads::default();
        assert_eq!(medians(&connections(&result)), [None; 3]);
        assert_eq!(efficiency(&result).value, None);
    }
}
