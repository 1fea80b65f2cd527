//! Tables of workloads for a terminal.

use super::text::{heading, interrupted, line, told_of_all};
use crate::load::{GroupResult, MixedResult, ReconnectResult, Sum, SyncResult};

/// What a load of one group did.
pub(crate) fn group_table(result: &GroupResult) -> String {
    let (sum, seconds) = (&result.sum, result.seconds.max(f64::EPSILON));
    let mut lines = vec![
        format!(
            "{} deliveries to {} members in {:.1} s: {:.0}/s{}",
            result.deliveries,
            result.plan.members,
            result.seconds,
            result.deliveries as f64 / seconds,
            interrupted(sum.interrupted)
        ),
        heading(),
        line("send to ack", &result.ack),
        line("to any member", &result.member),
        line("to the median member", &result.median_member),
        line("to the last member", &result.last_member),
    ];
    let silent: Vec<String> =
        result.silent_us_per_delivery().map(|(process, us)| format!("{process} {us:.1} us")).collect();
    if !silent.is_empty() {
        lines.push(format!("of the CPU for each delivery, what is used while nobody writes: {}", silent.join(", ")));
    }
    finished(lines, sum, ("delivery", result.deliveries))
}

/// What cutting all connections did.
pub(crate) fn reconnect_table(result: &ReconnectResult) -> String {
    let sum = &result.sum;
    let mut lines = vec![
        format!(
            "{} of {} connections live again after {:.3} s, {} attempts failed{}",
            result.live,
            result.plan.connections,
            result.live_seconds,
            result.failed,
            interrupted(sum.interrupted)
        ),
        heading(),
        line("hello to welcome", &result.hello),
        line("handshake", &result.handshake),
        line("cut to live", &result.outage),
        line("others' ack before", &result.before.ack),
        line("others' ack during", &result.during.ack),
        line("others' delivery before", &result.before.delivery),
        line("others' delivery during", &result.during.delivery),
    ];
    if result.before.delivery.p99_us > 0 && result.during.delivery.count > 0 {
        let ratio = result.during.delivery.p99_us as f64 / result.before.delivery.p99_us as f64;
        lines.push(format!("others' delivery p99, during / before: {ratio:.2}"));
    }
    lines.push(format!("{} pairs of those who came back wrote to each other", result.tried));
    finished(lines, sum, ("resumed connection", result.live))
}

/// What devices that were away did.
pub(crate) fn sync_table(result: &SyncResult) -> String {
    let sum = &result.sum;
    let each = |count: u64| count as f64 / result.level.max(1) as f64;
    let lines = vec![
        format!(
            "{} of {} devices level: for each {:.1} entries in {:.1} pages and {:.1} fetches, {:.1} KiB{}",
            result.level,
            result.plan.devices,
            each(result.entries),
            each(result.pages),
            each(result.fetches),
            each(result.received_bytes) / 1_024.0,
            interrupted(sum.interrupted)
        ),
        heading(),
        line("hello to welcome", &result.hello),
        line("come back to level", &result.until_level),
    ];
    finished(lines, sum, ("entry", result.entries_counted))
}

/// What a load of everything did.
pub(crate) fn mixed_table(result: &MixedResult) -> String {
    let (sum, seconds) = (&result.sum, result.seconds.max(f64::EPSILON));
    let lines = vec![
        format!(
            "{} messages and histories in {:.1} s: {:.0}/s; {} read cursors{}",
            result.deeds,
            result.seconds,
            result.deeds as f64 / seconds,
            result.read_cursors,
            interrupted(sum.interrupted)
        ),
        heading(),
        line("direct: send to ack", &result.direct_ack),
        line("direct: to delivery", &result.direct_delivery),
        line("group: send to ack", &result.group_ack),
        line("group: to any member", &result.group_delivery),
        line("read to receipt", &result.receipt),
        line("history", &result.history),
    ];
    finished(lines, sum, ("message or history", result.deeds))
}

fn finished(mut lines: Vec<String>, sum: &Sum, (one, count): (&str, u64)) -> String {
    lines.extend(told_of_all(&sum.refused, (one, sum.cpu_us_per(count)), &sum.ledger));
    lines.join("\n")
}
