//! im-task's instruments.

use std::time::Duration;

use im_infra::telemetry::{Telemetry, names};
use opentelemetry::{
    KeyValue,
    metrics::{Counter, Histogram},
};

/// Counts tasks. Clones share.
#[derive(Clone)]
pub(crate) struct Metrics {
    tasks: Counter<u64>,
    duration: Histogram<f64>,
}

impl Metrics {
    pub(crate) fn new(telemetry: &Telemetry) -> Self {
        let meter = telemetry.meter();
        Self {
            tasks: meter.u64_counter(names::TASKS).build(),
            duration: meter
                .f64_histogram(names::TASK_DURATION)
                .with_unit("s")
                .with_boundaries(names::SECONDS.to_vec())
                .build(),
        }
    }

    /// So many tasks of a kind were run together, with this result (done, retry, reject).
    pub(crate) fn ran(&self, kind: &'static str, result: &'static str, tasks: usize, elapsed: Duration) {
        let labels = [KeyValue::new(names::KIND, kind), KeyValue::new(names::RESULT, result)];
        self.tasks.add(tasks as u64, &labels);
        self.duration.record(elapsed.as_secs_f64(), &labels[..1]);
    }
}
