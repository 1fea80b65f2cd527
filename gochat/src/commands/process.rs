//! What every process of GoChat has around its services: telemetry, the admin port, signals, readiness, an orderly end.

use std::{future::Future, time::Duration};

use im_infra::{
    clock::Clock,
    lifecycle::{Check, Failure, Lifecycle, Readiness, serve_admin, stop_on_signals},
    rpc::ServiceTokens,
    telemetry::{LogFormat, Telemetry},
};

use crate::{cli::say, config::Config};

/// What a process says when it is ready.
pub(super) struct Ready {
    name: &'static str,
    /// None: it is called by nobody.
    address: Option<String>,
    /// More for people.
    lines: Vec<String>,
}

impl Ready {
    pub(super) const fn new(name: &'static str, address: Option<String>) -> Self {
        Self { name, address, lines: Vec::new() }
    }

    /// With lines for people, which a log does not have.
    pub(super) fn with(self, lines: impl Into<Vec<String>>) -> Self {
        Self { lines: lines.into(), ..self }
    }
}

/// A process that is starting.
pub(super) struct Process {
    pub(super) config: Config,
    /// Random per start.
    pub(super) instance: String,
    pub(super) telemetry: Telemetry,
    pub(super) life: Lifecycle,
    pub(super) clock: Clock,
    pub(super) tokens: ServiceTokens,
    pub(super) readiness: Readiness,
    admin: std::net::SocketAddr,
    ready: Check,
}

impl Process {
    /// Sets up telemetry and opens the admin port.
    pub(super) async fn start(name: &'static str, config: Config) -> anyhow::Result<Self> {
        let instance = uuid::Uuid::new_v4().simple().to_string();
        let telemetry = Telemetry::init(name, &instance, &config.telemetry)?;
        let life = Lifecycle::new();
        stop_on_signals(&life)?;
        let readiness = Readiness::default();
        let ready = readiness.check(name);
        let shown = serde_json::to_value(&config)?;
        let admin = serve_admin(&config.admin, &life, readiness.clone(), telemetry.clone(), shown).await?;
        let clock = Clock::system();
        let tokens = ServiceTokens::new(&config.rpc.secret, clock.clone());
        Ok(Self { config, instance, telemetry, life, clock, tokens, readiness, admin, ready })
    }

    /// Says that it is ready, runs until it is asked to stop, then lets `drain` end its parts, each within the time given.
    pub(super) async fn serve<F: Future<Output = Result<(), Failure>>>(
        self,
        ready: &Ready,
        drain: impl FnOnce(Duration) -> F,
    ) -> anyhow::Result<()> {
        self.ready.set(true);
        self.tell(ready);
        self.life.stopping().cancelled().await;
        self.ready.set(false);
        let limit = Duration::from_millis(self.config.process.drain_ms);
        let parts = drain(limit).await;
        let process = self.life.join(limit).await;
        let telemetry = self.telemetry;
        tokio::task::spawn_blocking(move || telemetry.shutdown()).await?;
        Ok(parts.and(process)?)
    }

    /// As a line of the log where standard output is read by programs, else as people like it.
    fn tell(&self, ready: &Ready) {
        let operators = format!("http://{}", self.admin);
        if self.config.telemetry.log.format == LogFormat::Json {
            tracing::info!(service = ready.name, address = ready.address.as_deref(), operators, "ready");
            return;
        }
        let place = ready.address.as_ref().map_or_else(String::new, |address| format!(" at {address}"));
        say(format_args!("{} is ready{place}", ready.name));
        ready.lines.iter().for_each(say);
        say(format_args!("  operators   {operators}/readyz /metrics /config /log-level"));
        say("  Ctrl-C stops");
    }
}
