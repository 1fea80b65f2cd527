//! The servers: whether they listen, and what they say of themselves.

use std::{fmt::Display, time::Duration};

use im_infra::{
    clock::Clock,
    config::Secret,
    database::{Database, DatabaseOptions},
    inspection::Inspection,
    mq::Kafka,
    redis::Connection,
    registry::{EtcdOptions, EtcdRegistry},
};
use im_repo::app::pending_migrations;

use super::{findings::Findings, reach::reached};
use crate::{cli::DoctorTarget, config::Config};

const DATABASE: &str = "repo.database.url";
const KAFKA: &str = "kafka.brokers";
const ETCD: &str = "etcd.endpoints";
const REDIS: &str = "redis.url";
/// Its client blocks a thread that the process has to wait for, so it gives up before everybody's limit does.
const KAFKA_LIMIT: Duration = Duration::from_secs(4);

pub(super) async fn database(target: DoctorTarget, config: &Config) -> Findings {
    Findings::in_time("database", DATABASE, async |found: &mut Findings| {
        let mut options = config.repo.database.clone();
        let alone = target == DoctorTarget::Standalone;
        if options.url.is_empty() && alone {
            let file = config.process.data_dir.join("gochat.db");
            options.url = Secret::new(format!("sqlite://{}", file.display()));
        }
        // Without an address it was found among the secrets that are missing.
        if !options.url.is_empty() && is_there(&options, alone, found).await {
            look_into(&options, alone, found).await;
        }
    })
    .await
}

async fn is_there(options: &DatabaseOptions, alone: bool, found: &mut Findings) -> bool {
    if let Some(file) = options.file() {
        if !file.exists() {
            let file = file.display();
            if alone {
                found.warning(format_args!("{file} is not there: the first start makes it"));
            } else {
                found.failed(format_args!("{file} is not there: run `gochat migrate up` or correct {DATABASE}"));
            }
            return false;
        }
        found.ok(format_args!("{} is there", file.display()));
    }
    match options.server() {
        Some(server) => !reached(&[server], DATABASE, found).await.is_empty(),
        None => true,
    }
}

async fn look_into(options: &DatabaseOptions, alone: bool, found: &mut Findings) {
    let database = match Database::connect(&options.reading_only()).await {
        Ok(database) => database,
        Err(error) => return found.failed(format_args!("it cannot be used: {error} ({DATABASE})")),
    };
    tell(database.inspect(&Clock::system()).await, DATABASE, found);
    match pending_migrations(&database).await.as_deref() {
        Ok([]) => found.ok("the schema is up to date"),
        Ok(missing) if alone => {
            found.warning(format_args!("the schema lacks {}: the next start adds it", missing.join(", ")));
        }
        Ok(missing) => found.failed(format_args!("the schema lacks {}: run `gochat migrate up`", missing.join(", "))),
        Err(error) => found.failed(format_args!("the schema cannot be read: {error}")),
    }
}

pub(super) async fn kafka(config: &Config) -> Findings {
    Findings::in_time("kafka", KAFKA, async |found: &mut Findings| {
        let brokers = config.kafka.brokers.split(',').map(str::trim).filter(|broker| !broker.is_empty());
        let brokers: Vec<String> = brokers.map(str::to_owned).collect();
        if !reached(&brokers, KAFKA, found).await.is_empty() {
            tell(Kafka::inspect(&config.kafka, KAFKA_LIMIT).await, KAFKA, found);
        }
    })
    .await
}

pub(super) async fn etcd(config: &Config) -> Findings {
    Findings::in_time("etcd", ETCD, async |found: &mut Findings| {
        let endpoints = reached(&config.etcd.endpoints, ETCD, found).await;
        if !endpoints.is_empty() {
            tell(EtcdRegistry::inspect(&EtcdOptions { endpoints, ..config.etcd.clone() }).await, ETCD, found);
        }
    })
    .await
}

pub(super) async fn redis(config: &Config) -> Findings {
    Findings::in_time("redis", REDIS, async |found: &mut Findings| {
        let url = &config.redis.url;
        if let Some(server) = Connection::server(url)
            && reached(&[server], REDIS, found).await.is_empty()
        {
            return;
        }
        match Connection::open_with(url, &config.redis.tls, Duration::from_millis(config.redis.timeout_ms)) {
            Ok(connection) => tell(connection.inspect(&Clock::system()).await, REDIS, found),
            Err(error) => found.failed(format_args!("it is not an address: {error} ({REDIS})")),
        }
    })
    .await
}

fn tell<E: Display>(looked: Result<Inspection, E>, key: &str, found: &mut Findings) {
    match looked {
        Ok(inspection) => found.take(inspection),
        Err(error) => found.failed(format_args!("it listens but does not serve: {error} ({key})")),
    }
}
