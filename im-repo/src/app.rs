//! Puts im-repo together.

use std::sync::Arc;

use im_infra::{clock::Clock, database::Database, lifecycle::Lifecycle, telemetry::Telemetry};
use sea_orm::DbErr;
use sea_orm_migration::MigratorTrait as _;
use tonic::service::Routes;

use crate::{
    RepoOptions,
    cache::{Cache, CacheAside},
    metrics::Metrics,
    migration::Migrator,
    rpc,
    store::{Store, store_epoch},
    upkeep,
};

/// im-repo could not start.
#[derive(Debug, thiserror::Error)]
pub enum RepoError {
    /// The database is out of reach or refuses.
    #[error("database: {0}")]
    Database(#[from] DbErr),
    /// The schema is older than this version needs.
    #[error("the database lacks {0} migrations: run `gochat migrate up`")]
    SchemaOlder(usize),
    /// The store could not be asked.
    #[error("store: {0}")]
    Store(#[from] proto::Error),
}

/// A running im-repo, without a transport.
pub struct Repo {
    database: Database,
    store: Store,
    epoch: String,
    options: RepoOptions,
}

impl Repo {
    /// Connects and checks the schema. The cache is shared with every process that writes to the same database, or there is
    /// none. `epoch_if_new` becomes the epoch of a store that has none.
    ///
    /// # Errors
    /// If the database is out of reach or its schema too old.
    pub async fn start(
        options: &RepoOptions,
        cache: Arc<dyn Cache>,
        clock: Clock,
        telemetry: &Telemetry,
        epoch_if_new: &str,
    ) -> Result<Self, RepoError> {
        let database = Database::connect(&options.database).await?;
        let missing = Migrator::get_pending_migrations(database.writer()).await?.len();
        if missing > 0 {
            return Err(RepoError::SchemaOlder(missing));
        }
        let durability = database.durability().await?;
        if durability.is_durable() {
            tracing::info!(version = durability.version, "database ready");
        } else {
            tracing::warn!(version = durability.version, settings = ?durability.settings, "the database may lose commits in a power cut");
        }
        let epoch = store_epoch::epoch(&database, epoch_if_new).await?;
        let metrics = Arc::new(Metrics::new(telemetry));
        let aside = CacheAside::new(cache, &epoch, options.cache.clone(), metrics.clone());
        let store = Store::new(database.clone(), clock, metrics, aside, options.clone());
        Ok(Self { database, store, epoch, options: options.clone() })
    }

    /// Warms the cache up, and prunes from time to time, until the part of the process that is `life` stops.
    pub fn keep_up(&self, life: &Lifecycle) {
        upkeep::start(&self.store, &self.epoch, &self.options, life);
    }

    /// Its gRPC services.
    pub fn routes(&self) -> Routes {
        rpc::routes(self.store.clone(), &self.epoch)
    }

    /// The store, for tests of it.
    pub const fn store(&self) -> &Store {
        &self.store
    }

    /// The database, for operators' commands.
    pub const fn database(&self) -> &Database {
        &self.database
    }
}

/// The names of the migrations that the database lacks.
///
/// # Errors
/// If the database is out of reach or refuses, or has steps that this version does not know.
pub async fn missing_migrations(options: &RepoOptions) -> Result<Vec<String>, RepoError> {
    pending_migrations(&Database::connect(&options.database).await?).await
}

/// The names of the migrations that a database lacks. Only reads: no table is made to keep them in.
///
/// # Errors
/// If the database does not answer, or has steps that this version does not know.
pub async fn pending_migrations(database: &Database) -> Result<Vec<String>, RepoError> {
    let pending = Migrator::get_pending_migrations_read_only(database.reader()).await?;
    Ok(pending.iter().map(|migration| migration.name().to_owned()).collect())
}

/// Gives the store another epoch: after a restore from a backup, so that clients drop what the backup does not hold.
///
/// # Errors
/// If the database is out of reach or refuses.
pub async fn renew_epoch(options: &RepoOptions, fresh: &str) -> Result<(), RepoError> {
    let database = Database::connect(&options.database).await?;
    Ok(store_epoch::renew(&database, fresh).await?)
}

/// Brings the schema up to date.
///
/// # Errors
/// If the database is out of reach or refuses.
pub async fn migrate(options: &RepoOptions) -> Result<(), RepoError> {
    let database = Database::connect(&options.database).await?;
    Ok(Migrator::up(database.writer(), None).await?)
}
