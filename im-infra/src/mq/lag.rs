//! How many records a group has yet to handle, for each partition that this process holds. Measured beside the worker, so
//! that it also grows while a batch is tried again and again.

use std::{
    collections::HashMap,
    convert::Infallible,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use opentelemetry::{
    KeyValue,
    metrics::{AsyncInstrument, Meter},
};

use super::{Group, Queue, Topic};
use crate::telemetry::names;

/// How often the end of a partition is asked for.
const MEASURE_EVERY: Duration = Duration::from_secs(5);

type Place = (Topic, Group, u32);

/// The gauge. A partition that is given back is not shown any more. Clones share.
#[derive(Clone, Default)]
pub(super) struct Lags {
    records: Arc<Mutex<HashMap<Place, u64>>>,
}

impl Lags {
    pub(super) fn new(meter: &Meter) -> Self {
        let lags = Self::default();
        let shown = lags.clone();
        let show = move |gauge: &dyn AsyncInstrument<u64>| {
            for ((topic, group, partition), records) in &*shown.lock() {
                let labels = [
                    KeyValue::new(names::TOPIC, topic.name()),
                    KeyValue::new(names::GROUP, group.name()),
                    KeyValue::new(names::PARTITION, i64::from(*partition)),
                ];
                gauge.observe(*records, &labels);
            }
        };
        let _gauge = meter.u64_observable_gauge(names::MQ_LAG).with_callback(show).build();
        lags
    }

    /// A lock whose holder panicked still guards data that is whole: every change under it is a single step.
    fn lock(&self) -> MutexGuard<'_, HashMap<Place, u64>> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How far a worker is. Clones share.
#[derive(Clone)]
pub(super) struct Position(Arc<AtomicU64>);

impl Position {
    pub(super) fn new(from: u64) -> Self {
        Self(Arc::new(AtomicU64::new(from)))
    }

    /// Everything below `next` is done.
    pub(super) fn reached(&self, next: u64) {
        self.0.store(next, Ordering::Relaxed);
    }
}

/// Shows a partition's lag until it is dropped.
pub(super) async fn watch(queue: Queue, place: Place, position: Position) -> Infallible {
    let shown = Shown { lags: queue.metrics.lags.clone(), place };
    let (topic, _, partition) = place;
    loop {
        match queue.end(topic, partition).await {
            Ok(end) => {
                let behind = end.saturating_sub(position.0.load(Ordering::Relaxed));
                shown.lags.lock().insert(place, behind);
            }
            Err(error) => tracing::debug!(topic = topic.name(), partition, %error, "lag not measured"),
        }
        tokio::time::sleep(MEASURE_EVERY).await;
    }
}

/// A partition in the gauge.
struct Shown {
    lags: Lags,
    place: Place,
}

impl Drop for Shown {
    fn drop(&mut self) {
        self.lags.lock().remove(&self.place);
    }
}
