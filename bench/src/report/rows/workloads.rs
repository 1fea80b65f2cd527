//! Targets of what is measured after the rounds. A row without a figure is void: it says what is asked, and that nothing shows it.

use super::{
    figures::{all_servers, all_servers_cpu_us, is_on_kafka, ours, over, over_times},
    row::{Asked, Row, Unit},
};
use crate::{
    load::{GroupResult, LoginResult, ReconnectResult},
    measure::Interval,
    run::{Beside, FloorTimes, Round, RunResult, Workloads, composed_cpu_us},
};

/// What is asked of a run of full length; a shorter one has fewer.
const CLOSED: u64 = 15_000;
const CUT: u32 = 10_000;
/// Seconds after which memory is asked for.
const CLOSED_SECONDS: u64 = 30;

/// A figure of the times on a quiet machine, as absolute figures need it.
fn quiet<T>(result: &RunResult, times: &[Beside<T>], figure: impl Fn(&T) -> f64) -> Option<Interval> {
    over_times(result, times, |beside| result.is_quiet_beside(beside), |beside| Some(figure(&beside.found)))
}

/// A figure beside its floor, of the times on a machine that stayed the same.
fn steady<T>(result: &RunResult, times: &[Beside<T>], figure: impl Fn(&Beside<T>) -> Option<f64>) -> Option<Interval> {
    over_times(result, times, Beside::compares, figure)
}

/// With a mark between thousands.
fn grouped(count: u64) -> String {
    if count < 1_000 { count.to_string() } else { format!("{},{:03}", grouped(count / 1_000), count % 1_000) }
}

/// What connections cost beside their memory, and what bare ones take of that.
pub(super) fn connections(result: &RunResult) -> Vec<Row> {
    let times = &result.workloads.idle;
    let bare = over_times(result, times, |_| true, |beside| beside.floor?.connection_bytes);
    let kept = over_times(result, times, |_| true, |beside| beside.found.kept_percent());
    let (count, seconds) =
        result.idle().map_or((CLOSED, CLOSED_SECONDS), |idle| (idle.connections, idle.closed_seconds));
    let kept_name = format!("memory kept {seconds} s after {} connections were closed", grouped(count));
    let login = quiet(result, &result.workloads.login, |login: &LoginResult| {
        if is_on_kafka(result) { all_servers(login.cpu_us_per_login()) } else { ours(login.cpu_us_per_login()) }
    });
    vec![
        Row::told("bare idle connection", Unit::Bytes, bare),
        Row::told(kept_name, Unit::Percent, kept).asked(Asked::at_most(15.0).aim(5.0)),
        Row::told("CPU a login without a password hash, all servers", Unit::Micros, login)
            .asked(Asked::at_most(400.0).aim(200.0)),
    ]
}

/// The floors' CPU a message under load, put together, of what a message costs.
pub(super) fn efficiency(result: &RunResult) -> Row {
    let composed = |times: &FloorTimes| composed_cpu_us(times).unwrap_or(f64::NAN);
    let value = quiet(result, &result.workloads.loaded, composed).and_then(|composed_us| {
        let all_us = |round: &Round| all_servers_cpu_us(&round.closed);
        over(result, |round| result.is_quiet_closed(round), |round| composed_us.median / all_us(round))
    });
    Row::told("CPU a message of the floors / of all servers", Unit::Ratio, value).asked(Asked::at_least(0.25).aim(0.45))
}

/// Messages to groups whose members are all connected.
pub(super) fn group(result: &RunResult) -> Vec<Row> {
    let Workloads { group, large_group, burst, .. } = &result.workloads;
    let cpu = |of: fn(&GroupResult) -> f64| quiet(result, group, of);
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
        Row::told(
            "group of 1,000 online: last member p50",
            Unit::Millis,
            cpu(|group| group.last_member.p50_us as f64 / 1_000.0),
        )
        .asked(Asked::at_most(15.0).aim(10.0)),
        Row::told(
            "group of 5,000 online: gateway's CPU a recipient / write loop at its pace",
            Unit::Ratio,
            steady(result, large_group, against_loop),
        )
        .asked(Asked::at_most(1.6).aim(1.2)),
        Row::told("the same, bursts of 16 / coalesced write loop", Unit::Ratio, steady(result, burst, against_loop))
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
    let times = &result.workloads.reconnect;
    let count = times.iter().find(|beside| beside.compares()).map_or(CUT, |beside| beside.found.plan.connections);
    let name = format!("{} connections live again / bare handshakes", grouped(count.into()));
    vec![
        Row::told(name, Unit::Ratio, steady(result, times, live_again)).asked(Asked::at_most(3.0).aim(2.0)),
        Row::told("delivery p99 of other connections meanwhile / before", Unit::Ratio, steady(result, times, others))
            .asked(Asked::at_most(1.5)),
    ]
}

fn live_again(reconnect: &Beside<ReconnectResult>) -> Option<f64> {
    Some(reconnect.found.live_seconds * 1_000.0 / reconnect.floor?.all_ms?)
}

/// Where all were live again before anybody else had sent anything nothing is known.
fn others(reconnect: &Beside<ReconnectResult>) -> Option<f64> {
    let ReconnectResult { before, during, .. } = &reconnect.found;
    (during.delivery.count > 0).then(|| during.delivery.p99_us as f64 / before.delivery.p99_us as f64)
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
        if let Some(group) = result.workloads.group.first_mut() {
            group.found.plan.silent_seconds = 0;
        }
        let told = medians(&group(&result));
        assert_eq!((told[1], told[3]), (None, None));
        assert!(told[0].is_some() && told[2].is_some());
    }

    #[test]
    fn others_who_said_nothing_meanwhile_were_not_undisturbed() {
        let mut result = result_on_kafka(Vec::new());
        if let Some(reconnect) = result.workloads.reconnect.first_mut() {
            reconnect.found.during = Default::default();
        }
        assert_eq!(medians(&reconnect(&result)), [Some(2.0), None]);
    }

    #[test]
    fn a_burst_is_compared_with_a_loop_that_writes_as_many() {
        let mut result = result_on_kafka(Vec::new());
        let floor = |cpu_us| Some(FloorResult { cpu_us: Some(cpu_us), ..FloorResult::default() });
        // 5.556 us of the gateway for each delivery.
        result.workloads.large_group = vec![beside(floor(5.0), group_of(5_000, 1))];
        result.workloads.burst = vec![beside(floor(50.0), group_of(5_000, 16))];
        assert_eq!(medians(&group(&result))[5..], [Some(1.111), Some(1.778)]);
    }

    #[test]
    fn what_was_measured_several_times_has_an_interval() {
        let mut result = result_on_kafka(vec![round_on_kafka(3_000)]);
        let mut again = result.workloads.reconnect[0].clone();
        again.found.live_seconds *= 2.0;
        result.workloads.reconnect.extend([again.clone(), again]);
        let live = reconnect(&result)[0].value.unwrap();
        assert_eq!((live.median, live.low, live.high, live.rounds), (4.0, 2.0, 4.0, 3));
    }

    #[test]
    fn a_machine_that_moved_or_was_not_quiet_voids_what_it_took_part_in() {
        let mut result = result_on_kafka(vec![round_on_kafka(3_000)]);
        if let Some(group) = result.workloads.group.first_mut() {
            (group.before.spin_us, group.after.spin_us) = (2_000.0, 2_000.0);
        }
        if let Some(reconnect) = result.workloads.reconnect.first_mut() {
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
