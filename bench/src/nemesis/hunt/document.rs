//! The table of planted bugs.

use std::fmt::Write as _;

use im_infra::planted::Bug;

use super::Finding;

const HEAD: &str = "\
# Planted bugs

A ledger that finds nothing shows something only if it finds what is wrong. Each of these bugs was planted in the services
(`im-infra/src/planted.rs`), and the scenarios that should meet it (`bench/src/nemesis/hunt/trial.rs`) were run until the ledger
found it. `gochat-bench nemesis bugs` writes this, do not edit; beside it, in `.jsonl`, is every run.
";

/// As Markdown; a bug without a finding was not looked for yet.
pub fn document(findings: &[(Bug, Option<Finding>)]) -> String {
    let found = findings.iter().filter(|(_, finding)| finding.as_ref().is_some_and(|one| one.found.is_some())).count();
    let mut text = format!("{HEAD}\n{found} found of {} planted.\n\n", findings.len());
    text.push_str(
        "| bug | what is wrong | scenario | on | seed | runs | the ledger said |\n|---|---|---|---|---|---|---|\n",
    );
    for (bug, finding) in findings {
        let _ = write!(text, "| `{bug}` | {} | ", bug.wrong());
        let _ = match finding {
            None => writeln!(text, "not looked for yet | | | | |"),
            Some(Finding { found: None, runs, .. }) => writeln!(text, "**missed** | | | {} | |", runs.len()),
            Some(Finding { found: Some(catch), runs, .. }) => {
                let checks: Vec<&str> = catch.checks.iter().map(String::as_str).collect();
                let (scenario, subject, seed) = (&catch.scenario, catch.subject, catch.seed);
                let (checks, count) = (checks.join(", "), catch.violations);
                writeln!(text, "`{scenario}` | {subject} | {seed} | {} | {checks} ({count}) |", runs.len())
            }
        };
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::nemesis::{Subject, hunt::Catch};

    #[test]
    fn the_table_says_what_was_found_missed_and_not_looked_for() {
        let found = Catch {
            scenario: "kill-standalone".into(),
            subject: Subject::Standalone,
            seed: 2,
            checks: BTreeSet::from(["Lost".to_owned(), "Phantom".to_owned()]),
            violations: 7,
            told: String::new(),
        };
        let finding = |found| Finding { bug: String::new(), found, runs: vec![String::new(); 2] };
        let text = document(&[
            (Bug::AckBeforeCommit, Some(finding(Some(found)))),
            (Bug::NoDedup, Some(finding(None))),
            (Bug::PageNotCut, None),
        ]);
        assert!(text.contains("\n1 found of 3 planted.\n"), "{text}");
        assert!(text.contains(" | `kill-standalone` | standalone | 2 | 2 | Lost, Phantom (7) |\n"), "{text}");
        assert!(text.contains(" | **missed** | | | 2 | |\n") && text.contains(" | not looked for yet | | | | |\n"));
        let rows = text.lines().filter(|line| line.starts_with('|'));
        assert!(rows.clone().count() == 5 && rows.clone().all(|row| row.matches('|').count() == 8), "{text}");
    }
}
