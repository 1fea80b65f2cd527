//! `docs/performance.md`.

use std::fmt::{self, Write as _};

use super::{
    compare,
    peers::PEERS,
    rows::{Row, closed, compares, floors, judged, paced},
};
use crate::{
    load::{Drive, IdleResult},
    run::RunResult,
};

const HEAD: &str = "\
# Performance

Written by `gochat-bench`, not by hand; the raw results are in `docs/performance/`.

## How it was measured

- A round is floor, subject, subject, floor, between two calibrations: a fixed piece of work, a write with fdatasync in place and
  one that appends, spread over a second; of each the interquartile mean.
- **Ratios** are those of a round: the subject's p50 to the sum of the floors' p50s. A round whose calibrations differ by more
  than 1.5 times is dropped. Told are the median of the rounds and its 95 % interval (bootstrap).
- **Absolute figures** come only from rounds whose calibrations lie within 1.5 times the quiet values of the run: the best
  that was seen of the work, the lower quartile of the writes; otherwise the row is **void**.
- The subject's latency counts from the intended time of a message. A floor's counts from its own start: it has no queue.
- Every message is in the ledger, and a run with a lost, doubled, swapped or missed message is no result.
- CPU is user and system time from `/proc`, over the seconds that count, for each message acknowledged in them. The load
  generator shares the machine and is not counted.
- Idle memory is the private dirty memory of the gateway's process, as a slope over five steps.

Floors: produce to consume through rdkafka (acks=all, linger 0) or append to read through the embedded log; a durable insert of
one row with the same settings; a gRPC unary call; a WebSocket echo. All at the subject's rate and message size. The sum with
one hop is what an ack must cost, with two hops what a delivery must cost.

";

/// The document.
pub(crate) fn document(results: &[RunResult]) -> String {
    let mut text = HEAD.to_owned();
    // Writing to a string cannot fail.
    let _ = write(&mut text, results);
    text
}

fn write(text: &mut String, results: &[RunResult]) -> fmt::Result {
    let quick = results.iter().any(|result| result.quick);
    writeln!(text, "Repeat it: `scripts/bench {}`.", if quick { "quick" } else { "full" })?;
    for result in results {
        one(text, result)?;
    }
    peers(text)
}

fn one(text: &mut String, result: &RunResult) -> fmt::Result {
    let RunResult { machine, rounds, .. } = result;
    writeln!(text, "\n## {}\n", result.target)?;
    let kind = if result.quick { "quick: indicative" } else { "full" };
    let cut = if result.interrupted { ", interrupted" } else { "" };
    let counted = rounds.iter().filter(|round| compares(round)).count();
    writeln!(
        text,
        "Version {}, {kind}{cut}, seed {}. {} rounds of {} measured, {counted} of them compare. {}, {} cores, {} MiB, Linux {}.",
        result.version,
        result.seed,
        rounds.len(),
        result.rounds_planned,
        machine.cpu,
        machine.cores,
        machine.memory_mib,
        machine.kernel
    )?;
    if let Some(quiet) = result.quiet {
        writeln!(text, "Quiet: {:.0} us of work, {:.0} us for fdatasync.", quiet.0.spin_us, quiet.0.fdatasync_us)?;
    }
    table(text, "Against the targets", &judged(result))?;
    if let Some(round) = rounds.first() {
        let load = &round.subjects[0].load.plan;
        table(text, &format!("At {}", drive(load.drive, load.pairs, load.payload_bytes)), &paced(result))?;
        table(text, "Floors, p50", &floors(result))?;
        let load = &round.closed.load.plan;
        table(text, &format!("With {}", drive(load.drive, load.pairs, load.payload_bytes)), &closed(result))?;
    }
    if let Some(idle) = &result.idle {
        idle_readings(text, idle)?;
    }
    writeln!(text, "\n### What is lost to whom\n")?;
    compare::lines(result).iter().try_for_each(|line| writeln!(text, "{line}"))
}

fn drive(drive: Drive, pairs: u32, payload_bytes: u32) -> String {
    match drive {
        Drive::Rate(rate) => format!("{rate} messages a second, {pairs} pairs, {payload_bytes} B"),
        Drive::InFlight(unanswered) => format!("{pairs} pairs, {unanswered} in flight each, {payload_bytes} B"),
    }
}

