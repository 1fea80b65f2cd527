//! What the services stand on, shared with others.

use std::fs;

use anyhow::Context as _;
use im_infra::database::{Database, DatabaseOptions};
use sea_orm::{ConnectionTrait as _, Statement};

use super::{Process, Site};

/// Their pid files in the folder of `scripts/infra`, and what they are.
const SERVERS: [(&str, &str); 4] = [("kafka1", "Kafka"), ("mariadb", "MariaDB"), ("redis", "Redis"), ("etcd1", "etcd")];

/// Those that `scripts/infra` started; none without its folder.
pub(crate) fn infrastructure_processes(site: &Site) -> anyhow::Result<Vec<Process>> {
    let Some(folder) = &site.infra else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for (file, name) in SERVERS {
        let path = folder.join(format!("{file}.pid"));
        if let Ok(text) = fs::read_to_string(&path) {
            let pid = text.trim().parse().with_context(|| format!("{} holds no pid", path.display()))?;
            found.push(Process { name: name.to_owned(), pid });
        }
    }
    Ok(found)
}

/// A database for one run, on a server that has others.
pub(crate) struct OwnDatabase {
    admin: Database,
    name: String,
    pub(crate) url: String,
}

impl OwnDatabase {
    pub(crate) async fn create(server_url: &str) -> anyhow::Result<Self> {
        let admin = Database::connect(&DatabaseOptions::new(server_url)).await.context("cannot use MariaDB")?;
        let name = format!("bench_{}", uuid::Uuid::new_v4().simple());
        let (server, _) = server_url.rsplit_once('/').context("the address of MariaDB names no database")?;
        let url = format!("{server}/{name}");
        let own = Self { admin, name, url };
        own.execute("create database").await?;
        Ok(own)
    }

    pub(crate) async fn remove(self) -> anyhow::Result<()> {
        self.execute("drop database").await
    }

    async fn execute(&self, what: &str) -> anyhow::Result<()> {
        let writer = self.admin.writer();
        let statement = Statement::from_string(writer.get_database_backend(), format!("{what} {}", self.name));
        writer.execute_raw(statement).await.with_context(|| format!("cannot {what} {}", self.name))?;
        Ok(())
    }
}
