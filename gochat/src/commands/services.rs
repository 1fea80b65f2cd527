//! `gochat gateway`, `logic`, `repo`, `task`: one service in this process, on Kafka, etcd, Redis and a database server.

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use im_gateway::{Gateway, GatewayParts};
use im_infra::{
    ids::{Mint, NODES},
    lifecycle::Lifecycle,
    mq::{Kafka, Queue},
    registry::{EtcdRegistry, Instance, Registration, Registry, ServiceName, SlotSpace},
    rpc::{Channel, serve},
    session_store::RedisSessionStore,
};
use im_logic::{Logic, LogicParts};
use im_repo::{Repo, cache::RedisCache};
use im_task::{Task, TaskParts};
use tonic::service::Routes;

use super::process::{Process, Ready};
use crate::config::Config;

/// How long a service waits for the first list of those it calls; then it goes on and finds them when they come.
const LISTED_MS: u64 = 5_000;

/// A process with its way to etcd.
struct Service {
    process: Process,
    registry: Arc<EtcdRegistry>,
    /// Drained last: it takes back what was announced.
    keeping: Lifecycle,
}

impl Service {
    async fn start(name: ServiceName, config: Config) -> anyhow::Result<Self> {
        config.require_for(name)?;
        let process = Process::start(name.as_str(), config).await?;
        let keeping = process.life.part();
        let registry = EtcdRegistry::connect(&process.config.etcd, keeping.clone(), process.clock.clone())
            .await
            .context("cannot use etcd")?;
        Ok(Self { registry: Arc::new(registry), keeping, process })
    }

    async fn queue(&self) -> anyhow::Result<Queue> {
        let kafka = Kafka::connect(&self.process.config.kafka).await.context("cannot use Kafka")?;
        // The groups are left before the process ends, or their partitions would wait out a session.
        Ok(Queue::new(kafka.counted_by(&self.keeping), &self.process.telemetry))
    }

    fn routes(&self) -> anyhow::Result<Arc<RedisSessionStore>> {
        let store =
            RedisSessionStore::connect(&self.process.config.redis, self.process.clock.clone(), &self.process.telemetry);
        Ok(Arc::new(store.context("cannot use Redis")?))
    }

    /// Waits until it is known who lives: an empty list would mean nobody.
    async fn know(&self, service: ServiceName) {
        let listed = tokio::time::timeout(Duration::from_millis(LISTED_MS), self.registry.listed(service)).await;
        if listed.is_err() {
            tracing::warn!(service = service.as_str(), "etcd did not tell who lives, going on");
        }
    }

    fn channel(&self, caller: ServiceName, callee: ServiceName) -> Channel {
        let instances = self.registry.watch(callee);
        Channel::remote(instances, (caller, callee), &self.process.config.rpc, self.process.tokens.clone())
    }

    /// Serves the routes on a socket and tells everybody.
    async fn announce(
        &self,
        service: ServiceName,
        routes: Routes,
        part: &Lifecycle,
    ) -> anyhow::Result<(String, Registration)> {
        let rpc = &self.process.config.rpc;
        let bound = serve(rpc, routes, (service, self.process.tokens.clone()), part).await;
        let bound = bound.with_context(|| format!("cannot listen on {} (rpc.listen)", rpc.listen))?;
        let address = if rpc.advertise.is_empty() { bound.to_string() } else { rpc.advertise.clone() };
        let instance = Instance { service, instance: self.process.instance.clone(), address: address.clone(), slot: 0 };
        let registration = self.registry.announce(instance).await.context("cannot announce this process in etcd")?;
        Ok((address, registration))
    }
}

pub(super) async fn repo(config: Config) -> anyhow::Result<()> {
    let service = Box::pin(Service::start(ServiceName::Repo, config)).await?;
    let Process { config, clock, telemetry, instance, life, .. } = &service.process;
    let cache = RedisCache::connect(&config.redis, &config.repo.cache);
    let cache = Arc::new(cache.context("cannot use Redis")?);
    let repo = Repo::start(&config.repo, cache, clock.clone(), telemetry, instance).await?;
    let part = life.part();
    repo.keep_up(&part);
    let (address, registration) = service.announce(ServiceName::Repo, repo.routes(), &part).await?;
    let Service { process, keeping, .. } = service;
    let drain = |limit| async move {
        // No new calls, then those in progress.
        drop(registration);
        let calls = part.drain(limit).await;
        calls.and(keeping.drain(limit).await)
    };
    process.serve(&Ready::new("im-repo", Some(address)), drain).await
}

