//! What is lost to whom, and where the time goes.

use super::{
    peers::{PEERS, Peer},
    rows::{ALL_CPU, Row, closed, cpu, paced},
};
use crate::run::RunResult;

/// A line for each comparison that can be made.
pub(super) fn lines(result: &RunResult) -> Vec<String> {
    let of = |rows: Vec<Row>, name: &str| {
        rows.into_iter().find(|row| row.name == name).and_then(|row| row.value).map(|value| value.median)
    };
    let figures = [
        ("throughput", of(closed(result), "messages"), true, "msg/s"),
        ("ack p50 in the closed loop", of(closed(result), "ack p50"), false, "ms"),
        ("CPU a message", of(cpu(result), ALL_CPU), false, "us"),
        ("ack p50 at 100 msg/s", of(paced(result), "ack p50"), false, "ms"),
        ("idle connection", result.idle().map(|idle| idle.bytes_per_connection / 1_024.0), false, "KiB"),
    ];
    let mut lines = Vec::new();
    for (name, ours, more_is_better, unit) in figures {
        let Some(ours) = ours else {
            lines.push(format!("- {name}: void here, so it is compared with nobody."));
            continue;
        };
        let lost: Vec<String> =
            PEERS.iter().filter_map(|peer| lost_to(peer, theirs(peer, name)?, ours, more_is_better, unit)).collect();
        if lost.is_empty() {
            lines.push(format!("- {name}, {ours:.1} {unit}: lost to none of them."));
        } else {
            lines.push(format!("- {name}, {ours:.1} {unit}: lost to {}.", lost.join("; to ")));
        }
    }
    lines.extend(largest_part(result));
    lines
}

fn theirs(peer: &Peer, name: &str) -> Option<(f64, f64)> {
    match name {
        "throughput" => Some(peer.messages_per_second),
        "ack p50 in the closed loop" => Some(peer.ack_p50_ms),
        "CPU a message" => Some(peer.cpu_us),
        "ack p50 at 100 msg/s" => peer.paced_ack_p50_ms,
        _ => peer.idle_kib,
    }
}

/// Lost is what is worse than the peer's best run.
fn lost_to(peer: &Peer, (low, high): (f64, f64), ours: f64, more_is_better: bool, unit: &str) -> Option<String> {
    let lost = if more_is_better { ours < high } else { ours > low };
    let without =
        if peer.without.is_empty() { String::new() } else { format!(", which does without {}", peer.without) };
    lost.then(|| format!("{} ({low}-{high} {unit}{without})", peer.name))
}

/// The process that takes most, which is where to look first.
fn largest_part(result: &RunResult) -> Option<String> {
    let rows = cpu(result);
    let (all, parts): (Vec<_>, Vec<_>) = rows.iter().partition(|row| row.name == ALL_CPU);
    let all = all.first()?.value?.median;
    let most = parts
        .iter()
        .filter_map(|row| Some((row.name.rsplit(", ").next()?, row.value?.median)))
        .max_by(|a, b| a.1.total_cmp(&b.1))?;
    let share = most.1 / all * 100.0;
    Some(format!(
        "- Why: of {all:.0} us CPU a message {} takes {:.0} ({share:.0} %), more than any other.",
        most.0, most.1
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::sample::{result, round};

    #[test]
    fn what_is_lost_is_named_with_whom_and_why() {
        let lines = lines(&result(vec![round(3_000)])).join("\n");
        assert!(lines.contains("throughput, 6000.0 msg/s: lost to WuKongIM 2.2"), "{lines}");
        assert!(lines.contains("which does without storing anything"), "{lines}");
        assert!(lines.contains("ack p50 at 100 msg/s, 3.0 ms: lost to Tinode"), "{lines}");
        assert!(lines.contains("idle connection: void here"), "{lines}");
        assert!(lines.contains("of 200 us CPU a message standalone takes 200 (100 %)"), "{lines}");
    }
}
