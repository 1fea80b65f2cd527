//! im-repo's instruments.

use im_infra::telemetry::{Telemetry, names};
use opentelemetry::{
    KeyValue,
    metrics::{Counter, Histogram},
};
use proto::repo::{AppendOutcome, append_outcome::Outcome};

/// Counts what happens to appends.
pub struct Metrics {
    outcomes: Counter<u64>,
    duration: Histogram<f64>,
    bisections: Counter<u64>,
}

impl Metrics {
    /// Makes them.
    pub fn new(telemetry: &Telemetry) -> Self {
        let meter = telemetry.meter();
        Self {
            outcomes: meter.u64_counter(names::APPEND_OUTCOMES).build(),
            duration: meter
                .f64_histogram(names::APPEND_DURATION)
                .with_unit("s")
                .with_boundaries(names::SECONDS.to_vec())
                .build(),
            bisections: meter.u64_counter(names::APPEND_BISECTIONS).build(),
        }
    }

    pub(crate) fn appended(&self, seconds: f64) {
        self.duration.record(seconds, &[]);
    }

    pub(crate) fn bisected(&self) {
        self.bisections.add(1, &[]);
    }

    pub(crate) fn outcome(&self, outcome: &AppendOutcome) {
        let kind = match (&outcome.outcome, outcome.repeated_command) {
            (_, true) => "repeated",
            (Some(Outcome::Entry(_)), false) => "stored",
            (Some(Outcome::Rejected(_)), false) => "rejected",
            (Some(Outcome::Conflict(_)), false) => "conflict",
            (Some(Outcome::DecideAgain(_)), false) => "decide_again",
            (Some(Outcome::Failed(_)) | None, false) => "failed",
        };
        self.outcomes.add(1, &[KeyValue::new(names::KIND, kind)]);
    }
}
