//! What became of each try: a file with a number and a name, which no other try has.

use std::{fs, path::Path};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use super::super::{fault::Subject, outcome::Outcome, play::Order};

const OUTCOME: &str = "outcome.json";

/// What became of one try.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Try {
    /// It was done.
    Done(Outcome),
    /// The system did not start, did not come back, or ended as it may not.
    Failed {
        /// Which scenario.
        scenario: String,
        /// With what seed.
        seed: u64,
        /// Why.
        why: String,
    },
}

/// A try that is over.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tried {
    pub(super) number: usize,
    pub(super) name: String,
    pub(super) done: Try,
}

/// It begins with the subject and the number, by which it is found again.
pub(super) fn name_of(number: usize, order: &Order) -> String {
    format!("{}-{number:04}-{}-{}", order.subject, order.scenario.name, order.seed)
}

fn number_of(subject: Subject, name: &str) -> Option<usize> {
    name.strip_prefix(&format!("{subject}-"))?.split('-').next()?.parse().ok()
}

/// The name of the file of a try.
pub(super) fn file_of(name: &str) -> String {
    format!("{name}.{OUTCOME}")
}

/// Those of all sittings, by their numbers.
pub(super) fn read_tries(folder: &Path, subject: Subject) -> anyhow::Result<Vec<Tried>> {
    let mut tries = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let path = entry?.path();
        let file = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let Some(name) = file.strip_suffix(OUTCOME).and_then(|name| name.strip_suffix('.')) else { continue };
        let Some(number) = number_of(subject, name) else { continue };
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let done = serde_json::from_str(&text).with_context(|| format!("{} holds no outcome", path.display()))?;
        tries.push(Tried { number, name: name.to_owned(), done });
    }
    tries.sort_by(|one: &Tried, other| (one.number, &one.name).cmp(&(other.number, &other.name)));
    Ok(tries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_read_from_a_name_of_its_subject_alone() {
        for (name, number) in [
            ("processes-0007-kill-logic-8", Some(7)),
            ("processes-12345-everything-1", Some(12_345)),
            ("standalone-0007-kill-standalone-8", None),
            ("processes-summary", None),
            ("processes", None),
        ] {
            assert_eq!(number_of(Subject::Processes, name), number, "{name}");
        }
    }
}
