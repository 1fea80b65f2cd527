//! im-logic's instruments.

use im_infra::telemetry::{Telemetry, names};
use opentelemetry::{
    KeyValue,
    metrics::{Counter, Histogram},
};

/// Counts what becomes of commands.
pub(crate) struct Metrics {
    decided: Counter<u64>,
    duration: Histogram<f64>,
}

impl Metrics {
    pub(crate) fn new(telemetry: &Telemetry) -> Self {
        let meter = telemetry.meter();
        Self {
            decided: meter.u64_counter(names::COMMANDS_DECIDED).build(),
            duration: meter
                .f64_histogram(names::COMMAND_DURATION)
                .with_unit("s")
                .with_boundaries(names::SECONDS.to_vec())
                .build(),
        }
    }

    /// A command was answered with `code` (`stored` where it was accepted), so long after the gateway took it.
    pub(crate) fn decided(&self, code: &str, elapsed_ms: i64) {
        self.decided.add(1, &[KeyValue::new(names::CODE, code.to_owned())]);
        #[allow(clippy::cast_precision_loss)] // milliseconds of one command
        self.duration.record(elapsed_ms.max(0) as f64 / 1_000.0, &[]);
    }
}
