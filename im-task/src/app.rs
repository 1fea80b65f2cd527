//! Puts im-task together.

use std::sync::Arc;

use im_infra::{
    clock::Clock,
    gateways::Gateways,
    lifecycle::Lifecycle,
    mq::{Group, Queue, Topic, consume},
    registry::Registry,
    rpc::Channel,
    session_store::SessionStore,
    telemetry::Telemetry,
};

use crate::{
    TaskOptions,
    dead_letter::{Archive, replay},
    fan_out::FanOut,
    job::{Dispatch, Runner},
    metrics::Metrics,
    repo::Repo,
};

/// What im-task stands on.
pub struct TaskParts {
    /// The queue.
    pub queue: Queue,
    /// The way to im-repo.
    pub repo: Channel,
    /// Who is connected where.
    pub routes: Arc<dyn SessionStore>,
    /// Which gateways live.
    pub registry: Arc<dyn Registry>,
    /// The time.
    pub clock: Clock,
    /// Metrics.
    pub telemetry: Telemetry,
}

/// im-task.
pub struct Task;

impl Task {
    /// Works until the part of the process that is `life` stops.
    pub fn start(options: TaskOptions, parts: TaskParts, life: &Lifecycle) {
        let TaskParts { queue, repo, routes, registry, clock, telemetry } = parts;
        let repo = Repo::new(repo);
        let gateways = Gateways::new(queue.clone(), routes, registry);
        let fan_out = FanOut { repo: repo.clone(), gateways, options: options.fan_out };
        let dispatch = Dispatch { fan_out: Runner::new(fan_out, Metrics::new(&telemetry)) };
        let archive = Archive { repo: repo.clone() };
        let tasks = (queue.clone(), Group::Task, Topic::Task);
        life.spawn("tasks", consume(tasks, Arc::new(dispatch), options.consume.clone(), life.clone(), clock.clone()));
        let letters = (queue.clone(), Group::Archive, Topic::Dead);
        life.spawn("archive", consume(letters, Arc::new(archive), options.consume, life.clone(), clock));
        life.spawn("replay", replay(repo, queue, life.clone()));
    }
}
