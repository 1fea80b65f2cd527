//! Separate processes on a real Kafka, etcd, Redis and MariaDB.

use im_infra::{access_token::SigningKey, testing::infra};
use sea_orm::{ConnectionTrait as _, Statement};
use tempfile::TempDir;

use super::process::{Running, command};

/// So many of each service.
const EACH: usize = 2;

pub(crate) struct Cluster {
    pub(crate) gateways: Vec<Node>,
    pub(crate) logics: Vec<Node>,
    pub(crate) repos: Vec<Node>,
    pub(crate) tasks: Vec<Node>,
    pub(crate) database_url: String,
    _folder: TempDir,
}

/// One process, and how to start it again.
pub(crate) struct Node {
    service: &'static str,
    settings: Vec<(String, String)>,
    folder: std::path::PathBuf,
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

    /// SIGKILL, and a new start.
    pub(crate) async fn kill_and_restart(&mut self) {
        self.running.kill().await;
        self.running = Running::start(self.service, &self.folder, &self.settings).await;
    }
}

impl Cluster {
    /// On the infrastructure that all tests share.
    pub(crate) async fn start() -> Self {
        Self::with(&[]).await
    }

    /// The same, with settings beside the test's own, as `("LOGIC__LIMITS__LARGE_FROM", "3")`.
    pub(crate) async fn with(settings: &[(&str, &str)]) -> Self {
        Self::on(infra, settings).await
    }

    /// On the infrastructure of which these are the addresses.
    pub(crate) async fn on(infra: impl Fn(&str) -> String, settings: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let name = uuid::Uuid::new_v4().simple().to_string();
        let mariadb = infra("GOCHAT_TEST_MARIADB");
        let admin = sea_orm::Database::connect(&mariadb).await.unwrap();
        let create = format!("create database c_{name}");
        admin.execute_raw(Statement::from_string(admin.get_database_backend(), create)).await.unwrap();
        let database_url = format!("{}/c_{name}", mariadb.rsplit_once('/').unwrap().0);
        let namespace = format!("c{name}");
        let own = [
            ("RPC__SECRET", "0123456789abcdef0123456789abcdef".to_owned()),
            ("LOGIC__AUTH__SIGNING_KEY", SigningKey::generate().unwrap()),
            ("REPO__DATABASE__URL", database_url.clone()),
            ("KAFKA__BROKERS", infra("GOCHAT_TEST_KAFKA")),
            ("KAFKA__NAMESPACE", format!("{namespace}.")),
            ("KAFKA__PARTITIONS", "4".to_owned()),
            ("KAFKA__DOWNSTREAM_PARTITIONS", "16".to_owned()),
            ("KAFKA__SESSION_TIMEOUT_MS", "3000".to_owned()),
            ("ETCD__ENDPOINTS", infra("GOCHAT_TEST_ETCD")),
            ("ETCD__NAMESPACE", namespace.clone()),
            ("ETCD__LEASE_TTL_MS", "2000".to_owned()),
            ("REDIS__URL", infra("GOCHAT_TEST_REDIS")),
            ("REDIS__NAMESPACE", namespace.clone()),
            ("GATEWAY__RATE__COMMANDS_PER_SECOND", "100000".to_owned()),
            ("GATEWAY__RATE__COMMANDS_BURST", "100000".to_owned()),
        ];
        let more = settings.iter().map(|(key, value)| (*key, (*value).to_owned()));
        let settings: Vec<(String, String)> =
            own.into_iter().chain(more).map(|(key, value)| (format!("GOCHAT__{key}"), value)).collect();
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
        Self { gateways, logics, repos, tasks, database_url, _folder: folder }
    }

    pub(crate) fn addresses(&self) -> Vec<String> {
        self.gateways.iter().map(|node| node.running.address.clone()).collect()
    }

    /// SIGTERM to all, from the edge inwards; all must end well.
    pub(crate) async fn terminate(mut self) {
        let all = [&mut self.gateways, &mut self.logics, &mut self.tasks, &mut self.repos];
        for node in all.into_iter().flatten() {
            assert_eq!(node.running.terminate().await, Some(0), "{}", node.service);
        }
    }
}
