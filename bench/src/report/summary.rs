//! What was asked and what came of it, for a terminal.

use std::fmt::Write as _;

use super::rows::{Row, first_targets, hot_road_targets, worth};
use crate::run::RunResult;

/// A line for each figure of which something was asked, with its interval, by target.
pub(crate) fn summary(results: &[RunResult]) -> String {
    let mut text = String::new();
    for result in results {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{}, {}", result.target, worth(result));
        let rows = [hot_road_targets(result), first_targets(result)].concat();
        for row in rows.iter().filter(|row| row.asked.is_some()) {
            let _ = writeln!(text, "  {}", line(row));
        }
    }
    text.trim_end().to_owned()
}

fn line(row: &Row) -> String {
    let verdict = row.verdict().map_or_else(String::new, |verdict| verdict.to_string());
    let value = row.value.map_or_else(|| "-".to_owned(), |value| row.unit.format(value.median));
    let aim = if row.aim().is_empty() { String::new() } else { format!(", aim {}", row.aim()) };
    format!("{verdict:<18}{value:>12}  {:<24}{:<44}{}", row.interval().unwrap_or_default(), row.must() + &aim, row.name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::sample::{result, result_on_kafka, round, round_on_kafka};

    #[test]
    fn each_figure_is_told_with_its_interval_its_limit_and_what_came_of_it() {
        let rounds = vec![round_on_kafka(6_000), round_on_kafka(6_400), round_on_kafka(6_200)];
        let text = summary(&[result(vec![round(3_000)]), result_on_kafka(rounds)]);
        assert!(
            text.starts_with("standalone, quick: indicative\n") && text.contains("\nprocesses, quick: indicative\n")
        );
        let find = |name: &str| text.lines().rfind(|line| line.ends_with(name)).unwrap();
        let ack = find("ack p50 at 10 % / floors with one hop");
        assert_eq!(
            ack.split_whitespace().collect::<Vec<_>>().join(" "),
            "held 1.55 1.50 to 1.60 at most 1.60, aim 1.20 ack p50 at 10 % / floors with one hop"
        );
        assert!(find("bursts of 16 / coalesced write loop").trim_start().starts_with("void"));
        let columns: Vec<Option<usize>> = text.lines().skip(1).map(|line| line.find("at most")).collect();
        assert!(columns.iter().flatten().all(|at| Some(at) == columns.iter().flatten().next()), "{text}");
    }
}