pub(super) async fn logic(config: Config) -> anyhow::Result<()> {
    let service = Box::pin(Service::start(ServiceName::Logic, config)).await?;
    let Process { config, clock, telemetry, life, readiness, .. } = &service.process;
    let node = service.registry.lease_slot(SlotSpace::Node, NODES).await.context("cannot lease a node slot")?;
    let parts = LogicParts {
        queue: service.queue().await?,
        repo: service.channel(ServiceName::Logic, ServiceName::Repo),
        routes: service.routes()?,
        registry: service.registry.clone(),
        mint: Arc::new(Mint::new(node.number, node.deadline.clone(), node.clock.clone())),
        clock: clock.clone(),
        telemetry: telemetry.clone(),
    };
    let logic = Logic::new(config.logic.clone(), parts)?;
    service.know(ServiceName::Gateway).await;
    let (part, consuming) = (life.part(), life.part());
    let (address, registration) = service.announce(ServiceName::Logic, logic.routes(), &part).await?;
    consuming.spawn("upstream", logic.consume(consuming.clone()));
    let minting = readiness.check("node slot");
    minting.set(true);
    consuming.spawn("node-slot", node.follow(consuming.stopping(), move |held| minting.set(held)));
    let Service { process, keeping, .. } = service;
    let drain = |limit| async move {
        drop(registration);
        let consumed = consuming.drain(limit).await;
        let calls = part.drain(limit).await;
        drop(node);
        consumed.and(calls).and(keeping.drain(limit).await)
    };
    process.serve(&Ready::new("im-logic", Some(address)), drain).await
}

pub(super) async fn gateway(config: Config) -> anyhow::Result<()> {
    let service = Box::pin(Service::start(ServiceName::Gateway, config)).await?;
    let Process { config, clock, telemetry, instance, life, readiness, .. } = &service.process;
    let parts = GatewayParts {
        queue: service.queue().await?,
        logic: service.channel(ServiceName::Gateway, ServiceName::Logic),
        routes: service.routes()?,
        registry: service.registry.clone(),
        instance: instance.clone(),
        clock: clock.clone(),
        telemetry: telemetry.clone(),
        readiness: readiness.clone(),
    };
    let starting = Gateway::start(config.gateway.clone(), parts, life);
    // Asked to stop while it waits for a slot: nothing was begun that must be drained.
    let Some(gateway) = life.stopping().run_until_cancelled(starting).await else {
        return Ok(life.join(Duration::from_millis(config.process.drain_ms)).await?);
    };
    let gateway = gateway?;
    let ready = Ready::new("im-gateway", Some(gateway.url()));
    let Service { process, keeping, .. } = service;
    let drain = |limit| async move {
        let gateway = gateway.drain(limit).await;
        gateway.and(keeping.drain(limit).await)
    };
    process.serve(&ready, drain).await
}

pub(super) async fn task(config: Config) -> anyhow::Result<()> {
    let service = Box::pin(Service::start(ServiceName::Task, config)).await?;
    let Process { config, clock, telemetry, life, .. } = &service.process;
    let part = life.part();
    let parts = TaskParts {
        queue: service.queue().await?,
        repo: service.channel(ServiceName::Task, ServiceName::Repo),
        routes: service.routes()?,
        registry: service.registry.clone(),
        clock: clock.clone(),
        telemetry: telemetry.clone(),
    };
    service.know(ServiceName::Gateway).await;
    Task::start(config.task.clone(), parts, &part);
    let Service { process, keeping, .. } = service;
    let drain = |limit| async move {
        let worked = part.drain(limit).await;
        worked.and(keeping.drain(limit).await)
    };
    process.serve(&Ready::new("im-task", None), drain).await
}
