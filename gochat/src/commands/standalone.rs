//! `gochat standalone`: the four services in one process. Only the adapters differ from a deployment of many.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, sync::Arc};

use anyhow::Context as _;
use im_gateway::{Gateway, GatewayParts};
use im_infra::{
    config::Secret,
    ids::{Mint, NODES},
    lifecycle::Lifecycle,
    mq::{EmbeddedLog, Queue},
    registry::{MemoryRegistry, Registry, ServiceName, SlotSpace},
    rpc::{Channel, serve},
    session_store::{MemorySessionStore, SessionStore},
};
use im_logic::{Logic, LogicParts};
use im_repo::{Repo, app::migrate, cache::MemoryCache};
use im_task::{Task, TaskParts};

use super::process::{Process, Ready};
use crate::{config::Config, secrets};

/// Runs until it is asked to stop.
pub(super) async fn run(mut config: Config) -> anyhow::Result<()> {
    keep_folder(&config.process.data_dir)?;
    complete_database(&mut config)?;
    let secrets = secrets::complete(&mut config)?;
    let process = Process::start("gochat-standalone", config).await?;
    let (gateway, inner) = start(&process).await?;
    let ready = Ready::new("GoChat", Some(gateway.url())).with([
        format!("  data in     {}", absolute(&process.config.process.data_dir)),
        format!("  secrets in  {} (made at the first start; keep them)", absolute(&secrets)),
    ]);
    // From the edge inwards: no new commands, then those in flight are decided and answered.
    let drain = |limit| async move {
        let gateway = gateway.drain(limit).await;
        gateway.and(inner.drain(limit).await)
    };
    process.serve(&ready, drain).await
}

/// Starts the services, innermost first; answers the gateway and the part in which logic and task consume.
async fn start(process: &Process) -> anyhow::Result<(Gateway, Lifecycle)> {
    let Process { config, instance, telemetry, life, clock, tokens, readiness, .. } = process;
    let registry: Arc<dyn Registry> = Arc::new(MemoryRegistry::new(clock.clone()));
    let routes: Arc<dyn SessionStore> = Arc::new(MemorySessionStore::default());
    let log = config.process.data_dir.join("log");
    let log =
        EmbeddedLog::open(&log, &config.log).with_context(|| format!("cannot open the log in {}", log.display()))?;
    let (stopping, broken) = (life.stopping(), log.broken());
    life.spawn("log", async move {
        tokio::select! {
            () = stopping.cancelled() => Ok(()),
            () = broken.cancelled() => Err("it could not be written"),
        }
    });
    let queue = Queue::new(log, telemetry);

    migrate(&config.repo).await?;
    let cache = Arc::new(MemoryCache::new(&config.repo.cache));
    let repo = Repo::start(&config.repo, cache, clock.clone(), telemetry, instance).await?;
    repo.keep_up(life);
    // For operators' commands, and nobody else: the services of this process call without a socket.
    let operators = serve(&config.rpc, repo.routes(), (ServiceName::Repo, tokens.clone()), life).await;
    operators.with_context(|| format!("cannot listen on {} (rpc.listen)", config.rpc.listen))?;
    let to_repo = |caller| Channel::local(repo.routes(), (caller, ServiceName::Repo), &config.rpc, tokens.clone());

    let node = registry.lease_slot(SlotSpace::Node, NODES).await?;
    let parts = LogicParts {
        queue: queue.clone(),
        repo: to_repo(ServiceName::Logic),
        routes: routes.clone(),
        registry: registry.clone(),
        mint: Arc::new(Mint::new(node.number, node.deadline.clone(), node.clock.clone())),
        clock: clock.clone(),
        telemetry: telemetry.clone(),
    };
    let logic = Logic::new(config.logic.clone(), parts)?;
    let to_logic =
        Channel::local(logic.routes(), (ServiceName::Gateway, ServiceName::Logic), &config.rpc, tokens.clone());
    let inner = life.part();
    let consuming = inner.clone();
    inner.spawn("upstream", async move {
        let _node = node;
        logic.consume(consuming).await
    });
    let parts = TaskParts {
        queue: queue.clone(),
        repo: to_repo(ServiceName::Task),
        routes: routes.clone(),
        registry: registry.clone(),
        clock: clock.clone(),
        telemetry: telemetry.clone(),
    };
    Task::start(config.task.clone(), parts, &inner);

    let parts = GatewayParts {
        queue,
        logic: to_logic,
        routes,
        registry,
        instance: instance.clone(),
        clock: clock.clone(),
        telemetry: telemetry.clone(),
        readiness: readiness.clone(),
    };
    let gateway = Gateway::start(config.gateway.clone(), parts, life).await?;
    Ok((gateway, inner))
}

/// Without a database of its own the data folder holds one.
pub(super) fn complete_database(config: &mut Config) -> anyhow::Result<()> {
    if config.repo.database.url.is_empty() {
        let folder = &config.process.data_dir;
        keep_folder(folder)?;
        let file = folder.join("gochat.db");
        config.repo.database.url = Secret::new(format!("sqlite://{}?mode=rwc", file.display()));
    }
    Ok(())
}

fn keep_folder(folder: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    // Messages and password hashes: for their owner only.
    fs::set_permissions(folder, fs::Permissions::from_mode(0o700))?;
    Ok(())
}

fn absolute(path: &Path) -> String {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_owned()).display().to_string()
}
