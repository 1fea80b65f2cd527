//! `docs/performance.md`.

use std::fmt::{self, Write as _};

use super::{
    compare,
    peers::PEERS,
    rows::{Row, Verdict, closed, first_targets, floors, hot_road_targets, knee, loaded, paced, single, tenth, worth},
};
use crate::{
    load::{Drive, IdleResult},
    plot::FIGURES,
    run::RunResult,
};

const HEAD: &str = "\
# Performance

Written by `gochat-bench`, not by hand; the raw results are in `docs/performance/`.

## How it was measured

- A round is floor, subject, subject, floor at a fixed pace, between two calibrations: a fixed piece of work, a write with
  fdatasync in place and one that appends, spread over a second; of each the interquartile mean. Then closed loops with 8 and
  with 1 in flight, and the knee: the first of them gives the maximum rate of the round, and paced loads follow at 10, 30, 50, 70
  and 90 % of it (quick: 10, 70 and 90), at 10 % again as floor, subject, subject, floor. A calibration follows each. A share
  that falls behind is no failure but over the knee, and told so.
- **Ratios** are those of a round: the subject's p50 to the sum of the floors' p50s. A round whose calibrations differ by more
  than 1.5 times is dropped. Told are the median of the rounds and its interval: 95 % of the medians of resampled rounds (bootstrap),
  which of three rounds are all from the lowest to the highest.
- The floors of such a sum are measured one after the other, each with the machine to itself. At 10 % of the maximum a full run has
  another row: the floors beneath a delivery **all at the same time**, at the same pace, over 16 lanes each. A machine that is full
  with the floors alone cannot be faster with them in a row. Where one of them cannot keep that pace the row is void, and the next
  one says how much of it it keeps.
- Before the first round of a full run there is a closed loop and one pass of the floors that do not count: what has just started
  connects, fills its caches, and Kafka's virtual machine compiles.
- **Absolute figures** come only from rounds whose calibrations lie within 1.5 times the quiet values of the run: the best
  that was seen of the work, the lower quartile of the writes; otherwise the row is **void**. So is one that nothing was measured
  for. Idle memory and plateaus are of all that was measured.
- **Must** is what a figure has to hold, **aim** what it should become; the median is judged.
- The subject's latency counts from the intended time of a message. A floor's counts from its own start: it has no queue, except
  where several floors are measured at the same time.
- Every message is in the ledger, and a run with a lost, doubled, swapped or missed message is no result.
- CPU is user and system time from `/proc`, over the seconds that count, for each message acknowledged in them. The load
  generator shares the machine and is not counted.
- Idle memory is the private dirty memory of the gateway's process, as a slope over five steps. Each connection is of a user of
  its own with 20 conversations and sends its heartbeat. Each 200 users share their 20 groups, which are made before the first
  reading, so that thousands of users have them within seconds; none of the groups is large. Everybody has been connected once
  by then, 32 at a time: what a service keeps of users, within a bound of its own, is no connection's.
- After the rounds, in a full run three times, all of it in turn, between calibrations of their own, for the first of which a full
  run waits up to a minute until the disk is quiet: logins of guests and a group; and each just after the floor that it is compared with, idle
  connections, large groups and connections that are all cut at the same time. A quick run has fewer of everything, once.
- A write loop goes through all sockets as often as the group gets a message or a burst, not again and again: most of what a
  write costs is to reach what no cache holds any more. The subject also does what it does without messages, the loop nothing.
- Before the group of 1,000 is written to there are seconds in which nobody writes. What the servers use in them is a part of what
  a delivery costs at two messages a second, and is told as such.
- Who keeps talking while all other connections are cut does so on a thread of its own: those who come back keep the load
  generator busy, and nobody should wait for that.
- A floor with many operations at the same time tells the CPU of an operation under load. Together those beneath a message are
  two hops, a hundredth of a durable batch of 100 rows, a call and a WebSocket round trip.

Floors, each on a thread of its own, after a first operation that does not count: produce to consume through rdkafka (acks=all,
linger 0) or append to read through the embedded log; a durable insert of one row with the same settings; a gRPC unary call; a
WebSocket echo. All at the subject's rate and message size, or as fast as one after the other allows. The sum with one hop is what an
ack must cost, with two hops what a delivery must cost.

";

/// The document. The plots are in a file of this name beside it.
pub(crate) fn document(results: &[RunResult], plots: &str) -> String {
    let mut text = HEAD.to_owned();
    // Writing to a string cannot fail.
    let _ = write(&mut text, results, plots);
    text
}

fn write(text: &mut String, results: &[RunResult], plots: &str) -> fmt::Result {
    let quick = results.iter().any(|result| result.plan.quick);
    writeln!(
        text,
        "Repeat it: `scripts/bench {}`. The same as plots: [{plots}]({plots}).",
        if quick { "quick" } else { "full" }
    )?;
    for result in results {
        one(text, result, plots)?;
    }
    peers(text)
}

