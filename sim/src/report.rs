//! What came of a run.

use std::fmt;

/// A run.
#[derive(Clone, Debug)]
pub struct Report {
    /// What it was drawn from.
    pub seed: u64,
    /// Events that happened.
    pub steps: u64,
    /// Of all events in their order: equal for equal runs.
    pub hash: u64,
    /// Virtual time that passed, microseconds.
    pub virtual_us: u64,
    /// Entries that were stored.
    pub entries: u64,
    /// Commands that were answered, repetitions too.
    pub answers: u64,
    /// Processes that were killed or stood still, connections cut, and the like.
    pub faults: u64,
    /// What must not be, if it was found.
    pub failure: Option<Failure>,
}

/// Something that must not be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// After which event.
    pub step: u64,
    /// At what virtual time, microseconds.
    pub at_us: u64,
    /// What.
    pub what: String,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, steps, hash, virtual_us, entries, answers, faults, failure } = self;
        match failure {
            None => write!(
                f,
                "seed {seed}: {steps} steps, {}.{:03} s, {entries} entries, {answers} answers, {faults} faults, trace {hash:016x}",
                virtual_us / 1_000_000,
                virtual_us / 1_000 % 1_000
            ),
            Some(Failure { step, at_us, what }) => {
                write!(f, "seed {seed} fails at step {step} ({at_us} us, trace {hash:016x}): {what}")
            }
        }
    }
}
