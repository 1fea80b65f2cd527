//! `gochat standalone`: the four services in one process. Only the adapters differ from a deployment of many.

use std::{fs, path::Path, sync::Arc, time::Duration};

use anyhow::Context as _;
use im_gateway::{Gateway, GatewayParts};
use im_infra::{
    clock::Clock,
    config::Secret,
    ids::{Mint, NODES},
    lifecycle::{Lifecycle, Readiness, serve_admin, stop_on_signals},
    mq::{EmbeddedLog, Queue},
    registry::{MemoryRegistry, Registry, ServiceName, SlotSpace},
    rpc::{Channel, ServiceTokens, serve},
    session_store::{MemorySessionStore, SessionStore},
    telemetry::Telemetry,
};
use im_logic::{Logic, LogicParts};
use im_repo::{Repo, app::migrate};
use im_task::{Task, TaskParts};

use crate::{cli::say, config::Config, secrets};

/// Runs until it is asked to stop.
pub(super) async fn run(mut config: Config) -> anyhow::Result<()> {
    complete_database(&mut config)?;
    let secrets = secrets::complete(&mut config)?;
    let instance = uuid::Uuid::new_v4().simple().to_string();
    let telemetry = Telemetry::init("gochat-standalone", &instance, &config.telemetry)?;
    let life = Lifecycle::new();
    stop_on_signals(&life)?;
    let readiness = Readiness::default();
    let ready = readiness.check("standalone");
    let shown = serde_json::to_value(&config)?;
    let admin = serve_admin(&config.admin, &life, readiness, telemetry.clone(), shown).await?;

    let (gateway, logic) = start(&config, &instance, &telemetry, &life).await?;
    ready.set(true);
    say(format_args!("GoChat is ready at http://{}", gateway.address()));
    say(format_args!("  data in     {}", absolute(&config.process.data_dir)));
    say(format_args!("  secrets in  {} (made at the first start; keep them)", absolute(&secrets)));
    say(format_args!("  operators   http://{admin}/readyz /metrics /config /log-level"));
    say("  Ctrl-C stops");

    life.stopping().cancelled().await;
    ready.set(false);
    // From the edge inwards: no new commands, then those in flight are decided and answered, then the rest.
    let drain = Duration::from_millis(config.process.drain_ms);
    let gateway = gateway.drain(drain).await;
    let logic = logic.drain(drain).await;
    let process = life.join(drain).await;
    tokio::task::spawn_blocking(move || telemetry.shutdown()).await?;
    Ok(gateway.and(logic).and(process)?)
}

/// Starts the services, innermost first; answers the gateway and the part in which logic and task consume.
async fn start(
    config: &Config,
    instance: &str,
    telemetry: &Telemetry,
    life: &Lifecycle,
) -> anyhow::Result<(Gateway, Lifecycle)> {
    let clock = Clock::system();
    let registry: Arc<dyn Registry> = Arc::new(MemoryRegistry::default());
    let routes: Arc<dyn SessionStore> = Arc::new(MemorySessionStore::default());
    let log = config.process.data_dir.join("log");
    let log =
        EmbeddedLog::open(&log, &config.log).with_context(|| format!("cannot open the log in {}", log.display()))?;
    let queue = Queue::new(log, telemetry);
    let tokens = ServiceTokens::new(&config.rpc.secret, clock.clone());

    migrate(&config.repo).await?;
    let repo = Repo::start(&config.repo, clock.clone(), telemetry, instance).await?;
    // For operators' commands, and nobody else: the services of this process call without a socket.
    let operators = serve(config.rpc.listen, repo.routes(), (ServiceName::Repo, tokens.clone()), life).await;
    operators.with_context(|| format!("cannot listen on {} (rpc.listen)", config.rpc.listen))?;
    let to_repo = Channel::local(repo.routes(), (ServiceName::Logic, ServiceName::Repo), &config.rpc, tokens.clone());

    let node = registry.lease_slot(SlotSpace::Node, NODES).await?;
    let mint = Arc::new(Mint::new(node.number, node.deadline.clone(), clock.clone()));
    let parts = LogicParts {
        queue: queue.clone(),
        repo: to_repo,
        routes: routes.clone(),
        registry: registry.clone(),
        mint,
        clock: clock.clone(),
        telemetry: telemetry.clone(),
    };
    let logic = Logic::new(config.logic.clone(), parts)?;
    let to_logic =
        Channel::local(logic.routes(), (ServiceName::Gateway, ServiceName::Logic), &config.rpc, tokens.clone());
    let deciding = life.part();
    deciding.spawn("upstream", {
        let life = deciding.clone();
        async move {
            let _node = node;
            logic.consume(life).await
        }
    });

    let to_repo = Channel::local(repo.routes(), (ServiceName::Task, ServiceName::Repo), &config.rpc, tokens.clone());
    Task::start(TaskParts { queue: queue.clone(), repo: to_repo, clock: clock.clone() }, &deciding);

    let parts = GatewayParts {
        queue,
        logic: to_logic,
        routes,
        registry,
        instance: instance.to_owned(),
        clock,
        telemetry: telemetry.clone(),
    };
    let gateway = Gateway::start(config.gateway.clone(), parts, life).await?;
    Ok((gateway, deciding))
}

/// Without a database of its own the data folder holds one.
pub(super) fn complete_database(config: &mut Config) -> anyhow::Result<()> {
    let folder = &config.process.data_dir;
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    if config.repo.database.url.is_empty() {
        let file = folder.join("gochat.db");
        config.repo.database.url = Secret::new(format!("sqlite://{}?mode=rwc", file.display()));
    }
    Ok(())
}

fn absolute(path: &Path) -> String {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_owned()).display().to_string()
}
