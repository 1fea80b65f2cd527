//! Separate processes on a real Kafka, etcd, Redis and MariaDB.

use std::path::PathBuf;

use im_infra::{
    access_token::SigningKey,
    mq::{Kafka, KafkaOptions, Queue},
    telemetry::Telemetry,
    testing::infra,
};
use sea_orm::{ConnectionTrait as _, Statement};
use tempfile::TempDir;

use super::process::{Running, command};

/// So many of each service.
const EACH: usize = 2;
/// Partitions of every topic but downstream.
const PARTITIONS: u32 = 4;
/// Partitions of downstream.
const DOWNSTREAM_PARTITIONS: u32 = 16;

pub(crate) struct Cluster {
    pub(crate) gateways: Vec<Node>,
    pub(crate) logics: Vec<Node>,
    pub(crate) repos: Vec<Node>,
    pub(crate) tasks: Vec<Node>,
    pub(crate) database_url: String,
    kafka: KafkaOptions,
    settings: Vec<(String, String)>,
    folder: TempDir,
}

/// One process, and how to start it again.
pub(crate) struct Node {
    service: &'static str,
    settings: Vec<(String, String)>,
    folder: PathBuf,
    pub(crate) running: Running,
}

impl Node {
    async fn start(service: &'static str, folder: &TempDir, settings: &[(String, String)]) -> Self {
        let running = Running::start(service, folder.path(), settings).await;
        let mut settings = settings.to_vec();
        if service == "gateway" {
            // Clients come back to where they were.
            settings.push(("GOCHAT__GATEWAY__HTTP__LISTEN".into(), running.address.clone()));
        }
        Self { service, settings, folder: folder.path().to_owned(), running }
    }

    /// SIGTERM; it must end well.
    pub(crate) async fn stop(&mut self) {
        assert_eq!(self.running.terminate().await, Some(0), "{}", self.service);
    }

    /// With the same settings, once it has ended.
    pub(crate) async fn start_again(&mut self) {
        self.running = Running::start(self.service, &self.folder, &self.settings).await;
    }
}

impl Cluster {
    /// On the infrastructure that all tests share.
    pub(crate) async fn start() -> Self {
        Self::on(infra).await
    }

    /// On the infrastructure of which these are the addresses.
    pub(crate) async fn on(infra: impl Fn(&str) -> String) -> Self {
        Self::with(infra, &[]).await
    }

    /// With settings beside the test's own, as `("GATEWAY__WS__HEARTBEAT_MS", "500")`.
    pub(crate) async fn with(infra: impl Fn(&str) -> String, more: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let name = uuid::Uuid::new_v4().simple().to_string();
        let mariadb = infra("GOCHAT_TEST_MARIADB");
        let admin = sea_orm::Database::connect(&mariadb).await.unwrap();
        let create = format!("create database c_{name}");
        admin.execute_raw(Statement::from_string(admin.get_database_backend(), create)).await.unwrap();
        let database_url = format!("{}/c_{name}", mariadb.rsplit_once('/').unwrap().0);
        let namespace = format!("c{name}");
        let kafka = KafkaOptions {
            brokers: infra("GOCHAT_TEST_KAFKA"),
            namespace: format!("{namespace}."),
            partitions: PARTITIONS,
            downstream_partitions: DOWNSTREAM_PARTITIONS,
            ..KafkaOptions::default()
        };
        let own = [
            ("RPC__SECRET", "0123456789abcdef0123456789abcdef".to_owned()),
            ("LOGIC__AUTH__SIGNING_KEY", SigningKey::generate().unwrap()),
            ("REPO__DATABASE__URL", database_url.clone()),
            ("KAFKA__BROKERS", kafka.brokers.clone()),
            ("KAFKA__NAMESPACE", kafka.namespace.clone()),
            ("KAFKA__PARTITIONS", PARTITIONS.to_string()),
            ("KAFKA__DOWNSTREAM_PARTITIONS", DOWNSTREAM_PARTITIONS.to_string()),
            ("KAFKA__SESSION_TIMEOUT_MS", "3000".to_owned()),
            ("ETCD__ENDPOINTS", infra("GOCHAT_TEST_ETCD")),
            ("ETCD__NAMESPACE", namespace.clone()),
            ("ETCD__LEASE_TTL_MS", "2000".to_owned()),
            ("REDIS__URL", infra("GOCHAT_TEST_REDIS")),
            ("REDIS__NAMESPACE", namespace.clone()),
            ("GATEWAY__RATE__COMMANDS_PER_SECOND", "100000".to_owned()),
            ("GATEWAY__RATE__COMMANDS_BURST", "100000".to_owned()),
        ];
        let more = more.iter().map(|(key, value)| (*key, (*value).to_owned()));
        let all = own.into_iter().chain(more).map(|(key, value)| (format!("GOCHAT__{key}"), value));
        let settings: Vec<(String, String)> = all.collect();
        assert!(command(folder.path(), &settings).args(["migrate", "up"]).status().await.unwrap().success());
        let mut nodes: Vec<Vec<Node>> = Vec::new();
        for service in ["repo", "logic", "task", "gateway"] {
            let mut some = Vec::new();
            for _ in 0..EACH {
                some.push(Node::start(service, &folder, &settings).await);
            }
            nodes.push(some);
        }
        let (gateways, tasks) = (nodes.pop().unwrap(), nodes.pop().unwrap());
        let (logics, repos) = (nodes.pop().unwrap(), nodes.pop().unwrap());
        Self { gateways, logics, repos, tasks, database_url, kafka, settings, folder }
    }

    pub(crate) fn addresses(&self) -> Vec<String> {
        self.gateways.iter().map(|node| node.running.address.clone()).collect()
    }

    /// Its topics, as the services see them.
    pub(crate) async fn queue(&self) -> Queue {
        Queue::new(Kafka::connect(&self.kafka).await.unwrap(), &Telemetry::for_tests())
    }

    /// For operators' commands, which ask an im-repo: the data folder and the settings.
    pub(crate) fn operator(&self) -> (PathBuf, Vec<(String, String)>) {
        let mut settings = self.settings.clone();
        settings.push(("GOCHAT__RPC__LISTEN".to_owned(), self.repos[0].running.address.clone()));
        (self.folder.path().to_owned(), settings)
    }

    /// SIGTERM to all, from the edge inwards; all must end well.
    pub(crate) async fn terminate(mut self) {
        let all = [&mut self.gateways, &mut self.logics, &mut self.tasks, &mut self.repos];
        for node in all.into_iter().flatten() {
            node.stop().await;
        }
    }
}
