//! Where one partition stands. Only the writer's thread changes it; readers watch its end.

use std::sync::Mutex;

use tokio::sync::watch;

use super::{layout::Place, lock};

pub(super) struct PartitionLog {
    place: Mutex<Place>,
    end: watch::Sender<u64>,
}

impl PartitionLog {
    pub(super) fn new(place: Place) -> Self {
        Self { place: Mutex::new(place), end: watch::Sender::new(place.end) }
    }

    pub(super) fn place(&self) -> Place {
        *lock(&self.place)
    }

    /// Shows what the store now holds, and wakes readers if it grew.
    pub(super) fn publish(&self, place: Place) {
        *lock(&self.place) = place;
        self.end.send_if_modified(|end| std::mem::replace(end, place.end) != place.end);
    }

    pub(super) fn end(&self) -> u64 {
        *self.end.borrow()
    }

    pub(super) fn watch_end(&self) -> watch::Receiver<u64> {
        self.end.subscribe()
    }
}
