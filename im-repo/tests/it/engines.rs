//! One suite, three engines, and both caches: the first engine with the one in the process, the others with Redis.

use std::sync::Arc;

use im_infra::{
    clock::Clock, config::Secret, database::DatabaseOptions, session_store::RedisOptions, telemetry::Telemetry,
    testing::infra,
};
use im_repo::{
    Repo, RepoOptions,
    app::migrate,
    cache::{Cache, CacheOptions, MemoryCache, RedisCache},
    store::Store,
};
use sea_orm::{ConnectionTrait as _, Statement};

/// An engine with an empty database and an empty cache of its own.
pub(crate) struct Engine {
    pub(crate) store: Store,
    pub(crate) clock: Clock,
    pub(crate) telemetry: Telemetry,
    pub(crate) is_sqlite: bool,
    pub(crate) options: RepoOptions,
    _folder: Option<tempfile::TempDir>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Sqlite,
    Mariadb,
    Postgres,
}

impl Engine {
    pub(crate) async fn start(kind: Kind) -> Self {
        let cache: Arc<dyn Cache> = match kind {
            Kind::Sqlite => memory_cache(),
            Kind::Mariadb | Kind::Postgres => redis_cache(&namespace()),
        };
        Self::with_cache(kind, cache).await
    }

    pub(crate) async fn with_cache(kind: Kind, cache: Arc<dyn Cache>) -> Self {
        let (url, folder) = match kind {
            Kind::Sqlite => {
                let folder = tempfile::tempdir().unwrap();
                (format!("sqlite://{}/im.db?mode=rwc", folder.path().display()), Some(folder))
            }
            Kind::Mariadb => (fresh_database(&infra("GOCHAT_TEST_MARIADB")).await, None),
            Kind::Postgres => (fresh_database(&infra("GOCHAT_TEST_POSTGRES")).await, None),
        };
        let database = DatabaseOptions { url: Secret::new(url), connections_max: 8, acquire_timeout_ms: 10_000 };
        let options = RepoOptions::new(database);
        migrate(&options).await.unwrap();
        let (clock, telemetry) = (Clock::manual(1_000_000), Telemetry::for_tests());
        let store = open(&options, cache, &clock, &telemetry).await;
        Self { store, clock, telemetry, is_sqlite: kind == Kind::Sqlite, options, _folder: folder }
    }

    /// Another im-repo on the same database.
    pub(crate) async fn beside(&self, cache: Arc<dyn Cache>, telemetry: &Telemetry) -> Store {
        open(&self.options, cache, &self.clock, telemetry).await
    }

    /// The sum of a counter over all series that have these labels.
    pub(crate) fn counted(&self, name: &str, labels: &[&str]) -> u64 {
        counted(&self.telemetry, name, labels)
    }
}

pub(crate) fn counted(telemetry: &Telemetry, name: &str, labels: &[&str]) -> u64 {
    let text = telemetry.metrics_text().unwrap();
    let lines = text.lines().filter(|line| line.starts_with(name) && labels.iter().all(|label| line.contains(label)));
    lines.map(|line| line.rsplit_once(' ').unwrap().1.parse::<u64>().unwrap()).sum()
}

async fn open(options: &RepoOptions, cache: Arc<dyn Cache>, clock: &Clock, telemetry: &Telemetry) -> Store {
    Repo::start(options, cache, clock.clone(), telemetry, "epoch-1").await.unwrap().store().clone()
}

/// A prefix of keys that nobody else has.
pub(crate) fn namespace() -> String {
    format!("test-{}", uuid::Uuid::new_v4().simple())
}

/// Patient: under all tests at once a slow answer would look like a failure.
pub(crate) fn cache_options() -> CacheOptions {
    CacheOptions { timeout_ms: 5_000, ..CacheOptions::default() }
}

pub(crate) fn memory_cache() -> Arc<dyn Cache> {
    Arc::new(MemoryCache::new(&cache_options()))
}

pub(crate) fn redis_cache(namespace: &str) -> Arc<dyn Cache> {
    let url = Secret::new(infra("GOCHAT_TEST_REDIS"));
    Arc::new(RedisCache::connect(&redis(&url, namespace), &cache_options()).unwrap())
}

async fn fresh_database(url: &str) -> String {
    let name = format!("t_{}", uuid::Uuid::new_v4().simple());
    let admin = sea_orm::Database::connect(url).await.expect("the database of scripts/infra");
    admin
        .execute_raw(Statement::from_string(admin.get_database_backend(), format!("create database {name}")))
        .await
        .unwrap();
    let (base, _) = url.rsplit_once('/').unwrap();
    format!("{base}/{name}")
}

/// Makes one test per engine of an async function that takes an [`Engine`].
macro_rules! on_every_engine {
    ($($test:ident,)+) => {
        mod sqlite { $( #[tokio::test] async fn $test() { super::$test(super::Engine::start(super::Kind::Sqlite).await).await; } )+ }
        mod mariadb { $( #[tokio::test] async fn $test() { super::$test(super::Engine::start(super::Kind::Mariadb).await).await; } )+ }
        mod postgres { $( #[tokio::test] async fn $test() { super::$test(super::Engine::start(super::Kind::Postgres).await).await; } )+ }
    };
}
pub(crate) use on_every_engine;

/// A Redis at this address, with a namespace.
pub(crate) fn redis(url: &Secret, namespace: &str) -> RedisOptions {
    RedisOptions { url: url.clone(), namespace: namespace.to_owned(), ..RedisOptions::default() }
}
