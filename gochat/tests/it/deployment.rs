//! Where the same test runs twice: in the one process of standalone, and in processes of their own on Kafka, etcd, Redis and
//! MariaDB.

use std::path::{Path, PathBuf};

use im_infra::{
    mq::{EmbeddedLog, EmbeddedLogOptions, Group, NewRecord, Queue, Room, Topic},
    telemetry::Telemetry,
    testing::{eventually, free_address, infra},
};
use tempfile::TempDir;

use super::{cluster::Cluster, server::Server};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Standalone,
    Processes,
}

/// A running GoChat.
pub(crate) enum Deployment {
    /// With the address that operators' commands call.
    Standalone(Box<Server>, String),
    Processes(Box<Cluster>),
}

/// What lies there while nothing is decided.
pub(crate) struct Remains {
    pub(crate) queue: Queue,
    pub(crate) database_url: String,
    _folder: Option<TempDir>,
}

impl Remains {
    fn of_standalone(folder: &Path) -> Self {
        let log = EmbeddedLog::open(&folder.join("log"), &EmbeddedLogOptions::default()).unwrap();
        let database_url = format!("sqlite://{}/gochat.db", folder.display());
        Self { queue: Queue::new(log, &Telemetry::for_tests()), database_url, _folder: None }
    }

    async fn of_processes(cluster: &Cluster) -> Self {
        Self { queue: cluster.queue().await, database_url: cluster.database_url.clone(), _folder: None }
    }
}

impl Deployment {
    /// With settings beside the test's own, as `("GATEWAY__WS__HEARTBEAT_MS", "500")`.
    pub(crate) async fn start(kind: Kind, settings: &[(&str, &str)]) -> Self {
        match kind {
            Kind::Standalone => {
                // Who calls must know the port.
                let rpc = free_address();
                let mut all = vec![("RPC__LISTEN", rpc.as_str())];
                all.extend_from_slice(settings);
                let server = Server::with(&all).await;
                Self::Standalone(Box::new(server), rpc)
            }
            Kind::Processes => Self::Processes(Box::new(Cluster::with(infra, settings).await)),
        }
    }

    /// A gateway of those that there are, by number.
    pub(crate) fn address(&self, number: usize) -> String {
        match self {
            Self::Standalone(server, _) => server.address.clone(),
            Self::Processes(cluster) => cluster.gateways[number % cluster.gateways.len()].running.address.clone(),
        }
    }

    /// For operators' commands: the data folder and the settings.
    pub(crate) fn operator(&self) -> (PathBuf, Vec<(String, String)>) {
        match self {
            Self::Standalone(server, rpc) => (server.data_dir(), vec![("GOCHAT__RPC__LISTEN".to_owned(), rpc.clone())]),
            Self::Processes(cluster) => cluster.operator(),
        }
    }

    /// Nobody decides while `act` looks at what lies there, or changes it; then all goes on at the same addresses.
    pub(crate) async fn while_stopped<T>(self, act: impl AsyncFnOnce(Remains) -> T) -> (Self, T) {
        match self {
            Self::Standalone(server, rpc) => {
                let mut answer = None;
                let kept = &mut answer;
                let acting =
                    move |folder: PathBuf| async move { *kept = Some(act(Remains::of_standalone(&folder)).await) };
                let server = server.while_stopped(acting).await;
                (Self::Standalone(Box::new(server), rpc), answer.unwrap())
            }
            Self::Processes(mut cluster) => {
                for node in &mut cluster.logics {
                    node.stop().await;
                }
                let answer = act(Remains::of_processes(&cluster).await).await;
                for node in &mut cluster.logics {
                    node.start_again().await;
                }
                (Self::Processes(cluster), answer)
            }
        }
    }

    /// Puts a record among the others: while the services run, where that can be.
    pub(crate) async fn plant(self, topic: Topic, record: NewRecord) -> Self {
        let put = async move |queue: Queue| queue.produce(topic, vec![record], Room::Internal).await.unwrap();
        if let Self::Processes(cluster) = &self {
            put(cluster.queue().await).await;
            return self;
        }
        self.while_stopped(async move |remains: Remains| put(remains.queue).await).await.0
    }

    /// Waits until im-logic has handled all of `im.upstream`, whose partitions end there.
    pub(crate) async fn caught_up(&self, ends: &[u64]) {
        match self {
            Self::Standalone(server, _) => {
                let records: u64 = ends.iter().sum();
                eventually("all records to be consumed", || async {
                    let metrics = reqwest::get(format!("http://{}/metrics", server.admin)).await.unwrap();
                    let counter = "im_mq_consumed_total{group=\"im-logic\",topic=\"im.upstream.v1\"} ";
                    let text = metrics.text().await.unwrap();
                    let count = text.lines().find_map(|line| line.strip_prefix(counter)?.parse::<u64>().ok());
                    (count == Some(records)).then_some(())
                })
                .await;
            }
            Self::Processes(cluster) => {
                let queue = cluster.queue().await;
                for (partition, end) in (0..).zip(ends) {
                    eventually("no lag", || async {
                        let done = queue.committed(Group::Logic, Topic::Upstream, partition).await.unwrap();
                        (done.unwrap_or_default() == *end).then_some(())
                    })
                    .await;
                }
            }
        }
    }

    /// Ends it, which must go well; answers what it leaves behind.
    pub(crate) async fn end(self) -> Remains {
        match self {
            Self::Standalone(server, _) => {
                let (code, folder) = server.terminate_and_keep().await;
                assert_eq!(code, Some(0));
                let remains = Remains::of_standalone(folder.path());
                Remains { _folder: Some(folder), ..remains }
            }
            Self::Processes(cluster) => {
                let remains = Remains::of_processes(&cluster).await;
                cluster.terminate().await;
                remains
            }
        }
    }
}

/// Makes one test per kind of deployment of an async function that takes a [`Kind`].
macro_rules! on_every_deployment {
    ($($test:ident,)+) => {
        mod standalone { $( #[tokio::test(flavor = "multi_thread")] async fn $test() { super::$test(crate::deployment::Kind::Standalone).await; } )+ }
        mod processes { $( #[tokio::test(flavor = "multi_thread")] async fn $test() { super::$test(crate::deployment::Kind::Processes).await; } )+ }
    };
}
pub(crate) use on_every_deployment;
