//! A member of a group, as the one who consumes sees it.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::oneshot;
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::task_tracker::TaskTrackerToken,
};

use super::{
    super::{Assignment, Group, Member, MqError, Topic},
    KafkaOptions,
    client::start_thread,
    group::Membership,
    inbox::{Ending, Inbox},
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
        let _ending = Ending::of(given.clone());
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
