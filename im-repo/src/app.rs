//! Puts im-repo together.

use im_infra::{clock::Clock, database::Database, telemetry::Telemetry};
use sea_orm::DbErr;
use sea_orm_migration::MigratorTrait as _;
use tonic::service::Routes;

use crate::{RepoOptions, metrics::Metrics, migration::Migrator, rpc, store::Store};

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
}

impl Repo {
    /// Connects and checks the schema. `epoch_if_new` becomes the epoch of a store that has none.
    ///
    /// # Errors
    /// If the database is out of reach or its schema too old.
    pub async fn start(
        options: &RepoOptions,
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
        let store = Store::new(database.clone(), clock, Metrics::new(telemetry));
        let epoch = store.epoch(epoch_if_new).await?;
        Ok(Self { database, store, epoch })
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
/// If the database is out of reach or refuses.
pub async fn missing_migrations(options: &RepoOptions) -> Result<Vec<String>, RepoError> {
    let database = Database::connect(&options.database).await?;
    let missing = Migrator::get_pending_migrations(database.writer()).await?;
    Ok(missing.iter().map(|migration| migration.name().to_owned()).collect())
}

/// Brings the schema up to date.
///
/// # Errors
/// If the database is out of reach or refuses.
pub async fn migrate(options: &RepoOptions) -> Result<(), RepoError> {
    let database = Database::connect(&options.database).await?;
    Ok(Migrator::up(database.writer(), None).await?)
}
