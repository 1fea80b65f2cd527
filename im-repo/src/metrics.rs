//! im-repo's instruments.

use im_infra::telemetry::{Telemetry, names};
use opentelemetry::{
    KeyValue,
    metrics::{Counter, Histogram},
};
use proto::repo::{AppendOutcome, append_outcome::Outcome};

/// Counts what happens to appends and in the cache. The hit ratio is (hit + negative) / all of `im.cache.lookups`, whose
/// results are hit, negative, miss, error.
pub struct Metrics {
    outcomes: Counter<u64>,
    duration: Histogram<f64>,
    bisections: Counter<u64>,
    expected: Counter<u64>,
    cache_lookups: Counter<u64>,
    cache_reads: Counter<u64>,
    cache_fills: Counter<u64>,
    cache_failures: Counter<u64>,
    pruned: Counter<u64>,
}

impl Metrics {
    /// Makes them.
    pub fn new(telemetry: &Telemetry) -> Self {
        let meter = telemetry.meter();
        let counter = |name| meter.u64_counter(name).build();
        Self {
            outcomes: counter(names::APPEND_OUTCOMES),
            duration: meter
                .f64_histogram(names::APPEND_DURATION)
                .with_unit("s")
                .with_boundaries(names::SECONDS.to_vec())
                .build(),
            bisections: counter(names::APPEND_BISECTIONS),
            expected: counter(names::APPEND_EXPECTED),
            cache_lookups: counter(names::CACHE_LOOKUPS),
            cache_reads: counter(names::CACHE_READS),
            cache_fills: counter(names::CACHE_FILLS),
            cache_failures: counter(names::CACHE_FAILURES),
            pruned: counter(names::PRUNED),
        }
    }

    pub(crate) fn looked_up(&self, kind: &'static str, result: &'static str, count: usize) {
        let labels = [KeyValue::new(names::KIND, kind), KeyValue::new(names::RESULT, result)];
        self.cache_lookups.add(count as u64, &labels);
    }

    pub(crate) fn cache_read(&self, kind: &'static str, count: usize) {
        self.cache_reads.add(count as u64, &[KeyValue::new(names::KIND, kind)]);
    }

    pub(crate) fn cache_filled(&self, kind: &'static str, result: &'static str, count: usize) {
        let labels = [KeyValue::new(names::KIND, kind), KeyValue::new(names::RESULT, result)];
        self.cache_fills.add(count as u64, &labels);
    }

    pub(crate) fn cache_failed(&self, call: &'static str) {
        self.cache_failures.add(1, &[KeyValue::new(names::KIND, call)]);
    }

    pub(crate) fn pruned(&self, kind: &'static str, count: u64) {
        self.pruned.add(count, &[KeyValue::new(names::KIND, kind)]);
    }

    pub(crate) fn appended(&self, seconds: f64) {
        self.duration.record(seconds, &[]);
    }

    pub(crate) fn bisected(&self) {
        self.bisections.add(1, &[]);
    }

    /// Whether so many conversations stood as the append expected.
    pub(crate) fn expected(&self, conversations: usize, holds: bool) {
        self.expected.add(conversations as u64, &[KeyValue::new(names::RESULT, if holds { "held" } else { "moved" })]);
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
