//! The system that is put under faults: started for one run, and stopped after it.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use futures_util::future::try_join_all;
use im_infra::access_token::SigningKey;
use rustix::process::Signal;
use tempfile::TempDir;
use tokio::time::sleep;

use super::{
    fault::{Server, Service, Subject},
    hearing::Hearing,
    infrastructure::Infrastructure,
    node::{Node, Start, migrate},
    proxy::Proxy,
    recorder::Recorder,
    scenario::Scenario,
    schedule::EACH,
};
use crate::{ledger::Event, memory::private_dirty_bytes};

/// From so many members on a group is large: the second one of a scene, and never the first.
pub(super) const LARGE_FROM: usize = 5;
/// How long the route of a gateway that was killed counts: the least that `redis.route_ttl_ms` may be.
pub(super) const ROUTE_TTL: Duration = Duration::from_secs(90);
/// Where the way is narrow: as little as may be waits for a client, at its gateway and in the gateway's system.
const NARROW: [(&str, &str); 2] =
    [("GOCHAT__GATEWAY__WS__QUEUE_FRAMES_MAX", "8"), ("GOCHAT__GATEWAY__HTTP__UNSENT_BYTES_MAX", "16384")];
/// How long the whole system may take to be ready again once nothing is wrong any more.
const READY_MAX: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(20);

/// With what a run is made.
#[derive(Clone, Debug)]
pub struct Means {
    /// The binary.
    pub gochat: PathBuf,
    /// `scripts/infra`; only `processes` needs it.
    pub infra: PathBuf,
    /// Where data of the run lies.
    pub folder: PathBuf,
    /// Variables of our processes, beside the tool's own.
    pub settings: Vec<(String, String)>,
}

/// Our processes and what they stand on. It has to be ended, whatever became of its start.
pub(super) struct World {
    start: Start,
    nodes: Vec<Node>,
    /// None: standalone.
    infrastructure: Option<Infrastructure>,
    /// How often a process had ended by itself, as it may, and was started again.
    pub(super) restarts: u32,
    /// How often one died at the place it was to die at.
    pub(super) crashes: u32,
    /// Calls to bring something to the disk that were late, or failed.
    pub(super) injected: u64,
    /// Of those who talk to it.
    pub(super) hearing: Arc<Hearing>,
    http: reqwest::Client,
    folder: TempDir,
}

impl World {
    /// Nothing of it runs yet.
    pub(super) async fn prepare(
        scenario: &Scenario,
        subject: Subject,
        means: &Means,
        logs: &Path,
    ) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("gochat-nemesis.").tempdir_in(&means.folder);
        let folder = folder.with_context(|| format!("cannot write in {}", means.folder.display()))?;
        let mut start = Start {
            gochat: means.gochat.clone(),
            folder: folder.path().to_owned(),
            logs: logs.to_owned(),
            settings: vec![("GOCHAT__LOGIC__LIMITS__LARGE_FROM".into(), LARGE_FROM.to_string())],
        };
        let hearing = Hearing::of(scenario.is_narrow());
        if hearing.narrow {
            start.settings.extend(NARROW.map(|(key, value)| (key.to_owned(), value.to_owned())));
        }
        start.settings.extend(means.settings.iter().cloned());
        let infrastructure = match subject {
            Subject::Standalone => None,
            Subject::Processes => Some(Infrastructure::prepare(&means.infra, &means.folder).await?),
        };
        let http = reqwest::Client::builder().timeout(Duration::from_secs(5)).build()?;
        Ok(Self {
            start,
            nodes: Vec::new(),
            infrastructure,
            restarts: 0,
            crashes: 0,
            injected: 0,
            hearing,
            http,
            folder,
        })
    }

    /// Until all of it is ready.
    pub(super) async fn start(&mut self) -> anyhow::Result<()> {
        let Some(servers) = &mut self.infrastructure else {
            self.nodes.push(Node::start(Service::Standalone, 0, &self.start).await?);
            return Ok(());
        };
        servers.start().await?;
        self.start.settings.extend(settings(servers)?);
        migrate(&self.start).await?;
        // From the store outwards, those of a kind together.
        for service in [Service::Repo, Service::Logic, Service::Task, Service::Gateway] {
            let each = (0..EACH).map(|index| Node::start(service, index, &self.start));
            self.nodes.extend(try_join_all(each).await?);
        }
        Ok(())
    }

    /// Where clients may go.
    pub(super) fn addresses(&self) -> Vec<String> {
        let entrances = self.nodes.iter().filter(|node| matches!(node.service, Service::Gateway | Service::Standalone));
        entrances.map(|node| node.address.clone()).collect()
    }

    /// Connections that ended between COMMIT and its answer.
    pub(super) fn lost_commits(&self) -> u64 {
        let proxy = self.servers().and_then(|servers| servers.proxy(Server::Mariadb));
        proxy.map_or(0, Proxy::lost_commits)
    }

    /// Asks every process how many of its commits were refused because it had lost the partition meanwhile. One that dies takes
    /// its count with it, so this comes before anything is done to any.
    pub(super) async fn count_fenced(&mut self) {
        for node in &mut self.nodes {
            // One that does not answer has said last what is known of it.
            if let Ok((true, text)) = ask(&self.http, &node.admin, "metrics").await {
                node.fenced = fenced(&text);
            }
        }
    }

    /// Writes down what every process of ours takes.
    pub(super) fn weigh(&self, recorder: &Recorder) {
        for node in &self.nodes {
            // One that has ended takes nothing.
            if let Ok(bytes) = node.pid().and_then(private_dirty_bytes) {
                let (at_us, process, bytes_max) =
                    (recorder.now_us(), node.name.clone(), memory_max_bytes(node.service));
                recorder.note(Event::Memory { at_us, process, bytes, bytes_max });
            }
        }
    }

    /// What was counted of all processes that ever were.
    pub(super) fn fenced(&self) -> u64 {
        self.nodes.iter().map(Node::fenced_in_all).sum()
    }

    /// Every way open, every process running and ready.
    pub(super) async fn heal(&mut self) -> anyhow::Result<()> {
        if let Some(servers) = &self.infrastructure {
            servers.proxies.values().for_each(Proxy::heal);
        }
        let deadline = Instant::now() + READY_MAX;
        loop {
            self.supervise().await?;
            let Some(lacking) = self.lacking().await else { return Ok(()) };
            if Instant::now() >= deadline {
                bail!("not ready {} s after the last fault: {lacking}", READY_MAX.as_secs());
            }
            sleep(POLL).await;
        }
    }

    /// What a process says that it lacks.
    async fn lacking(&self) -> Option<String> {
        for node in &self.nodes {
            match ask(&self.http, &node.admin, "readyz").await {
                Ok((true, _)) => {}
                Ok((false, text)) => return Some(format!("{}: {}", node.service.name(), text.trim())),
                Err(error) => return Some(format!("{}: {error:#}", node.service.name())),
            }
        }
        None
    }

    pub(super) async fn supervise(&mut self) -> anyhow::Result<()> {
        for node in &mut self.nodes {
            self.restarts += u32::from(node.supervise().await?);
        }
        Ok(())
    }

    /// SIGTERM to all of ours, from the edge inwards; all must end well. The store can still be read.
    pub(super) async fn end_services(&mut self) -> anyhow::Result<String> {
        for mut node in self.nodes.drain(..).rev() {
            node.signal(Signal::TERM)?;
            node.ends().await?;
        }
        match &self.infrastructure {
            None => Ok(format!("sqlite://{}/gochat.db", self.folder.path().display())),
            // Past all faults.
            Some(servers) => servers.direct(Server::Mariadb),
        }
    }

    /// Whatever of it runs.
    pub(super) async fn end(mut self) -> anyhow::Result<()> {
        for node in &mut self.nodes {
            // One that has ended by itself cannot be killed.
            let _ = node.kill().await;
        }
        match self.infrastructure.take() {
            None => Ok(()),
            Some(servers) => servers.end().await,
        }
    }

    pub(super) fn node(&mut self, service: Service, index: usize) -> anyhow::Result<&mut Node> {
        let mut such = self.nodes.iter_mut().filter(|node| node.service == service);
        such.nth(index).with_context(|| format!("there is no {} {index}", service.name()))
    }

    pub(super) fn servers(&self) -> anyhow::Result<&Infrastructure> {
        self.infrastructure.as_ref().context("standalone has no servers")
    }
}

