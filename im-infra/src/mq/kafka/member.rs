//! A member of a group, as the one who consumes sees it.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use tokio::sync::{Notify, oneshot};
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::task_tracker::TaskTrackerToken,
};

use super::{
    super::{Assignment, Group, Member, MqError, Topic},
    KafkaOptions,
    client::{lock, start_thread},
    group::Membership,
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

    fn take(&self) -> Result<Option<Assignment>, MqError> {
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
struct Ending(Arc<Inbox>);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.end(MqError::Unavailable("the member's thread has ended".into()));
    }
}

struct KafkaMember {
    inbox: Arc<Inbox>,
    /// Tells the thread to leave the group.
    _leaves: DropGuard,
}

#[async_trait]
impl Member for KafkaMember {
    async fn next(&mut self) -> Result<Assignment, MqError> {
        loop {
            if let Some(assignment) = self.inbox.take()? {
                return Ok(assignment);
            }
            self.inbox.arrived.notified().await;
        }
    }
}

/// Joins; the first partitions come when the group has shared them out.
pub(super) async fn join(
    options: &KafkaOptions,
    group: Group,
    topic: Topic,
    token: Option<TaskTrackerToken>,
) -> Result<Box<dyn Member>, MqError> {
    let inbox = Arc::new(Inbox::default());
    let leave = CancellationToken::new();
    let leaves = leave.clone().drop_guard();
    let (ready, joined) = oneshot::channel();
    let (options, given) = (options.clone(), inbox.clone());
    start_thread("kafka-member", move || {
        let _token = token;
        let _ending = Ending(given.clone());
        match Membership::join(&options, group, topic, given) {
            Ok(membership) => {
                let _ = ready.send(Ok(()));
                membership.run(&leave);
            }
            Err(error) => {
                let _ = ready.send(Err(error));
            }
        }
    })?;
    joined.await.map_err(|_| MqError::Unavailable("the member's thread has ended".into()))??;
    Ok(Box::new(KafkaMember { inbox, _leaves: leaves }))
}
