//! How long things took, from when they were meant to happen.

use std::time::Instant;

use crate::measure::{Latencies, micros};

/// Something that was due and came.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Took {
    pub(crate) due: Instant,
    pub(crate) us: u64,
}

impl Took {
    /// From when it was due until it came.
    pub(crate) fn until(due: Instant, came: Instant) -> Self {
        Self { due, us: micros(came.saturating_duration_since(due)) }
    }
}

/// Those that were due when it counts.
pub(crate) fn latencies<'a>(took: impl IntoIterator<Item = &'a Took>, counts: impl Fn(Instant) -> bool) -> Latencies {
    let mut latencies = Latencies::default();
    for one in took.into_iter().filter(|one| counts(one.due)) {
        latencies.record_us(one.us);
    }
    latencies
}
