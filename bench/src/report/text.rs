//! Tables for a terminal.

use std::collections::BTreeMap;

use crate::{
    floors::{Floor, FloorResult},
    load::{IdleResult, Verdict},
    measure::{Plateau, Summary},
    run::LoadResult,
};

/// What a load did.
pub(crate) fn direct_table(result: &LoadResult) -> String {
    let load = &result.load;
    let mut lines = vec![
        format!(
            "{} messages acknowledged in {:.1} s: {:.0}/s{}",
            load.acknowledged,
            load.seconds,
            load.messages_per_second,
            interrupted(load.interrupted)
        ),
        heading(),
        line("send to ack", &load.ack),
        line("send to delivery", &load.delivery),
        plateaus("ack", &load.ack_plateaus),
        plateaus("delivery", &load.delivery_plateaus),
    ];
    lines.extend(told_of_all(&load.refused, ("message", result.cpu_us_per_message()), &load.ledger));
    lines.join("\n")
}

pub(super) const fn interrupted(is_so: bool) -> &'static str {
    if is_so { " (interrupted)" } else { "" }
}

/// What every load tells in the end: refusals, microseconds of CPU by process for each of something, the verdict.
pub(super) fn told_of_all<'a>(
    refused: &BTreeMap<String, u64>,
    (one, cpu_us): (&str, impl Iterator<Item = (&'a str, f64)>),
    ledger: &Verdict,
) -> Vec<String> {
    let mut lines = Vec::new();
    if !refused.is_empty() {
        let refused: Vec<String> = refused.iter().map(|(code, count)| format!("{count} {code}")).collect();
        lines.push(format!("refused: {}", refused.join(", ")));
    }
    let cpu: Vec<String> = cpu_us.map(|(process, us)| format!("{process} {us:.1} us")).collect();
    if !cpu.is_empty() {
        lines.push(format!("CPU for each {one}: {}", cpu.join(", ")));
    }
    lines.push(format!(
        "ledger: {} sent, {} acknowledged, {} unknown, {} in the readers' history, {} pushes ({} due and judged), {} violations",
        ledger.sent, ledger.acknowledged, ledger.unknown, ledger.entries, ledger.pushes, ledger.pushes_due, ledger.violations
    ));
    lines
}

/// What the floors took; CPU for each operation or recipient, and "-" where a server's is not known.
pub(crate) fn floors_table(floors: &[(Floor, FloorResult)]) -> String {
    let timed = floors.iter().filter(|(_, found)| found.connection_bytes.is_none());
    let rows = timed.map(|(floor, found)| {
        let cpu = found.cpu_us.map_or_else(|| "-".to_owned(), |us| format!("{us:.1}"));
        format!("{}{cpu:>11}", line(&floor.to_string(), &found.times))
    });
    let head = format!("{}{:>11}", heading(), "CPU us");
    let more = floors.iter().filter_map(|(floor, found)| {
        let memory = found.connection_bytes.map(|bytes| format!("{floor}: {bytes:.0} bytes of the server for each"));
        memory.or_else(|| found.all_ms.map(|ms| format!("{floor}: all {} in {ms:.0} ms", found.times.count)))
    });
    std::iter::once(head).chain(rows).chain(more).collect::<Vec<_>>().join("\n")
}

/// What idle connections took.
pub(crate) fn idle_table(idle: &IdleResult) -> String {
    let readings =
        idle.readings.iter().map(|(connections, bytes)| format!("{connections:>12} {:>12} KiB", bytes / 1_024));
    let head = format!("{:>12} {:>16}", "connections", "private dirty");
    let slope = format!(
        "{:.0} bytes of {} for each connection of a user with {} conversations",
        idle.bytes_per_connection, idle.process, idle.conversations
    );
    let kept = idle.kept_percent().map(|percent| {
        format!("{percent:.1} % of what it grew by is kept {} s after all were closed", idle.closed_seconds)
    });
    std::iter::once(head).chain(readings).chain([slope]).chain(kept).collect::<Vec<_>>().join("\n")
}

pub(super) fn heading() -> String {
    format!(
        "{:<24}{:>9}{:>11}{:>11}{:>11}{:>11}{:>11}",
        "", "count", "p50 ms", "p90 ms", "p99 ms", "p99.9 ms", "max ms"
    )
}

pub(super) fn line(name: &str, summary: &Summary) -> String {
    let times = [summary.p50_us, summary.p90_us, summary.p99_us, summary.p999_us, summary.max_us];
    let times: String = times.iter().map(|us| format!("{:>11.3}", *us as f64 / 1_000.0)).collect();
    format!("{name:<24}{:>9}{times}", summary.count)
}

fn plateaus(name: &str, plateaus: &[Plateau]) -> String {
    let shares: Vec<String> =
        plateaus.iter().map(|plateau| format!("{:.2} % at {} ms", plateau.share * 100.0, plateau.at_ms)).collect();
    format!("{name}, fullest 10 ms: {}", shares.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_refused_and_what_it_cost_is_told() {
        let mut refused = BTreeMap::new();
        let told = |refused: &BTreeMap<String, u64>| {
            told_of_all(refused, ("delivery", [("gateway", 10.0)].into_iter()), &Verdict::default()).join("\n")
        };
        let text = told(&refused);
        assert!(text.contains("CPU for each delivery: gateway 10.0 us") && !text.contains("refused"), "{text}");
        refused.insert("overloaded".into(), 3);
        assert!(told(&refused).contains("refused: 3 overloaded"));
    }

    #[test]
    fn columns_stand_under_their_heads() {
        let summary =
            Summary { count: 9, p50_us: 1_234, p90_us: 2_000, p99_us: 3_000, p999_us: 4_000, max_us: 60_000_000 };
        let known = FloorResult { times: summary, cpu_us: Some(41.52), ..FloorResult::default() };
        let text = floors_table(&[(Floor::Echo, known), (Floor::KafkaHop, FloorResult { cpu_us: None, ..known })]);
        let lengths: Vec<usize> = text.lines().map(str::len).collect();
        assert!(lengths.windows(2).all(|pair| pair[0] == pair[1]), "{text}");
        assert!(text.contains("41.5\n") && text.ends_with("          -"), "{text}");
        let idle = FloorResult { connection_bytes: Some(2_775.2), ..FloorResult::default() };
        let shaken = FloorResult { all_ms: Some(812.0), ..known };
        let more = floors_table(&[(Floor::IdleConnection, idle), (Floor::Handshake, shaken)]);
        let last: Vec<&str> = more.lines().skip(2).collect();
        assert_eq!(
            last,
            ["idle connection: 2775 bytes of the server for each", "handshake: all 9 in 812 ms"],
            "{more}"
        );
        let kept = "10.0 % of what it grew by is kept 30 s after all were closed";
        assert!(idle_table(&crate::run::sample::idle()).ends_with(kept));
        assert!(text.contains("1.234") && text.contains("60000.000") && text.contains("WebSocket echo"), "{text}");
    }
}
