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
    /// Clean runs of each scenario.
    pub by_scenario: BTreeMap<String, usize>,
    /// Faults, of the runs that count.
    pub faults: usize,
    /// Commands that were acknowledged in them.
    pub acknowledged: usize,
    /// Pushes that were due in them.
    pub pushes_due: usize,
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
        match outcome.verdict() {
            Verdict::Void => return self.void.push(name.clone()),
            Verdict::Violated => self.violated.push(name.clone()),
            Verdict::Clean => {
                self.clean += 1;
                *self.by_scenario.entry(outcome.scenario.clone()).or_default() += 1;
            }
        }
        self.counted += 1;
        self.faults += outcome.faults;
        self.acknowledged += outcome.acknowledged;
        self.pushes_due += outcome.pushes_due;
    }
}
