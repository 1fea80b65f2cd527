//! Servers of a run's own, which it may break, and the ways to them.

use std::{
    collections::{BTreeMap, HashMap},
    fs, io, mem,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context as _, ensure};
use rustix::process::Signal;
use tempfile::TempDir;
use tokio::{
    process::{Child, Command},
    task::spawn_blocking,
};

use super::{
    fault::Server,
    proxy::{Bound, Proxy},
    signal::send,
};

/// Where Kafka tells its clients to go, as `scripts/infra` reads it.
const KAFKA_ADVERTISED: &str = "GOCHAT_INFRA_KAFKA_ADVERTISED";
/// A key that Redis is given after it was copied: what comes back with the copy does not know it.
const MARK: &str = "nemesis:after-the-copy";
const REDIS_ANSWER_MAX: Duration = Duration::from_secs(5);

/// Kafka, etcd, Redis and MariaDB, started and stopped by `scripts/infra`.
pub(super) struct Infrastructure {
    script: PathBuf,
    folder: TempDir,
    /// By the names of `scripts/infra env`.
    addresses: HashMap<String, String>,
    /// The way to Kafka, until there is one.
    kafka: Option<Bound>,
    advertised: String,
    pub(super) proxies: BTreeMap<Server, Proxy>,
    /// The script, while it starts them.
    starting: Option<Child>,
    is_up: bool,
}

