//! A place where services could run, and what a doctor says of it.

use std::{path::Path, process::Stdio};

use im_infra::{
    access_token::SigningKey,
    mq::{Group, Kafka, KafkaOptions, Queue, Topic},
    telemetry::Telemetry,
    testing::infra,
};
use sea_orm::{ConnectionTrait as _, DatabaseConnection, Statement};
use tempfile::TempDir;

use crate::process::command;

/// Partitions of every topic.
const PARTITIONS: u32 = 4;
/// The infrastructure's password, as it is in an address.
pub(super) const PASSWORD: &str = ":gochat@";

/// What services would run on: a database and a namespace of its own.
pub(super) struct Site {
    folder: TempDir,
    database: DatabaseConnection,
    pub(super) kafka: KafkaOptions,
    settings: Vec<(String, String)>,
}

/// What a doctor said.
pub(super) struct Said {
    pub(super) code: Option<i32>,
    pub(super) text: String,
}

impl Said {
    /// The line with all these words.
    pub(super) fn line(&self, words: &[&str]) -> &str {
        let found = self.text.lines().find(|line| words.iter().all(|word| line.contains(word)));
        found.unwrap_or_else(|| panic!("no line with {words:?}:\n{}", self.text))
    }

    pub(super) fn failures(&self) -> Vec<&str> {
        self.text.lines().filter(|line| line.starts_with("failed")).collect()
    }
}

pub(super) async fn doctor(folder: &Path, settings: &[(String, String)], arguments: &[&str]) -> Said {
    let mut doctor = command(folder, settings);
    let output = doctor.arg("doctor").args(arguments).stderr(Stdio::piped()).output().await.unwrap();
    let text = [output.stdout, output.stderr].concat();
    Said { code: output.status.code(), text: String::from_utf8(text).unwrap() }
}

impl Site {
    pub(super) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let namespace = format!("d{}", uuid::Uuid::new_v4().simple());
        let mariadb = infra("GOCHAT_TEST_MARIADB");
        let admin = sea_orm::Database::connect(&mariadb).await.unwrap();
        let create = format!("create database {namespace}");
        admin.execute_raw(Statement::from_string(admin.get_database_backend(), create)).await.unwrap();
        let url = format!("{}/{namespace}", mariadb.rsplit_once('/').unwrap().0);
        let database = sea_orm::Database::connect(&url).await.unwrap();
        let kafka = KafkaOptions {
            brokers: infra("GOCHAT_TEST_KAFKA"),
            namespace: format!("{namespace}."),
            partitions: PARTITIONS,
            downstream_partitions: PARTITIONS,
            ..KafkaOptions::default()
        };
        let settings = [
            ("RPC__SECRET", "0123456789abcdef0123456789abcdef".to_owned()),
            ("LOGIC__AUTH__SIGNING_KEY", SigningKey::generate().unwrap()),
            ("REPO__DATABASE__URL", url),
            ("KAFKA__BROKERS", kafka.brokers.clone()),
            ("KAFKA__NAMESPACE", kafka.namespace.clone()),
            ("KAFKA__PARTITIONS", PARTITIONS.to_string()),
            ("KAFKA__DOWNSTREAM_PARTITIONS", PARTITIONS.to_string()),
            ("ETCD__ENDPOINTS", infra("GOCHAT_TEST_ETCD")),
            ("ETCD__NAMESPACE", namespace.clone()),
            ("REDIS__URL", infra("GOCHAT_TEST_REDIS")),
            ("REDIS__NAMESPACE", namespace),
        ];
        let settings = settings.into_iter().map(|(key, value)| (format!("GOCHAT__{key}"), value)).collect();
        Self { folder, database, kafka, settings }
    }

    /// As a service finds it that starts after others did.
    pub(super) async fn prepare(&self) -> Queue {
        let migrated = command(self.folder.path(), &self.settings).args(["migrate", "up"]).status().await.unwrap();
        assert!(migrated.success());
        let queue = Queue::new(Kafka::connect(&self.kafka).await.unwrap(), &Telemetry::for_tests());
        // To ask for a group's position makes the place where a cluster keeps them.
        assert_eq!(queue.committed(Group::Logic, Topic::Upstream, 0).await, Ok(None));
        queue
    }

    /// With some settings replaced.
    pub(super) async fn doctor(&self, other: &[(&str, &str)], arguments: &[&str]) -> Said {
        let other = other.iter().map(|(key, value)| (format!("GOCHAT__{key}"), (*value).to_owned()));
        let settings: Vec<_> = self.settings.iter().cloned().chain(other).collect();
        doctor(self.folder.path(), &settings, arguments).await
    }

    pub(super) async fn tables(&self) -> usize {
        let statement = Statement::from_string(self.database.get_database_backend(), "show tables");
        self.database.query_all_raw(statement).await.unwrap().len()
    }
}
