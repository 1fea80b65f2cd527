//! What is asked for.

use crate::bug::Bug;

/// What to run.
#[derive(Clone, Debug)]
pub struct Options {
    /// What everything is drawn from.
    pub seed: u64,
    /// Events with faults; those until all has settled come on top.
    pub steps: u64,
    /// A bug to be found.
    pub bug: Option<Bug>,
}

impl Default for Options {
    fn default() -> Self {
        Self { seed: 1, steps: 20_000, bug: None }
    }
}
