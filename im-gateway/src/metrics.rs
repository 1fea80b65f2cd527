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

/// One of those that an instrument counts at a time, until it is dropped: a task may end wherever it waits.
pub(crate) struct Counted(UpDownCounter<i64>);

impl Counted {
    pub(crate) fn one(of: &UpDownCounter<i64>) -> Self {
        of.add(1, &[]);
        Self(of.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.add(-1, &[]);
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use futures_util::FutureExt as _;

    use super::*;

    #[test]
    fn what_a_task_counts_is_counted_no_more_when_the_task_is_dropped() {
        let telemetry = Telemetry::for_tests();
        let metrics = Metrics::new(&telemetry);
        let counted = |count: i64| {
            let metrics = telemetry.metrics_text().unwrap();
            assert!(metrics.contains(&format!("im_hellos {count}\n")), "{metrics}");
        };
        let mut waits = Box::pin(async {
            let _counted = Counted::one(&metrics.hellos);
            pending::<()>().await;
        });
        assert_eq!(waits.as_mut().now_or_never(), None);
        counted(1);
        drop(waits);
        counted(0);
    }
}
