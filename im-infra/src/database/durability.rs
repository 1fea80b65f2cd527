//! Whether a commit survives a power cut, by the server's own settings.

use sea_orm::{ConnectionTrait as _, DbErr, Statement};

use super::{Database, Engine};

/// Settings that decide whether a commit is on the disk when it is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Durability {
    /// The server's version.
    pub version: String,
    /// Setting, value, and whether that value is durable.
    pub settings: Vec<(&'static str, String, bool)>,
}

impl Durability {
    /// Whether all of them are.
    pub fn is_durable(&self) -> bool {
        self.settings.iter().all(|(_, _, durable)| *durable)
    }
}

impl Database {
    /// Asks the server.
    ///
    /// # Errors
    /// If it does not answer.
    pub async fn durability(&self) -> Result<Durability, DbErr> {
        let version = match self.engine() {
            Engine::Sqlite => "select sqlite_version()",
            Engine::Mysql | Engine::Postgres => "select version()",
        };
        let settings = match self.engine() {
            // 2: full.
            Engine::Sqlite => {
                vec![("synchronous", self.text("select cast(synchronous as text) from pragma_synchronous").await?, "2")]
            }
            Engine::Mysql => vec![(
                "innodb_flush_log_at_trx_commit",
                self.text("select cast(@@innodb_flush_log_at_trx_commit as char)").await?,
                "1",
            )],
            Engine::Postgres => vec![
                ("fsync", self.text("select current_setting('fsync')").await?, "on"),
                ("synchronous_commit", self.text("select current_setting('synchronous_commit')").await?, "on"),
            ],
        };
        let settings = settings.into_iter().map(|(name, value, durable)| {
            let good = value == durable;
            (name, value, good)
        });
        Ok(Durability { version: self.text(version).await?, settings: settings.collect() })
    }

    async fn text(&self, sql: &str) -> Result<String, DbErr> {
        self.row(sql).await?.try_get_by_index(0)
    }

    async fn row(&self, sql: &str) -> Result<sea_orm::QueryResult, DbErr> {
        let statement = Statement::from_string(self.writer().get_database_backend(), sql);
        self.writer().query_one_raw(statement).await?.ok_or_else(|| DbErr::RecordNotFound(sql.to_owned()))
    }
}
