//! The table of a campaign.

use std::fmt::Write as _;

use super::{super::fault::Subject, summary::Summary};

const HEAD: &str = "\
# A campaign under faults

Each run starts the system on real parts of its own, lets users talk, hurts it as its scenario says, heals it, and has the ledger
judge what everybody sees in the end ([CONTRIBUTING.md](../CONTRIBUTING.md#proof-under-faults)). A run counts if its faults met
commands without an outcome and enough was said; else it is void, and another one is done from another seed. What is said of runs
below is said of those that count. `gochat-bench nemesis campaign` writes this, do not edit.
";

/// As Markdown, a chapter for each subject. `raw` is the folder beside it that holds every try in a line.
pub(super) fn document(chapters: &[(Subject, Summary)], raw: &str) -> String {
    let mut text = HEAD.to_owned();
    for (subject, summary) in chapters {
        let Summary { wanted, counted, clean, violated, void, failed, by_scenario, .. } = summary;
        let Summary { load_ms, faults, hits, acknowledged, unknown, pushes_due, .. } = summary;
        let _ = write!(
            text,
            "\n## {subject}\n\n{counted} of {wanted} runs: {clean} clean, {} violated. Beside them {} were void, and {} could not be \
             done. Every try: [{subject}.jsonl]({raw}/{subject}.jsonl).\n",
            violated.len(),
            void.len(),
            failed.len()
        );
        if !violated.is_empty() {
            let names: Vec<String> = violated.iter().map(|name| format!("`{name}`")).collect();
            let _ = write!(text, "\n**Violated:** {}.\n", names.join(", "));
        }
        let _ = write!(
            text,
            "\n| seconds of load | faults | met commands without an outcome | acknowledged | unknown | pushes due |\n\
             |---|---|---|---|---|---|\n\
             | {} | {faults} | {hits} | {acknowledged} | {unknown} | {pushes_due} |\n\n\
             | scenario | clean / counted | faults | acknowledged |\n|---|---|---|---|\n",
            load_ms / 1_000
        );
        for (scenario, share) in by_scenario {
            let _ = writeln!(
                text,
                "| `{scenario}` | {} / {} | {} | {} |",
                share.clean, share.counted, share.faults, share.acknowledged
            );
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{super::summary::Share, *};

    #[test]
    fn each_subject_has_a_chapter_that_says_what_was_clean_violated_void_and_not_done() {
        let shares = [
            ("kill-logic", Share { counted: 2, clean: 1, faults: 9, acknowledged: 500 }),
            ("redis-flush", Share { counted: 1, clean: 1, faults: 3, acknowledged: 400 }),
        ];
        let processes = Summary {
            wanted: 200,
            counted: 3,
            clean: 2,
            violated: vec!["processes-0007-kill-logic-8".into()],
            void: vec![String::new(); 4],
            failed: vec![String::new()],
            by_scenario: BTreeMap::from(shares.map(|(scenario, share)| (scenario.to_owned(), share))),
            load_ms: 90_500,
            faults: 12,
            hits: 11,
            acknowledged: 900,
            unknown: 5,
            pushes_due: 3_600,
        };
        let standalone = Summary { wanted: 50, ..Summary::default() };
        let text = document(&[(Subject::Processes, processes), (Subject::Standalone, standalone)], "campaign");
        let told =
            "\n## processes\n\n3 of 200 runs: 2 clean, 1 violated. Beside them 4 were void, and 1 could not be done. ";
        assert!(text.contains(told), "{text}");
        assert!(
            text.contains("(campaign/processes.jsonl).\n\n**Violated:** `processes-0007-kill-logic-8`.\n"),
            "{text}"
        );
        assert!(text.contains("\n| 90 | 12 | 11 | 900 | 5 | 3600 |\n"), "{text}");
        assert!(text.contains("\n| `kill-logic` | 1 / 2 | 9 | 500 |\n| `redis-flush` | 1 / 1 | 3 | 400 |\n"), "{text}");
        assert!(text.contains("\n## standalone\n\n0 of 50 runs: 0 clean, 0 violated. "), "{text}");
        assert_eq!(text.matches("Violated:").count(), 1, "{text}");
        // Every row has as many cells as its head.
        let rows = text.lines().filter(|line| line.starts_with('|'));
        let cells: Vec<usize> = rows.map(|row| row.matches('|').count()).collect();
        assert_eq!(cells, [7, 7, 7, 5, 5, 5, 5, 7, 7, 7, 5, 5], "{text}");
    }
}