fn one(text: &mut String, result: &RunResult, plots: &str) -> fmt::Result {
    let RunResult { machine, rounds, .. } = result;
    writeln!(text, "\n## {}\n", result.target)?;
    let counted = rounds.iter().filter(|round| round.compares()).count();
    writeln!(
        text,
        "Version {}, {}, seed {}. {} rounds of {} measured, {counted} of them compare. {}, {} cores, {} MiB, Linux {}.",
        result.version,
        worth(result),
        result.plan.seed,
        rounds.len(),
        result.plan.rounds,
        machine.cpu,
        machine.cores,
        machine.memory_mib,
        machine.kernel
    )?;
    if let Some(quiet) = result.quiet() {
        writeln!(text, "Quiet: {:.0} us of work, {:.0} us for fdatasync.", quiet.0.spin_us, quiet.0.fdatasync_us)?;
    }
    let links = FIGURES.map(|(figure, name)| format!("[{name}]({plots}#{}-{figure})", result.short_name()));
    writeln!(text, "\nPlots: {}.", links.join(", "))?;
    table(text, "Against the targets of the hot road", &hot_road_targets(result))?;
    table(text, "Against the first targets", &first_targets(result))?;
    if let Some(round) = rounds.first() {
        let load = &round.subjects[0].load.plan;
        table(text, &format!("At {}", drive(load.drive, load.pairs, load.payload_bytes)), &paced(result))?;
        table(text, "Floors at the same pace, p50", &floors(result))?;
        for (played, rows) in [(&round.closed, closed(result)), (&round.single, single(result))] {
            let load = &played.load.plan;
            table(text, &format!("With {}", drive(load.drive, load.pairs, load.payload_bytes)), &rows)?;
        }
        table(text, "At 10 % of the maximum", &tenth(result))?;
        table(text, "Above 10 % of the maximum", &knee(result))?;
    }
    if !result.workloads.loaded.is_empty() {
        table(text, "Floors with many operations at the same time, CPU of each", &loaded(result))?;
    }
    if let Some(idle) = result.idle() {
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
    let judged = rows.iter().any(|row| row.verdict().is_some());
    writeln!(text, "\n### {title}\n")?;
    let (head, line) = if judged { (" must | aim | |", "---|---|---|") } else { ("", "") };
    writeln!(text, "| figure | median | interval | rounds or times |{head}\n|---|---|---|---|{line}")?;
    for row in rows {
        let cells = match row.value {
            Some(value) => {
                let interval = row.interval().map_or_else(|| " ".to_owned(), |interval| format!(" {interval} "));
                format!("{} |{interval}| {}", row.unit.format(value.median), value.rounds)
            }
            None => "void | | 0".to_owned(),
        };
        let asked =
            if judged { [row.must(), row.aim(), verdict(row)].map(|text| cell(&text)).concat() } else { String::new() };
        writeln!(text, "| {} | {cells} |{asked}", row.name)?;
    }
    Ok(())
}

fn cell(text: &str) -> String {
    if text.is_empty() { " |".to_owned() } else { format!(" {text} |") }
}

/// What came of it; what was missed stands out.
fn verdict(row: &Row) -> String {
    match row.verdict() {
        None => String::new(),
        Some(Verdict::Missed) => format!("**{}**", Verdict::Missed),
        Some(verdict) => verdict.to_string(),
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
    use super::*;
    use crate::run::sample::{result, result_on_kafka, round, round_on_kafka};

    #[test]
    fn the_document_tells_held_missed_and_void() {
        let mut first = result(vec![round(3_000)]);
        let text = document(&[first.clone(), result_on_kafka(vec![round_on_kafka(9_000)])], "performance.html");
        for part in [
            "## standalone",
            "## processes",
            "| ack p50 at 100 msg/s / floors with one hop | 1.00 | | 1 | at most 2.00 | | held |",
            "| ack p50 at 100 msg/s / floors with one hop | 2.25 | | 1 | at most 2.00 | | **missed** |",
            "| idle connection | void | | 0 | at most 8192 B | | void |",
            "| 100 pairs, 8 in flight: messages | 6000/s | | 1 | at least 5000/s | 9000/s | held |",
            "| delivery p99 at 70 % of the maximum / at 10 % | 2.00 | | 1 | at most 5.00 | 3.00 | held, aim reached |",
            "| group of 1,000 online: CPU a delivery of gateway, logic, repo and task | 10 us | | 1 | at most 12 us | 9 us | held |",
            "| group of 5,000 online: gateway's CPU a recipient / write loop at its pace | void | | 0 | at most 1.60 | 1.20 | void |",
            "| 2,000 connections live again / bare handshakes | 2.00 | | 1 | at most 3.00 | 2.00 | held, aim reached |",
            "| MariaDB, 100 rows | 400 us | | 1 |",
            "[latency over rate](performance.html#standalone-knee)",
            "quick: indicative",
            "a CPU, 2 cores, 1024 MiB",
            "scripts/bench quick",
            "measured by us",
        ] {
            assert!(text.to_lowercase().contains(&part.to_lowercase()), "{part} not in {text}");
        }
        first.rounds.clear();
        let text = document(&[first], "performance.html");
        assert!(text.contains("| ack p50 at 100 msg/s / floors with one hop | void |"), "{text}");
    }

    #[test]
    fn a_run_that_was_cut_says_so() {
        let cut = RunResult { finished: false, ..result(vec![round(3_000)]) };
        assert!(document(&[cut], "p.html").contains("indicative, interrupted, seed 1. 1 rounds of 3 measured"));
    }

    #[test]
    fn tables_have_as_many_cells_in_each_line() {
        let text = document(&[result(vec![round(3_000), round(4_000)])], "performance.html");
        for table in text.split("\n\n").filter(|part| part.starts_with('|')) {
            let cells: Vec<usize> = table.lines().map(|line| line.matches('|').count()).collect();
            assert!(cells.windows(2).all(|pair| pair[0] == pair[1]), "{table}");
        }
    }
}