impl Infrastructure {
    /// Nothing runs yet.
    pub(super) async fn prepare(script: &Path, folder: &Path) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("gochat-nemesis.").tempdir_in(folder);
        let folder = folder.context("cannot make a folder for the servers")?;
        // Kafka tells its clients where it is, so the way to it has to be known first.
        let kafka = Bound::free().await.context("no free port")?;
        let advertised = kafka.address()?.to_string();
        let (script, addresses, proxies) = (script.to_owned(), HashMap::new(), BTreeMap::new());
        let (kafka, starting) = (Some(kafka), None);
        Ok(Self { script, folder, addresses, kafka, advertised, proxies, starting, is_up: false })
    }

    /// On free ports, with new data.
    pub(super) async fn start(&mut self) -> anyhow::Result<()> {
        self.is_up = true;
        let starting = self.begin(&["up"], &Server::ALL.map(Server::service))?;
        let status = self.starting.insert(starting).wait().await?;
        self.starting = None;
        ensure!(status.success(), "{} started no servers", self.script.display());
        self.read_addresses()?;
        for server in Server::ALL {
            let bound = match self.kafka.take_if(|_| server == Server::Kafka) {
                Some(bound) => bound,
                None => Bound::free().await.context("no free port")?,
            };
            let (_, address) = self.address(server)?;
            self.proxies.insert(server, bound.toward(address)?);
        }
        Ok(())
    }

    fn read_addresses(&mut self) -> anyhow::Result<()> {
        let path = self.folder.path().join("env");
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let of_line = |line: &str| {
            let (name, value) = line.strip_prefix("export ")?.split_once('=')?;
            Some((name.to_owned(), value.trim_matches(['\'', '"']).to_owned()))
        };
        self.addresses = text.lines().filter_map(of_line).collect();
        Ok(())
    }

    /// Its whole address as tests are given it, and host and port in it.
    fn address(&self, server: Server) -> anyhow::Result<(&str, String)> {
        let name = format!("GOCHAT_TEST_{}", server.service().to_ascii_uppercase());
        let url = self.addresses.get(&name).with_context(|| format!("scripts/infra tells no {name}"))?.as_str();
        let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
        let authority = rest.split('/').next().unwrap_or_default();
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        Ok((url, host.to_owned()))
    }

    /// Its address, past all faults of the way.
    pub(super) fn direct(&self, server: Server) -> anyhow::Result<String> {
        Ok(self.address(server)?.0.to_owned())
    }

    /// Its address as our services get it.
    pub(super) fn through(&self, server: Server) -> anyhow::Result<String> {
        let (url, host) = self.address(server)?;
        let through = url.replacen(&host, &self.proxy(server)?.address.to_string(), 1);
        // Inside TLS no COMMIT could be seen.
        Ok(if server == Server::Mariadb { format!("{through}?ssl-mode=DISABLED") } else { through })
    }

    pub(super) fn proxy(&self, server: Server) -> anyhow::Result<&Proxy> {
        self.proxies.get(&server).context("no way to that server")
    }

    /// Its number in the system.
    pub(super) fn pid(&self, server: Server) -> anyhow::Result<u32> {
        let path = self.folder.path().join(server.process()).with_extension("pid");
        let text = fs::read_to_string(&path);
        let text = text.with_context(|| format!("cannot read {}: is it a plain process?", path.display()))?;
        text.trim().parse().with_context(|| format!("{} holds no pid", path.display()))
    }

    /// Starts a server, on its data if there is some.
    pub(super) async fn up(&self, server: Server) -> anyhow::Result<()> {
        self.script(&["up"], &[server.service()]).await
    }

    /// Stops a server orderly.
    pub(super) async fn stop(&self, server: Server) -> anyhow::Result<()> {
        self.script(&["down"], &[server.service()]).await
    }

    /// `STOP`, `CONT` or `KILL`.
    pub(super) async fn signal(&self, server: Server, signal: &str) -> anyhow::Result<()> {
        self.script(&["signal"], &[server.process(), signal]).await
    }

    /// Copies what Redis has on its disk.
    pub(super) async fn copy_redis(&self) -> anyhow::Result<()> {
        let (data, copy) = (self.redis_data(), self.redis_copy());
        spawn_blocking(move || {
            if copy.exists() {
                fs::remove_dir_all(&copy)?;
            }
            copy_folder(&data, &copy)
        })
        .await?
        .context("cannot copy what Redis has: is it a plain process?")?;
        self.redis(redis::cmd("SET").arg(MARK).arg(1)).await
    }

    /// Puts the copy where the data of Redis was, which must not run.
    pub(super) async fn restore_redis(&self) -> anyhow::Result<()> {
        let (data, copy) = (self.redis_data(), self.redis_copy());
        let restored = spawn_blocking(move || {
            fs::remove_dir_all(&data)?;
            copy_folder(&copy, &data)
        });
        restored.await?.context("cannot put the copy of Redis back")
    }

    /// Makes sure that Redis has forgotten what came after the copy.
    pub(super) async fn check_restored(&self) -> anyhow::Result<()> {
        let marks: u8 = self.redis(redis::cmd("EXISTS").arg(MARK)).await?;
        ensure!(marks == 0, "Redis did not come back with the copy");
        Ok(())
    }

    pub(super) async fn flush_redis(&self) -> anyhow::Result<()> {
        self.redis(&redis::cmd("FLUSHALL")).await
    }

    async fn redis<T: redis::FromRedisValue>(&self, command: &redis::Cmd) -> anyhow::Result<T> {
        let client = redis::Client::open(self.direct(Server::Redis)?)?;
        let answer = async { command.query_async(&mut client.get_multiplexed_async_connection().await?).await };
        let answer = tokio::time::timeout(REDIS_ANSWER_MAX, Box::pin(answer)).await.context("Redis is silent")?;
        answer.context("Redis refuses")
    }

    fn redis_data(&self) -> PathBuf {
        self.folder.path().join("redis")
    }

    fn redis_copy(&self) -> PathBuf {
        self.folder.path().join("redis.copy")
    }

    async fn script(&self, before: &[&str], after: &[&str]) -> anyhow::Result<()> {
        let status = self.begin(before, after)?.wait().await?;
        let path = self.folder.path().display();
        ensure!(status.success(), "{} {} {path} {} failed", self.script.display(), before.join(" "), after.join(" "));
        Ok(())
    }

    fn begin(&self, before: &[&str], after: &[&str]) -> anyhow::Result<Child> {
        let mut command = Command::from(self.command(before, after));
        command.spawn().with_context(|| format!("cannot run {}", self.script.display()))
    }

    fn command(&self, before: &[&str], after: &[&str]) -> std::process::Command {
        let mut command = std::process::Command::new(&self.script);
        command.args(before).arg(self.folder.path()).args(after).env(KAFKA_ADVERTISED, &self.advertised);
        // What it says goes where this program's own notes go.
        command.stdin(Stdio::null()).stdout(Stdio::null());
        // Ctrl-C is for this program: it stops the others in order.
        command.process_group(0);
        command
    }

    /// Stops all servers, those that are just being started, too.
    pub(super) async fn end(mut self) -> anyhow::Result<()> {
        if let Some(mut starting) = self.starting.take() {
            // It stops what it has started, and then ends.
            let _ = send(&starting, Signal::TERM);
            starting.wait().await?;
        }
        if mem::take(&mut self.is_up) { self.script(&["down"], &[]).await } else { Ok(()) }
    }
}

impl Drop for Infrastructure {
    fn drop(&mut self) {
        if self.is_up {
            // What is left running would outlive this program.
            let _ = self.command(&["down"], &[]).status();
        }
    }
}

fn copy_folder(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
