//! Partitions on their way from the member's thread to whoever consumes.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use tokio::sync::Notify;

use super::{
    super::{Assignment, MqError},
    client::lock,
};

/// Partitions given to a member that it has not taken yet; never more than there are.
#[derive(Default)]
pub(super) struct Inbox {
    given: Mutex<Given>,
    arrived: Notify,
}

#[derive(Default)]
struct Given {
    assignments: VecDeque<Assignment>,
    ended: Option<MqError>,
}

impl Inbox {
    pub(super) fn push(&self, assignment: Assignment) {
        lock(&self.given).assignments.push_back(assignment);
        self.arrived.notify_one();
    }

    /// Drops those that were lost before they were taken.
    pub(super) fn prune(&self) {
        lock(&self.given).assignments.retain(|assignment| !assignment.lost.is_cancelled());
    }

    /// No partition comes any more. The first reason counts.
    pub(super) fn end(&self, reason: MqError) {
        lock(&self.given).ended.get_or_insert(reason);
        self.arrived.notify_one();
    }

    pub(super) async fn arrived(&self) {
        self.arrived.notified().await;
    }

    pub(super) fn take(&self) -> Result<Option<Assignment>, MqError> {
        let mut given = lock(&self.given);
        while let Some(assignment) = given.assignments.pop_front() {
            if !assignment.lost.is_cancelled() {
                return Ok(Some(assignment));
            }
        }
        given.ended.clone().map_or(Ok(None), Err)
    }
}

/// Ends the inbox however the thread ends, by a panic too: who waits must not wait for ever.
pub(super) struct Ending(Arc<Inbox>);

impl Ending {
    pub(super) const fn of(inbox: Arc<Inbox>) -> Self {
        Self(inbox)
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.end(MqError::Unavailable("the member's thread has ended".into()));
    }
}
