//! im-logic's instruments.

use im_infra::telemetry::{Telemetry, names};
use opentelemetry::{
    KeyValue,
    metrics::{Counter, Histogram},
};

/// How a batch of commands is handled.
#[derive(Clone, Copy)]
pub(crate) enum Going {
    /// Nothing else had arrived, or nothing that fits.
    Alone,
    /// With those of other partitions.
    Joint,
    /// By itself until it succeeds, after a failure.
    Apart,
}

/// Counts what becomes of commands.
#[derive(Clone)]
pub(crate) struct Metrics {
    batches: Counter<u64>,
    decided: Counter<u64>,
    duration: Histogram<f64>,
}

impl Metrics {
    pub(crate) fn new(telemetry: &Telemetry) -> Self {
        let meter = telemetry.meter();
        Self {
            batches: meter.u64_counter(names::COMMANDS_BATCHES).build(),
            decided: meter.u64_counter(names::COMMANDS_DECIDED).build(),
            duration: meter
                .f64_histogram(names::COMMAND_DURATION)
                .with_unit("s")
                .with_boundaries(names::SECONDS.to_vec())
                .build(),
        }
    }

    /// So many batches are handled like that; again with each attempt.
    pub(crate) fn batches(&self, going: Going, batches: usize) {
        let kind = match going {
            Going::Alone => "alone",
            Going::Joint => "joint",
            Going::Apart => "apart",
        };
        self.batches.add(batches as u64, &[KeyValue::new(names::KIND, kind)]);
    }

    /// A command was answered with `code` (`stored` where it was accepted), so long after the gateway took it.
    pub(crate) fn decided(&self, code: &str, elapsed_ms: i64) {
        self.decided.add(1, &[KeyValue::new(names::CODE, code.to_owned())]);
        #[allow(clippy::cast_precision_loss)] // milliseconds of one command
        self.duration.record(elapsed_ms.max(0) as f64 / 1_000.0, &[]);
    }
}
