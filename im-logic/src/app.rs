//! Puts im-logic together.

use std::sync::Arc;

use im_infra::{
    clock::Clock,
    gateways::Gateways,
    ids::Mint,
    lifecycle::Lifecycle,
    mq::{Group, MqError, Queue, Topic, consume},
    registry::Registry,
    rpc::Channel,
    session_store::SessionStore,
    telemetry::Telemetry,
};
use proto::Error;
use tonic::service::Routes;

use crate::{
    LogicOptions,
    auth::Auth,
    domain::Limits,
    metrics::Metrics,
    reads::Reads,
    repo::Repo,
    rpc::{self, LogicRpc},
    upstream::{Outbox, Together, Upstream},
};

/// What im-logic stands on.
pub struct LogicParts {
    /// The queue.
    pub queue: Queue,
    /// The way to im-repo.
    pub repo: Channel,
    /// Who is connected where.
    pub routes: Arc<dyn SessionStore>,
    /// Which gateways live.
    pub registry: Arc<dyn Registry>,
    /// Mints user and message ids.
    pub mint: Arc<Mint>,
    /// The time.
    pub clock: Clock,
    /// Metrics.
    pub telemetry: Telemetry,
}

/// An im-logic, without a transport; it decides once it consumes.
pub struct Logic {
    rpc: LogicRpc,
    handler: Arc<Together<Upstream>>,
    options: LogicOptions,
    queue: Queue,
    clock: Clock,
}

impl Logic {
    /// Puts it together.
    ///
    /// # Errors
    /// If the signing key is not one.
    pub fn new(options: LogicOptions, parts: LogicParts) -> Result<Self, Error> {
        let LogicParts { queue, repo, routes, registry, mint, clock, telemetry } = parts;
        let repo = Repo::new(repo);
        let auth = Auth::new(repo.clone(), options.auth.clone(), mint.clone(), clock.clone())?;
        let outbox = Outbox::new(queue.clone(), Gateways::new(queue.clone(), routes.clone(), registry), clock.clone());
        let limits = Limits {
            body_bytes_max: options.limits.body_bytes_max,
            members_max: options.limits.members_max,
            invited_max: options.limits.invited_max,
            title_chars_max: options.limits.title_chars_max,
            large_from: options.limits.large_from,
        };
        let metrics = Metrics::new(&telemetry);
        let handler = Upstream::new(
            (repo.clone(), &options.remember),
            outbox.clone(),
            limits,
            mint,
            (clock.clone(), metrics.clone()),
        );
        let handler = Together::new(handler, &options.together, metrics);
        let reads = Reads::new(repo, routes, queue.clone(), clock.clone());
        Ok(Self { rpc: LogicRpc { auth, reads, outbox }, handler: Arc::new(handler), options, queue, clock })
    }

    /// Its gRPC services.
    pub fn routes(&self) -> Routes {
        rpc::routes(self.rpc.clone())
    }

    /// Consumes `im.upstream` until the process stops.
    ///
    /// # Errors
    /// If the group cannot be joined or a position is out of range.
    pub async fn consume(self, life: Lifecycle) -> Result<(), MqError> {
        let (handler, stopping) = (self.handler.clone(), life.stopping());
        life.spawn_detached("epoch", async move { handler.alone().follow_epoch(stopping).await });
        let source = (self.queue, Group::Logic, Topic::Upstream);
        consume(source, self.handler, self.options.consume, life, self.clock).await
    }
}
