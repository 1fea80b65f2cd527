//! What a database says of itself, and a way to look into one that leaves it as it is.

use std::path::PathBuf;

use sea_orm::{ConnectionTrait as _, DbErr, Statement};
use sqlx::{mysql::MySqlConnectOptions, postgres::PgConnectOptions, sqlite::SqliteConnectOptions};

use super::{Database, DatabaseOptions, Engine};
use crate::{
    clock::Clock,
    config::Secret,
    inspection::{Inspection, address, clock_ahead_ms},
};

impl DatabaseOptions {
    /// Host and port of the server; none for a file or a socket, or if the address is not one.
    pub fn server(&self) -> Option<String> {
        let url = self.url.expose();
        let (host, port) = match url.split_once(':')?.0 {
            "mysql" => {
                let options: MySqlConnectOptions = url.parse().ok()?;
                if options.get_socket().is_some() {
                    return None;
                }
                (options.get_host().to_owned(), options.get_port())
            }
            "postgres" => {
                let options: PgConnectOptions = url.parse().ok()?;
                if options.get_socket().is_some() {
                    return None;
                }
                (options.get_host().to_owned(), options.get_port())
            }
            _ => return None,
        };
        // PostgreSQL's host may be the folder of a socket.
        (!host.starts_with('/')).then(|| address(&host, port))
    }

    /// The file of a SQLite database; none for a server.
    pub fn file(&self) -> Option<PathBuf> {
        let url = self.url.expose();
        let options: SqliteConnectOptions = url.starts_with("sqlite:").then(|| url.parse().ok()).flatten()?;
        Some(options.get_filename().to_owned())
    }

    /// One connection to the same database; a SQLite file is only read, and must be there. Where a process that was killed
    /// left its write-ahead log, SQLite may make that log's index anew, and nothing else.
    #[must_use]
    pub fn reading_only(&self) -> Self {
        let url = self.url.expose();
        let url = self.file().map_or_else(
            || url.to_owned(),
            |file| {
                let path = url.split_once('?').map_or(url, |(path, _)| path);
                // To read a write-ahead log SQLite makes the log's index beside it. Where there is none, nobody has the
                // database open, and it can be read as it lies there.
                let mut index = file.into_os_string();
                index.push("-shm");
                let closed = if PathBuf::from(index).exists() { "" } else { "&immutable=true" };
                format!("{path}?mode=ro{closed}")
            },
        );
        Self { url: Secret::new(url), connections_max: 1, acquire_timeout_ms: self.acquire_timeout_ms }
    }
}

impl Database {
    /// Its version, its clock (SQLite has ours), and whether a commit survives a power cut.
    ///
    /// # Errors
    /// If it does not answer.
    pub async fn inspect(&self, clock: &Clock) -> Result<Inspection, DbErr> {
        let mut found = Inspection::default();
        let durability = self.durability().await?;
        found.fact("version", durability.version);
        for (name, value, durable) in durability.settings {
            found.fact(name, &value);
            if !durable {
                found.warning(format_args!("{name} is {value}: a power cut may lose what was committed"));
            }
        }
        let now_ms = match self.engine() {
            Engine::Sqlite => return Ok(found),
            Engine::Mysql => "select cast(unix_timestamp(now(3)) * 1000 as signed)",
            Engine::Postgres => "select cast(extract(epoch from clock_timestamp()) * 1000 as bigint)",
        };
        found.clock_ahead_ms = Some(clock_ahead_ms(clock, self.number(now_ms)).await?);
        Ok(found)
    }

    async fn number(&self, sql: &str) -> Result<i64, DbErr> {
        let statement = Statement::from_string(self.reader().get_database_backend(), sql);
        let row = self.reader().query_one_raw(statement).await?;
        row.ok_or_else(|| DbErr::RecordNotFound(sql.to_owned()))?.try_get_by_index(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_told_without_user_and_password() {
        let server = |url: &str| DatabaseOptions::new(url).server();
        assert_eq!(server("mysql://user:p%40ss@db.local/im?ssl-mode=REQUIRED"), Some("db.local:3306".into()));
        assert_eq!(server("postgres://user:pass@[::1]:5433/im"), Some("[::1]:5433".into()));
        assert_eq!(server("postgres://user:pass@localhost/im?host=/run/postgresql"), None);
        assert_eq!(server("sqlite://im.db"), None);
        assert_eq!(server("nothing"), None);
    }

    async fn close(database: Database) {
        for pool in [database.reader(), database.writer()] {
            pool.close_by_ref().await.unwrap();
        }
    }

    #[tokio::test]
    async fn a_database_that_is_only_read_stays_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("im.db");
        let options = DatabaseOptions::new(format!("sqlite://{}?mode=rwc", file.display()));
        assert_eq!(options.file(), Some(file));
        assert!(Database::connect(&options.reading_only()).await.is_err(), "it is not there");

        let names = || {
            let mut names: Vec<_> =
                std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
            names.sort();
            names
        };
        assert!(names().is_empty());
        let look = async || {
            let before = names();
            let looked = Database::connect(&options.reading_only()).await.unwrap();
            assert_eq!(looked.number("select count(*) from sqlite_master").await, Ok(1));
            assert!(looked.writer().execute_unprepared("drop table t").await.is_err());
            close(looked).await;
            assert_eq!(names(), before);
        };
        let open = Database::connect(&options).await.unwrap();
        open.writer().execute_unprepared("create table t (a int)").await.unwrap();
        assert_eq!(names(), ["im.db", "im.db-shm", "im.db-wal"]);
        look().await;
        close(open).await;
        assert_eq!(names(), ["im.db"]);
        look().await;
    }
}
