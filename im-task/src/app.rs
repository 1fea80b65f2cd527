//! Puts im-task together.

use std::sync::Arc;

use im_infra::{
    clock::Clock,
    lifecycle::Lifecycle,
    mq::{ConsumeOptions, Group, Queue, Topic, consume},
    rpc::Channel,
};

use crate::{
    dead_letter::{Archive, replay},
    repo::Repo,
};

/// What im-task stands on.
pub struct TaskParts {
    /// The queue.
    pub queue: Queue,
    /// The way to im-repo.
    pub repo: Channel,
    /// The time.
    pub clock: Clock,
}

/// im-task.
pub struct Task;

impl Task {
    /// Works until the part of the process that is `life` stops.
    pub fn start(parts: TaskParts, life: &Lifecycle) {
        let TaskParts { queue, repo, clock } = parts;
        let repo = Repo::new(repo);
        let archive = Arc::new(Archive { repo: repo.clone() });
        let source = (queue.clone(), Group::Archive, Topic::Dead);
        life.spawn("archive", consume(source, archive, ConsumeOptions::default(), life.clone(), clock));
        life.spawn("replay", replay(repo, queue, life.clone()));
    }
}
