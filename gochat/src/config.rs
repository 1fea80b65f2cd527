//! The whole configuration. `default.toml` documents every key and holds its default.

use std::{net::SocketAddr, path::PathBuf};

use im_gateway::GatewayOptions;
use im_infra::{
    clock::Clock,
    config::{Check, ConfigError, Report, Sources, load},
    lifecycle::AdminOptions,
    mq::{EmbeddedLogOptions, KafkaOptions},
    registry::{EtcdOptions, ServiceName},
    rpc::RpcOptions,
    session_store::RedisOptions,
    telemetry::TelemetryOptions,
};
use im_logic::LogicOptions;
use im_repo::RepoOptions;
use im_task::TaskOptions;
use serde::{Deserialize, Serialize};

/// Every key with its default.
pub(crate) const DEFAULTS: &str = include_str!("../default.toml");

/// Everything that can be configured.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    pub(crate) process: ProcessOptions,
    pub(crate) admin: AdminOptions,
    pub(crate) telemetry: TelemetryOptions,
    pub(crate) rpc: RpcOptions,
    pub(crate) log: EmbeddedLogOptions,
    pub(crate) kafka: KafkaOptions,
    pub(crate) etcd: EtcdOptions,
    pub(crate) redis: RedisOptions,
    pub(crate) repo: RepoOptions,
    pub(crate) logic: LogicOptions,
    pub(crate) task: TaskOptions,
    pub(crate) gateway: GatewayOptions,
}

/// The process.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProcessOptions {
    pub(crate) data_dir: PathBuf,
    pub(crate) drain_ms: u64,
}

impl Config {
    /// Of the defaults, a file and this process's environment.
    pub(crate) fn load(file: Option<PathBuf>) -> Result<Self, ConfigError> {
        load(&Sources::of_process(DEFAULTS, file))
    }
}

impl Config {
    /// What a service that is its own process cannot do without, and nobody makes for it: no default is a secret, or where a host
    /// is reached.
    pub(crate) fn require_for(&self, service: ServiceName) -> Result<(), ConfigError> {
        let mut report = Report::default();
        report.require(!self.rpc.secret.is_empty(), "rpc.secret", "", "at least 32 bytes, the same for all services");
        if service == ServiceName::Repo {
            let url = &self.repo.database.url;
            report.require(!url.is_empty(), "repo.database.url", "", "sqlite:, mysql: or postgres:");
        }
        if service == ServiceName::Logic {
            let allowed = "a P-256 private key in PKCS#8 PEM, or file:PATH, the same for all of im-logic";
            report.require(!self.logic.auth.signing_key.is_empty(), "logic.auth.signing_key", "", allowed);
        }
        if matches!(service, ServiceName::Repo | ServiceName::Logic) {
            let RpcOptions { listen, advertise, .. } = &self.rpc;
            let announced = if advertise.is_empty() { Ok(*listen) } else { advertise.parse() };
            // A host name is nobody's wildcard.
            let is_everywhere = announced.is_ok_and(|address: SocketAddr| address.ip().is_unspecified());
            let allowed = format!("host:port at which the others reach this host, as rpc.listen is {listen}");
            report.require(!is_everywhere, "rpc.advertise", advertise, allowed);
        }
        report.done()
    }
}

impl Check for Config {
    fn check(&self, report: &mut Report) {
        report.range("process.drain_ms", self.process.drain_ms, 100..=600_000);
        report.range("telemetry.trace.sample_ratio", self.telemetry.trace.sample_ratio, 0.0..=1.0);
        report.range("telemetry.log.file_bytes_max", self.telemetry.log.file_bytes_max, 4_096..=1 << 40);
        report.range("telemetry.log.files_kept", self.telemetry.log.files_kept, 1..=1_000);
        self.rpc.check(report);
        self.log.check(report);
        self.kafka.check(report);
        self.etcd.check(report);
        self.redis.tls.check("redis.tls", &Clock::system(), report);
        let over_tls = self.redis.url.expose().starts_with("rediss://");
        report.require(over_tls || self.redis.tls.is_empty(), "redis.url", "***", "rediss://…, as redis.tls is set");
        report.range("redis.timeout_ms", self.redis.timeout_ms, 50..=10_000);
        report.range("redis.route_ttl_ms", self.redis.route_ttl_ms, 90_000..=3_600_000);
        report.range("redis.complete_ttl_ms", self.redis.complete_ttl_ms, 45_000..=3_600_000);
        self.repo.check(report);
        self.logic.check(report);
        self.task.check(report);
        self.gateway.check(report);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(environment: &[(&str, &str)]) -> Result<Config, ConfigError> {
        let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        load(&Sources { defaults: DEFAULTS, file: None, environment })
    }

    #[test]
    fn the_defaults_are_a_valid_configuration() {
        with(&[]).unwrap();
    }

    #[test]
    fn no_service_announces_an_address_that_is_none() {
        let is_refused = |service, listen, advertise| {
            let config = with(&[("GOCHAT__RPC__LISTEN", listen), ("GOCHAT__RPC__ADVERTISE", advertise)]).unwrap();
            let mistakes = config.require_for(service).unwrap_err().mistakes;
            mistakes.iter().any(|mistake| mistake.key == "rpc.advertise")
        };
        for service in [ServiceName::Repo, ServiceName::Logic] {
            assert!(is_refused(service, "0.0.0.0:9000", "") && is_refused(service, "[::]:9000", ""));
            assert!(is_refused(service, "10.0.0.1:9000", "0.0.0.0:9000"));
            assert!(!is_refused(service, "0.0.0.0:9000", "repo:9000") && !is_refused(service, "127.0.0.1:0", ""));
        }
        assert!(!is_refused(ServiceName::Gateway, "0.0.0.0:9000", ""), "it is called by nobody");
    }

    #[test]
    fn every_wrong_key_and_value_is_named_with_what_is_allowed() {
        let error = with(&[
            ("GOCHAT__GATEWAY__HTTP__LISTEN", "nowhere"),
            ("GOCHAT__RPC__SECRET", "short"),
            ("GOCHAT__GATEWAY__WS__HEARTBEAT_MS", "1"),
            ("GOCHAT__GATEWAY__WS__HEARTBEET_MS", "1"),
            ("GOCHAT__REPO__DATABASE__URL", "oracle://somewhere"),
        ])
        .unwrap_err();
        let keys: Vec<_> = error.mistakes.iter().map(|mistake| mistake.key.as_str()).collect();
        for key in [
            "gateway.http.listen",
            "rpc.secret",
            "gateway.ws.heartbeat_ms",
            "gateway.ws.heartbeet_ms",
            "repo.database.url",
        ] {
            assert!(keys.contains(&key), "{key} not in {keys:?}");
        }
        assert!(!error.to_string().contains("short"), "secrets are not shown: {error}");
    }
}