fn table(text: &mut String, title: &str, rows: &[Row]) -> fmt::Result {
    let judged = rows.iter().any(|row| row.target.is_some());
    writeln!(text, "\n### {title}\n")?;
    let (head, line) = if judged { (" at most | |", "---|---|") } else { ("", "") };
    writeln!(text, "| figure | median | 95 % interval | rounds |{head}\n|---|---|---|---|{line}")?;
    for row in rows {
        let cells = match row.value {
            Some(value) if value.low.to_bits() == value.high.to_bits() => {
                format!("{} | | {}", row.unit.format(value.median), value.rounds)
            }
            Some(value) => {
                let format = |value| row.unit.format(value);
                format!("{} | {} to {} | {}", format(value.median), format(value.low), format(value.high), value.rounds)
            }
            None => "void | | 0".to_owned(),
        };
        let verdict = if judged { verdict(row) } else { String::new() };
        writeln!(text, "| {} | {cells} |{verdict}", row.name)?;
    }
    Ok(())
}

fn verdict(row: &Row) -> String {
    match (row.target, row.value) {
        (None, _) => " | |".to_owned(),
        (Some(target), None) => format!(" {} | void |", row.unit.format(target)),
        (Some(target), Some(value)) => {
            let held = if value.median <= target { "held" } else { "**missed**" };
            format!(" {} | {held} |", row.unit.format(target))
        }
    }
}

fn idle_readings(text: &mut String, idle: &IdleResult) -> fmt::Result {
    writeln!(text, "\n### Idle connections to {}\n", idle.process)?;
    writeln!(text, "| connections | private dirty |\n|---|---|")?;
    for (connections, bytes) in &idle.readings {
        writeln!(text, "| {connections} | {} KiB |", bytes / 1_024)?;
    }
    Ok(())
}

fn peers(text: &mut String) -> fmt::Result {
    writeln!(
        text,
        "\n## The peers\n\nMeasured by us on 2 shared cores, on another day, each with the same MariaDB and durable commits where it has one; ranges\n\
        over runs. Throughput, latency and CPU with 100 pairs, 200 B, 8 in flight each; CPU with that of the database; memory\n\
        resident, where ours is private dirty.\n"
    )?;
    writeln!(
        text,
        "| | msg/s | ack p50 | CPU a message | ack p50 at 100 msg/s | idle connection |\n|---|---|---|---|---|---|"
    )?;
    for peer in &PEERS {
        let range = |(low, high): (f64, f64), unit: &str| {
            if low.to_bits() == high.to_bits() { format!("{low} {unit}") } else { format!("{low}-{high} {unit}") }
        };
        let or_none =
            |value: Option<(f64, f64)>, unit| value.map_or_else(|| "-".to_owned(), |value| range(value, unit));
        writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} |",
            peer.name,
            range(peer.messages_per_second, ""),
            range(peer.ack_p50_ms, "ms"),
            range(peer.cpu_us, "us"),
            or_none(peer.paced_ack_p50_ms, "ms"),
            or_none(peer.idle_kib, "KiB")
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{
        super::rows::tests::{result, round},
        *,
    };

    #[test]
    fn the_document_tells_held_missed_and_void() {
        let mut first = result(vec![round(3_000)]);
        let mut second = result(vec![round(9_000)]);
        "processes".clone_into(&mut second.target);
        let text = document(&[first.clone(), second]);
        for part in [
            "## standalone",
            "## processes",
            "| ack p50 / floors with one hop | 1.00 | | 1 | 2.00 | held |",
            "| ack p50 / floors with one hop | 3.00 | | 1 | 2.00 | **missed** |",
            "| idle connection | void | | 0 | 8192 B | void |",
            "quick: indicative",
            "a CPU, 2 cores, 1024 MiB",
            "scripts/bench quick",
            "measured by us",
        ] {
            assert!(text.to_lowercase().contains(&part.to_lowercase()), "{part} not in {text}");
        }
        first.rounds.clear();
        assert!(document(&[first]).contains("| ack p50 / floors with one hop | void |"));
    }

    #[test]
    fn tables_have_as_many_cells_in_each_line() {
        let text = document(&[result(vec![round(3_000), round(4_000)])]);
        for table in text.split("\n\n").filter(|part| part.starts_with('|')) {
            let cells: Vec<usize> = table.lines().map(|line| line.matches('|').count()).collect();
            assert!(cells.windows(2).all(|pair| pair[0] == pair[1]), "{table}");
        }
    }
}
