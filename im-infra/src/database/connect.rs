//! Opens the pools.

use std::time::Duration;

use sea_orm::{
    ConnectOptions, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, IsolationLevel, SqliteTransactionMode,
    TransactionOptions, TransactionTrait as _,
};
use serde::{Deserialize, Serialize};
use sqlx::{
    Connection as _, Executor as _,
    sqlite::{SqliteJournalMode, SqliteSynchronous},
};

use crate::config::Secret;

/// Which database it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// A file.
    Sqlite,
    /// MySQL or MariaDB.
    Mysql,
    /// PostgreSQL.
    Postgres,
}

/// How to reach the database.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct DatabaseOptions {
    /// `sqlite://…`, `mysql://…` or `postgres://…`, with the password: a secret.
    pub url: Secret,
    /// Connections of the pool; SQLite writes with one and reads with these.
    pub connections_max: u32,
    /// How long to wait for a connection.
    pub acquire_timeout_ms: u64,
}

impl DatabaseOptions {
    /// The defaults, for that address.
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: Secret::new(url), connections_max: 16, acquire_timeout_ms: 5_000 }
    }
}

/// The pools of one database. Clones share.
#[derive(Clone, Debug)]
pub struct Database {
    writer: DatabaseConnection,
    reader: DatabaseConnection,
    engine: Engine,
}

impl Database {
    /// Connects.
    ///
    /// # Errors
    /// If the address is wrong or the database out of reach.
    pub async fn connect(options: &DatabaseOptions) -> Result<Self, DbErr> {
        let reader = sea_orm::Database::connect(connect_options(options, options.connections_max)).await?;
        let engine = match reader.get_database_backend() {
            DbBackend::Sqlite => Engine::Sqlite,
            DbBackend::MySql => Engine::Mysql,
            DbBackend::Postgres => Engine::Postgres,
            _ => return Err(DbErr::Custom("only sqlite, mysql and postgres are supported".into())),
        };
        // SQLite knows one writer at a time: one connection makes them queue here instead of failing there.
        let writer = match engine {
            Engine::Sqlite => sea_orm::Database::connect(connect_options(options, 1)).await?,
            Engine::Mysql | Engine::Postgres => reader.clone(),
        };
        Ok(Self { writer, reader, engine })
    }

    /// Which database it is.
    pub const fn engine(&self) -> Engine {
        self.engine
    }

    /// For single statements that write.
    pub const fn writer(&self) -> &DatabaseConnection {
        &self.writer
    }

    /// For statements that read.
    pub const fn reader(&self) -> &DatabaseConnection {
        &self.reader
    }

    /// Begins a transaction that writes: READ COMMITTED, on SQLite BEGIN IMMEDIATE.
    ///
    /// # Errors
    /// If no connection can be had.
    pub async fn begin(&self) -> Result<DatabaseTransaction, DbErr> {
        let options = match self.engine {
            Engine::Sqlite => TransactionOptions {
                sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
                ..Default::default()
            },
            // MySQL's connections are READ COMMITTED from their begin on, which saves a statement per transaction.
            Engine::Mysql => TransactionOptions::default(),
            Engine::Postgres => {
                TransactionOptions { isolation_level: Some(IsolationLevel::ReadCommitted), ..Default::default() }
            }
        };
        self.writer.begin_with_options(options).await
    }
}

/// Statements that MySQL holds prepared for all connections of a pool; a server holds 16,382 unless told otherwise.
const PREPARED_MAX: usize = 6_000;
/// For one connection, at least and at most. One that has no room for another statement closes its oldest, which MySQL does not
/// answer: the next packet then waits for 40 ms until the first is acknowledged, because the driver leaves Nagle's algorithm on.
const PREPARED: (usize, usize) = (50, 400);

/// How long a statement waits for a row that another transaction has locked; then its own is taken back, with the locks that it
/// has. Less than a call may take, so that who waits for a row that stays locked does not hold up others for longer than that.
///
/// And how long the server waits for the next statement of a transaction, until it ends the connection, which gives the locks of a
/// process back that is paused in the middle: as long as a call may take, nobody waits for its answer any more. Of MySQL's kin
/// only MariaDB knows this, and reads such a comment.
const MYSQL_WAITS: &str = "set session innodb_lock_wait_timeout = 3 /*M! , session idle_transaction_timeout = 5 */";
const POSTGRES_WAITS: [(&str, &str); 2] = [("lock_timeout", "3s"), ("idle_in_transaction_session_timeout", "5s")];
/// Of the whole file, which another process may have locked. Shorter: who comes next has waited for the only writer before.
const SQLITE_LOCK_WAIT: Duration = Duration::from_secs(2);

fn connect_options(options: &DatabaseOptions, connections: u32) -> ConnectOptions {
    let timeout = Duration::from_millis(options.acquire_timeout_ms);
    let prepared = (PREPARED_MAX / connections.max(1) as usize).clamp(PREPARED.0, PREPARED.1);
    let mut connect = ConnectOptions::new(options.url.expose());
    connect
        .max_connections(connections)
        .connect_timeout(timeout)
        .acquire_timeout(timeout)
        .test_before_acquire(false)
        .sqlx_logging(false)
        .map_sqlx_mysql_opts(move |mysql| mysql.statement_cache_capacity(prepared))
        .map_sqlx_mysql_pool_opts(|pool| {
            pool.after_connect(|connection, _| {
                Box::pin(async move {
                    connection.execute("set session transaction isolation level read committed").await?;
                    connection.execute(MYSQL_WAITS).await.map(drop)
                })
            })
        })
        .map_sqlx_postgres_opts(|postgres| postgres.options(POSTGRES_WAITS))
        .map_sqlx_sqlite_opts(|sqlite| {
            sqlite
                .journal_mode(SqliteJournalMode::Wal)
                .synchronous(SqliteSynchronous::Full)
                .foreign_keys(true)
                .busy_timeout(SQLITE_LOCK_WAIT)
        })
        .map_sqlx_sqlite_pool_opts(|pool| {
            // Where the disk refuses a COMMIT, SQLite takes the transaction back, and the driver believes that it goes on: whatever
            // is written there later would be a part of it, confirmed and never committed. Such a connection is closed.
            pool.before_acquire(|connection, _| Box::pin(async move { Ok(!connection.is_in_transaction()) }))
        });
    connect
}

#[cfg(test)]
mod tests {
    use sea_orm::{ConnectionTrait as _, Statement};

    use super::*;

    #[tokio::test]
    async fn p1_nothing_is_written_on_a_connection_whose_commit_sqlite_took_back() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}/im.db?mode=rwc", folder.path().display());
        let database = Database::connect(&DatabaseOptions::new(url)).await.unwrap();
        database.writer().execute_unprepared("create table things (name text)").await.unwrap();
        // What SQLite does by itself when a commit fails; at the second one in a row it stays in a transaction of nobody's.
        for by_itself in ["rollback", "rollback; begin"] {
            let transaction = database.begin().await.unwrap();
            transaction.execute_unprepared(by_itself).await.unwrap();
            drop(transaction.commit().await);
        }
        let transaction = database.begin().await.unwrap();
        transaction.execute_unprepared("insert into things values ('one')").await.unwrap();
        transaction.commit().await.unwrap();
        let count = Statement::from_string(DbBackend::Sqlite, "select count(*) from things");
        let row = database.reader().query_one_raw(count).await.unwrap().unwrap();
        assert_eq!(row.try_get_by_index::<i64>(0).unwrap(), 1);
    }
}
