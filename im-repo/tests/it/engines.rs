//! One suite, three engines.

use im_infra::{clock::Clock, config::Secret, database::DatabaseOptions, telemetry::Telemetry, testing::infra};
use im_repo::{Repo, RepoOptions, app::migrate, store::Store};
use sea_orm::{ConnectionTrait as _, Statement};

/// An engine with an empty database of its own.
pub(crate) struct Engine {
    pub(crate) store: Store,
    pub(crate) clock: Clock,
    pub(crate) is_sqlite: bool,
    _folder: Option<tempfile::TempDir>,
}

#[derive(Clone, Copy)]
pub(crate) enum Kind {
    Sqlite,
    Mariadb,
    Postgres,
}

impl Engine {
    pub(crate) async fn start(kind: Kind) -> Self {
        let (url, folder) = match kind {
            Kind::Sqlite => {
                let folder = tempfile::tempdir().unwrap();
                (format!("sqlite://{}/im.db?mode=rwc", folder.path().display()), Some(folder))
            }
            Kind::Mariadb => (fresh_database(&infra("GOCHAT_TEST_MARIADB")).await, None),
            Kind::Postgres => (fresh_database(&infra("GOCHAT_TEST_POSTGRES")).await, None),
        };
        let options = RepoOptions {
            database: DatabaseOptions { url: Secret::new(url), connections_max: 8, acquire_timeout_ms: 10_000 },
        };
        migrate(&options).await.unwrap();
        let clock = Clock::manual(1_000_000);
        let repo = Repo::start(&options, clock.clone(), &Telemetry::for_tests(), "epoch-1").await.unwrap();
        Self { store: repo.store().clone(), clock, is_sqlite: matches!(kind, Kind::Sqlite), _folder: folder }
    }
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