/// What a process of ours may take while a dozen users write for minutes. They take 5 to 10 MB each, im-logic 40 more while it hashes
/// passwords, and all that in one process is standalone's.
const fn memory_max_bytes(service: Service) -> u64 {
    match service {
        Service::Standalone => 384 << 20,
        Service::Gateway | Service::Logic | Service::Repo | Service::Task => 128 << 20,
    }
}

/// Whether a process says yes to that, and what it says.
async fn ask(http: &reqwest::Client, admin: &str, what: &str) -> anyhow::Result<(bool, String)> {
    let answer = http.get(format!("http://{admin}/{what}")).send().await?;
    Ok((answer.status().is_success(), answer.text().await?))
}

/// Of the metrics of a process.
fn fenced(metrics: &str) -> u64 {
    let counts = metrics.lines().filter_map(|line| line.strip_prefix("im_mq_commits_fenced_total{"));
    counts.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum::<f64>() as u64
}

/// Sessions of 3 s and leases of 2 s: a pause can outlive them.
fn settings(servers: &Infrastructure) -> anyhow::Result<Vec<(String, String)>> {
    let own = [
        ("RPC__SECRET", uuid::Uuid::new_v4().simple().to_string()),
        ("LOGIC__AUTH__SIGNING_KEY", SigningKey::generate().context("no signing key")?),
        ("REPO__DATABASE__URL", servers.through(Server::Mariadb)?),
        ("KAFKA__BROKERS", servers.through(Server::Kafka)?),
        ("KAFKA__PARTITIONS", "4".to_owned()),
        ("KAFKA__DOWNSTREAM_PARTITIONS", "16".to_owned()),
        ("KAFKA__SESSION_TIMEOUT_MS", "3000".to_owned()),
        ("ETCD__ENDPOINTS", servers.through(Server::Etcd)?),
        ("ETCD__LEASE_TTL_MS", "2000".to_owned()),
        ("REDIS__URL", servers.through(Server::Redis)?),
        ("REDIS__ROUTE_TTL_MS", ROUTE_TTL.as_millis().to_string()),
    ];
    Ok(own.into_iter().map(|(key, value)| (format!("GOCHAT__{key}"), value)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refused_commits_are_counted_over_all_groups_and_topics() {
        let metrics = "# TYPE im_mq_commits_fenced_total counter\nim_mq_commits_fenced_total{group=\"im-logic\",topic=\"a\"} 2\n\
                       im_mq_commits_fenced_total{group=\"im-task\",topic=\"b\"} 1\nim_mq_commits_total{group=\"im-logic\"} 900\n";
        assert_eq!(fenced(metrics), 3);
        assert_eq!(fenced(""), 0);
    }
}
