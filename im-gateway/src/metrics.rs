//! im-gateway's instruments.

use im_infra::telemetry::{Telemetry, names};
use opentelemetry::{
    KeyValue,
    metrics::{Counter, Gauge, Histogram, UpDownCounter},
};
use proto::ErrorCode;

/// What the gateway counts.
pub(crate) struct Metrics {
    pub(crate) connections: UpDownCounter<i64>,
    pub(crate) tcp_connections: UpDownCounter<i64>,
    pub(crate) frames_in: Counter<u64>,
    pub(crate) frames_out: Counter<u64>,
    pub(crate) window_commands: UpDownCounter<i64>,
    pub(crate) window_duration: Histogram<f64>,
    pub(crate) slot_held: Gauge<u64>,
    pub(crate) index_conversations: Gauge<u64>,
    pub(crate) index_loads: Counter<u64>,
    pub(crate) index_loading: UpDownCounter<i64>,
    pub(crate) reads: UpDownCounter<i64>,
    pub(crate) hellos: UpDownCounter<i64>,
    refusals: Counter<u64>,
}

impl Metrics {
    pub(crate) fn new(telemetry: &Telemetry) -> Self {
        let meter = telemetry.meter();
        let seconds =
            meter.f64_histogram(names::WINDOW_DURATION).with_unit("s").with_boundaries(names::SECONDS.to_vec());
        Self {
            connections: meter.i64_up_down_counter(names::CONNECTIONS).build(),
            tcp_connections: meter.i64_up_down_counter(names::TCP_CONNECTIONS).build(),
            frames_in: meter.u64_counter(names::FRAMES_IN).build(),
            frames_out: meter.u64_counter(names::FRAMES_OUT).build(),
            window_commands: meter.i64_up_down_counter(names::WINDOW_COMMANDS).build(),
            window_duration: seconds.build(),
            slot_held: meter.u64_gauge(names::SLOT_HELD).build(),
            index_conversations: meter.u64_gauge(names::INDEX_CONVERSATIONS).build(),
            index_loads: meter.u64_counter(names::INDEX_LOADS).build(),
            index_loading: meter.i64_up_down_counter(names::INDEX_LOADING).build(),
            reads: meter.i64_up_down_counter(names::READS).build(),
            hellos: meter.i64_up_down_counter(names::HELLOS).build(),
            refusals: meter.u64_counter(names::REFUSALS).build(),
        }
    }

    pub(crate) fn refused(&self, code: ErrorCode) {
        self.refusals.add(1, &[KeyValue::new(names::CODE, code.as_str())]);
    }
}
