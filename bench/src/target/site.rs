//! With what a system is started, and where it may be loaded.

use std::{
    env,
    path::{Path, PathBuf},
    process::Stdio,
};

use anyhow::Context as _;
use clap::Args;
use tempfile::TempDir;
use tokio::process::Command;

use super::{Endpoint, TargetName};
use crate::error::usage;

/// With what, where.
#[derive(Args, Clone, Debug)]
pub(crate) struct Site {
    /// The binary to start [default: gochat beside this one].
    #[arg(long, value_name = "PATH")]
    gochat: Option<PathBuf>,
    /// Where data of this run lies; it must be on a disk, or durable writes cost nothing [default: the system's temporary folder].
    #[arg(long, value_name = "DIR")]
    folder: Option<PathBuf>,
    /// Loads an address that is not loopback, too.
    #[arg(long)]
    allow_remote: bool,
    /// Kafka.
    #[arg(long, value_name = "HOST:PORT", env = "GOCHAT_TEST_KAFKA")]
    kafka: Option<String>,
    /// etcd.
    #[arg(long, value_name = "URL", env = "GOCHAT_TEST_ETCD")]
    etcd: Option<String>,
    /// Redis.
    #[arg(long, value_name = "URL", env = "GOCHAT_TEST_REDIS", hide_env_values = true)]
    redis: Option<String>,
    /// MariaDB; the user must be allowed to create databases.
    #[arg(long, value_name = "URL", env = "GOCHAT_TEST_MARIADB", hide_env_values = true)]
    mariadb: Option<String>,
    /// The folder of `scripts/infra`, whose pid files tell whose CPU to read.
    #[arg(long, value_name = "DIR", env = "GOCHAT_TEST_INFRA")]
    pub(super) infra: Option<PathBuf>,
}

impl Site {
    pub(crate) fn kafka(&self) -> anyhow::Result<&str> {
        self.given(self.kafka.as_ref(), "Kafka")
    }

    pub(crate) fn etcd(&self) -> anyhow::Result<&str> {
        self.given(self.etcd.as_ref(), "etcd")
    }

    pub(crate) fn redis(&self) -> anyhow::Result<&str> {
        self.given(self.redis.as_ref(), "Redis")
    }

    pub(crate) fn mariadb(&self) -> anyhow::Result<&str> {
        self.given(self.mariadb.as_ref(), "MariaDB")
    }

    /// An address where load may go, or what to do about it.
    fn given<'a>(&self, value: Option<&'a String>, what: &str) -> anyhow::Result<&'a str> {
        let none = || usage(format!("no address of {what}: run `scripts/infra up DIR && . DIR/env`, or see --help"));
        let address = value.ok_or_else(none)?;
        address.split(',').map(host_of).try_for_each(|host| self.check_host(&host))?;
        Ok(address)
    }

    /// Whether the addresses of all that separate processes stand on are named.
    pub(crate) fn has_infrastructure(&self) -> bool {
        [&self.kafka, &self.etcd, &self.redis, &self.mariadb].iter().all(|address| address.is_some())
    }

    /// Where data goes.
    pub(crate) fn folder(&self) -> PathBuf {
        self.folder.clone().unwrap_or_else(env::temp_dir)
    }

    /// A new folder in it that is removed in the end.
    pub(crate) fn own_folder(&self) -> anyhow::Result<TempDir> {
        let folder = self.folder();
        std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        tempfile::Builder::new()
            .prefix("gochat-bench.")
            .tempdir_in(&folder)
            .with_context(|| format!("cannot write in {}", folder.display()))
    }

    /// Says what is wrong with a request before anything is started.
    pub(crate) fn check(&self, target: &TargetName) -> anyhow::Result<()> {
        match target {
            TargetName::Standalone => Ok(()),
            TargetName::Processes => [self.kafka(), self.etcd(), self.redis(), self.mariadb()]
                .into_iter()
                .try_for_each(|given| given.map(drop)),
            TargetName::Url(endpoint) => self.check_host(endpoint),
        }
    }

    fn check_host(&self, endpoint: &Endpoint) -> anyhow::Result<()> {
        if self.allow_remote || endpoint.is_loopback() {
            return Ok(());
        }
        Err(usage(format!("{endpoint} is not on this machine: load goes to loopback unless --allow-remote is given")))
    }

    /// The binary, once it has said that it is of this version.
    pub(crate) async fn gochat(&self) -> anyhow::Result<PathBuf> {
        gochat(self.gochat.as_deref()).await
    }
}

/// The binary beside this one unless it is named, once it has said that it is of this version.
pub(crate) async fn gochat(named: Option<&Path>) -> anyhow::Result<PathBuf> {
    let path = match named {
        Some(path) => path.to_owned(),
        None => env::current_exe().context("where is this program?")?.with_file_name("gochat"),
    };
    let said = Command::new(&path).arg("--version").stdin(Stdio::null()).output().await;
    let Ok(said) = said else {
        return Err(usage(format!(
            "{} cannot be run: build it with `cargo build --release -p gochat`, or name it with --gochat",
            path.display()
        )));
    };
    check_version(&path, String::from_utf8_lossy(&said.stdout).lines().next().unwrap_or("nothing"))?;
    Ok(path)
}

fn check_version(path: &Path, said: &str) -> anyhow::Result<()> {
    let wanted = concat!("gochat ", env!("CARGO_PKG_VERSION"));
    if said == wanted {
        return Ok(());
    }
    Err(usage(format!("{} is not {wanted}, it says: {said}", path.display())))
}

/// Host and port of `scheme://user:password@host:port/path`.
fn host_of(url: &str) -> Endpoint {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split('/').next().unwrap_or_default();
    Endpoint::at(authority.rsplit_once('@').map_or(authority, |(_, host)| host))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_of_any_address_is_found() {
        let hosts =
            ["127.0.0.1:9", "http://127.0.0.1:9", "mysql://user:p@ss@127.0.0.1:9/test", "redis://127.0.0.1:9/0"];
        for url in hosts {
            assert_eq!(host_of(url).address(), "127.0.0.1:9", "{url}");
        }
    }

    #[test]
    fn another_version_is_refused_by_name() {
        let here = concat!("gochat ", env!("CARGO_PKG_VERSION"));
        assert!(check_version(Path::new("gochat"), here).is_ok());
        let error = check_version(Path::new("old/gochat"), "gochat 0.0.9").unwrap_err().to_string();
        assert!(error.contains("old/gochat") && error.contains(here) && error.contains("0.0.9"), "{error}");
    }
}
