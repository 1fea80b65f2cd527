//! What a campaign has come to, counted over all of its tries.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    super::outcome::Verdict,
    tries::{Tried, Try},
};

/// What a campaign has come to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Runs that are wanted.
    pub wanted: usize,
    /// Runs that count: clean or violated.
    pub counted: usize,
    /// Without a violation.
    pub clean: usize,
    /// By their names: with violations.
    pub violated: Vec<String>,
    /// By their names: of no worth.
    pub void: Vec<String>,
    /// By their names: not done.
    pub failed: Vec<String>,
    /// What each scenario has of the runs that count.
    pub by_scenario: BTreeMap<String, Share>,
    /// Load of the runs that count.
    pub load_ms: u64,
    /// Faults in them, and how many of these met commands without an outcome.
    pub faults: usize,
    /// See above.
    pub hits: usize,
    /// Commands that were acknowledged in them.
    pub acknowledged: usize,
    /// Commands without an outcome in them.
    pub unknown: usize,
    /// Pushes that were due in them.
    pub pushes_due: usize,
}

/// What one scenario has of a campaign: runs that count, and what was in them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// Runs that count.
    pub counted: usize,
    /// Without a violation.
    pub clean: usize,
    /// Faults.
    pub faults: usize,
    /// Commands that were acknowledged.
    pub acknowledged: usize,
}

impl Summary {
    pub(super) fn of(wanted: usize, tries: &[Tried]) -> Self {
        let mut summary = Self { wanted, ..Self::default() };
        for tried in tries {
            summary.add(tried);
        }
        summary
    }

    pub(super) fn add(&mut self, Tried { name, done, .. }: &Tried) {
        let outcome = match done {
            Try::Done(outcome) => outcome,
            Try::Failed { .. } => return self.failed.push(name.clone()),
        };
        let clean = match outcome.verdict() {
            Verdict::Void => return self.void.push(name.clone()),
            Verdict::Violated => {
                self.violated.push(name.clone());
                0
            }
            Verdict::Clean => 1,
        };
        self.counted += 1;
        self.clean += clean;
        self.load_ms += outcome.load_ms;
        self.faults += outcome.faults;
        self.hits += outcome.hits;
        self.acknowledged += outcome.acknowledged;
        self.unknown += outcome.unknown;
        self.pushes_due += outcome.pushes_due;
        let share = self.by_scenario.entry(outcome.scenario.clone()).or_default();
        share.counted += 1;
        share.clean += clean;
        share.faults += outcome.faults;
        share.acknowledged += outcome.acknowledged;
    }
}
