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

use futures_util::{StreamExt as _, stream};
use opentelemetry::{
    KeyValue,
    metrics::{AsyncInstrument, Meter},
};
use tokio::time::{MissedTickBehavior, interval};

use super::{Group, Queue, Topic};
use crate::telemetry::names;

/// How often the ends of all partitions are asked for.
const MEASURE_EVERY: Duration = Duration::from_secs(5);
/// Partitions asked about at once. Each may take a thread, and none of those that a broker answers has to wait long for those of
/// one that is away.
const AT_ONCE: usize = 8;

type Place = (Topic, Group, u32);

/// The gauge. A partition that is given back is not shown any more. Clones share.
#[derive(Clone, Default)]
pub(super) struct Lags {
    held: Arc<Mutex<HashMap<Place, Held>>>,
    /// Of those who watch, the one who measures for all of them.
    turn: Arc<tokio::sync::Mutex<()>>,
}

/// A partition that this process holds.
struct Held {
    position: Position,
    /// In records; none until it is measured.
    behind: Option<u64>,
}

impl Lags {
    pub(super) fn new(meter: &Meter) -> Self {
        let lags = Self::default();
        let shown = lags.clone();
        let show = move |gauge: &dyn AsyncInstrument<u64>| {
            for ((topic, group, partition), held) in &*shown.lock() {
                let Some(records) = held.behind else { continue };
                let labels = [
                    KeyValue::new(names::TOPIC, topic.name()),
                    KeyValue::new(names::GROUP, group.name()),
                    KeyValue::new(names::PARTITION, i64::from(*partition)),
                ];
                gauge.observe(records, &labels);
            }
        };
        let _gauge = meter.u64_observable_gauge(names::MQ_LAG).with_callback(show).build();
        lags
    }

    async fn measure(&self, queue: &Queue) {
        let places: Vec<Place> = self.lock().keys().copied().collect();
        stream::iter(places).for_each_concurrent(AT_ONCE, |place| self.measure_one(queue, place)).await;
    }

    async fn measure_one(&self, queue: &Queue, place: Place) {
        let (topic, _, partition) = place;
        match queue.end(topic, partition).await {
            Ok(end) => {
                if let Some(held) = self.lock().get_mut(&place) {
                    held.behind = Some(end.saturating_sub(held.position.next()));
                }
            }
            Err(error) => tracing::debug!(topic = topic.name(), partition, %error, "lag not measured"),
        }
    }

    /// A lock whose holder panicked still guards data that is whole: every change under it is a single step.
    fn lock(&self) -> MutexGuard<'_, HashMap<Place, Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
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

    fn next(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Shows a partition's lag until it is dropped. All but one of those who watch in a process only wait: the one who has the turn
/// measures for all, at one pace, and another goes on when it is dropped.
pub(super) async fn watch(queue: Queue, place: Place, position: Position) -> Infallible {
    let lags = queue.metrics.lags.clone();
    let _shown = Shown::new(lags.clone(), place, position);
    let _turn = lags.turn.lock().await;
    let mut due = interval(MEASURE_EVERY);
    due.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        due.tick().await;
        lags.measure(&queue).await;
    }
}

/// A partition in the gauge.
struct Shown {
    lags: Lags,
    place: Place,
    position: Position,
}

impl Shown {
    fn new(lags: Lags, place: Place, position: Position) -> Self {
        lags.lock().insert(place, Held { position: position.clone(), behind: None });
        Self { lags, place, position }
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        let mut held = self.lags.lock();
        // The partition may have come back before its worker of before had ended.
        if held.get(&self.place).is_some_and(|held| Arc::ptr_eq(&held.position.0, &self.position.0)) {
            held.remove(&self.place);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::future::join;
    use tokio::time::{pause, timeout};

    use super::*;
    use crate::{
        mq::{EmbeddedLog, EmbeddedLogOptions, NewRecord, Room},
        telemetry::Telemetry,
    };

    const PLACES: [Place; 2] = [(Topic::Upstream, Group::Logic, 0), (Topic::Upstream, Group::Logic, 1)];

    /// A queue whose first partition has a record, and the second one two.
    async fn queue(folder: &tempfile::TempDir, telemetry: &Telemetry) -> Queue {
        let options = EmbeddedLogOptions { partitions: 2, ..EmbeddedLogOptions::default() };
        let queue = Queue::new(EmbeddedLog::open(folder.path(), &options).unwrap(), telemetry);
        let records = [0, 1, 1].map(|partition| NewRecord::to_partition(partition, "record"));
        queue.produce(Topic::Upstream, records.into(), Room::External).await.unwrap();
        queue
    }

    /// Partitions and their records behind, as they are shown.
    fn shown(telemetry: &Telemetry) -> Vec<(u32, u64)> {
        let metrics = telemetry.metrics_text().unwrap();
        let lags = metrics.lines().filter(|line| line.starts_with("im_mq_lag{"));
        let mut lags: Vec<(u32, u64)> = lags
            .map(|line| {
                let (labels, records) = line.rsplit_once(' ').unwrap();
                let (_, partition) = labels.split_once("partition=\"").unwrap();
                (partition.split_once('"').unwrap().0.parse().unwrap(), records.parse().unwrap())
            })
            .collect();
        lags.sort_unstable();
        lags
    }

    /// Lets time pass in which the watch goes on.
    async fn go_on(watch: impl Future) {
        assert!(timeout(MEASURE_EVERY * 2, watch).await.is_err(), "it has no end");
    }

    #[tokio::test]
    async fn one_watch_measures_for_all_and_another_goes_on_when_it_ends() {
        let (folder, telemetry) = (tempfile::tempdir().unwrap(), Telemetry::for_tests());
        let queue = queue(&folder, &telemetry).await;
        pause();
        let [mut first, mut second] = PLACES.map(|place| Box::pin(watch(queue.clone(), place, Position::new(0))));
        go_on(join(first.as_mut(), second.as_mut())).await;
        assert_eq!(shown(&telemetry), [(0, 1), (1, 2)]);
        drop(first);
        assert_eq!(shown(&telemetry), [(1, 2)]);
        queue.metrics.lags.lock()[&PLACES[1]].position.reached(1);
        go_on(second.as_mut()).await;
        assert_eq!(shown(&telemetry), [(1, 1)]);
        drop(second);
        assert!(shown(&telemetry).is_empty());
    }

    #[tokio::test]
    async fn a_partition_that_has_come_back_is_shown_when_its_watch_of_before_ends() {
        let (folder, telemetry) = (tempfile::tempdir().unwrap(), Telemetry::for_tests());
        let queue = queue(&folder, &telemetry).await;
        pause();
        let [mut before, mut again] = [0, 1].map(|from| Box::pin(watch(queue.clone(), PLACES[1], Position::new(from))));
        go_on(join(before.as_mut(), again.as_mut())).await;
        drop(before);
        go_on(again.as_mut()).await;
        assert_eq!(shown(&telemetry), [(1, 1)]);
    }
}
