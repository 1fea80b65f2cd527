//! A member of a group, as the one who consumes sees it.

use std::{sync::Arc, thread};

use async_trait::async_trait;
use tokio::sync::oneshot;
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::task_tracker::TaskTrackerToken,
};

use super::{
    super::{Assignment, Group, Member, MqError, Topic},
    KafkaOptions,
    client::{RETRY_WAIT, start_thread},
    group::{End, Membership},
    inbox::{Ending, Inbox},
    lost::Replaced,
};

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
            self.inbox.arrived().await;
        }
    }
}

/// Joins; the first partitions come when the group has shared them out.
pub(super) async fn join(
    (options, replaced): (&KafkaOptions, &Replaced),
    group: Group,
    topic: Topic,
    token: Option<TaskTrackerToken>,
) -> Result<Box<dyn Member>, MqError> {
    let inbox = Arc::new(Inbox::default());
    let leave = CancellationToken::new();
    let leaves = leave.clone().drop_guard();
    let (ready, joined) = oneshot::channel();
    let (options, replaced, given) = (options.clone(), replaced.clone(), inbox.clone());
    start_thread("kafka-member", move || {
        let _token = token;
        let _ending = Ending::of(given.clone());
        let join = || Membership::join((&options, &replaced), group, topic, given.clone());
        match join() {
            Ok(membership) => {
                let _ = ready.send(Ok(()));
                run(membership, join, &leave);
            }
            Err(error) => {
                let _ = ready.send(Err(error));
            }
        }
    })?;
    joined.await.map_err(|_| MqError::Unavailable("the member's thread has ended".into()))??;
    Ok(Box::new(KafkaMember { inbox, _leaves: leaves }))
}

/// A membership that is lost is followed by another: whoever consumes loses its partitions and is given some again.
fn run(mut membership: Membership, join: impl Fn() -> Result<Membership, MqError>, leave: &CancellationToken) {
    while matches!(membership.run(leave), End::Lost) {
        membership = loop {
            if leave.is_cancelled() {
                return;
            }
            match join() {
                Ok(next) => break next,
                Err(error) => tracing::error!(%error, "no new member yet"),
            }
            thread::park_timeout(RETRY_WAIT);
        };
    }
}
