//! What became of the search for a bug; a file, so that it need not be done again.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::super::{
    fault::Subject,
    outcome::{Outcome, Verdict},
};

/// What became of the search for a bug.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// Its name.
    pub bug: String,
    /// By what it was found; none: it was missed.
    pub found: Option<Catch>,
    /// What every run came to, in a line.
    pub runs: Vec<String>,
}

/// A run that found a bug.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Catch {
    /// Which scenario.
    pub scenario: String,
    /// To what.
    pub subject: Subject,
    /// From what it can be done again.
    pub seed: u64,
    /// The checks of the ledger that failed, as far as they are told.
    pub checks: BTreeSet<String>,
    /// How often any of them failed.
    pub violations: usize,
    /// The first failure.
    pub told: String,
}

impl Catch {
    /// None if the ledger found nothing.
    pub(super) fn of(outcome: &Outcome) -> Option<Self> {
        // A violation is told by its kind, and what it was in brackets.
        let kind = |told: &String| told.split('(').next().unwrap_or_default().to_owned();
        (outcome.verdict() == Verdict::Violated).then(|| Self {
            scenario: outcome.scenario.clone(),
            subject: outcome.subject,
            seed: outcome.seed,
            checks: outcome.told.iter().map(kind).collect(),
            violations: outcome.violations,
            told: outcome.told.first().cloned().unwrap_or_default(),
        })
    }
}
