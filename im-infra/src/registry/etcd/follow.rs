//! Who lives of a service: a list, then what changes, then a list again whenever the changes end.

use std::{collections::BTreeMap, convert::Infallible};

use etcd_client::{Event, EventType, GetOptions, KeyValue, ResponseHeader, WatchStream};
use serde::Deserialize;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::client::{Etcd, away};
use crate::registry::{Instance, RegistryError, ServiceName};

/// What is known of a service. Clones share.
#[derive(Clone)]
pub(super) struct Known {
    pub(super) list: watch::Sender<Vec<Instance>>,
    /// Cancelled once the list was read for the first time.
    pub(super) listed: CancellationToken,
}

/// Reads and follows a service's instances.
pub(super) struct Follower {
    etcd: Etcd,
    service: ServiceName,
    prefix: String,
    known: Known,
    live: BTreeMap<String, Instance>,
}

/// What an instance says of itself. A newer version may say more.
#[derive(Deserialize)]
struct Announced {
    address: String,
    slot: u32,
}

impl Follower {
    pub(super) fn new(etcd: Etcd, service: ServiceName, known: Known) -> Self {
        let prefix = etcd.key(&format!("instances/{}/", service.as_str()));
        Self { etcd, service, prefix, known, live: BTreeMap::new() }
    }

    /// Until `stopping`. While etcd is away the list stays as it was last seen.
    pub(super) async fn run(mut self, stopping: CancellationToken) -> Result<(), Infallible> {
        stopping.run_until_cancelled(self.follow_for_ever()).await;
        Ok(())
    }

    async fn follow_for_ever(&mut self) {
        let mut waits = self.etcd.waits();
        loop {
            let error = match self.list().await {
                Ok(changes) => {
                    waits = self.etcd.waits();
                    self.follow(changes).await
                }
                Err(error) => error,
            };
            let wait = waits.next().unwrap_or(self.etcd.beat());
            let (service, wait_ms) = (self.service.as_str(), wait.as_millis());
            tracing::warn!(%error, service, wait_ms, "instances not followed, listing them again");
            tokio::time::sleep(wait).await;
        }
    }

    /// The whole list, and a stream of what happened after it.
    async fn list(&mut self) -> Result<WatchStream, RegistryError> {
        let listed = self.etcd.get(&self.prefix, GetOptions::new().with_prefix()).await?;
        let revision = listed.header().map_or(0, ResponseHeader::revision);
        self.live = listed.kvs().iter().filter_map(|kv| self.parse(kv)).collect();
        self.publish();
        self.known.listed.cancel();
        self.etcd.watch(&self.prefix, revision + 1).await
    }

    /// Answers why it ended: a lost connection, a member without a leader, or a history that was compacted away.
    async fn follow(&mut self, mut changes: WatchStream) -> RegistryError {
        loop {
            match changes.message().await {
                Ok(Some(message)) if message.canceled() => {
                    return away(format_args!("watch cancelled: {}", message.cancel_reason()));
                }
                Ok(Some(message)) => self.apply(message.events()),
                Ok(None) => return away("watch ended"),
                Err(error) => return away(error),
            }
        }
    }

    fn apply(&mut self, events: &[Event]) {
        for event in events {
            let Some(kv) = event.kv() else { continue };
            match event.event_type() {
                EventType::Put => self.live.extend(self.parse(kv)),
                EventType::Delete => {
                    if let Some(name) = self.name(kv) {
                        self.live.remove(name);
                    }
                }
            }
        }
        self.publish();
    }

    fn publish(&self) {
        self.known.list.send_if_modified(|list| {
            let is_same = list.iter().eq(self.live.values());
            if !is_same {
                *list = self.live.values().cloned().collect();
            }
            !is_same
        });
    }

    fn name<'a>(&self, kv: &'a KeyValue) -> Option<&'a str> {
        kv.key_str().ok()?.strip_prefix(&self.prefix)
    }

    fn parse(&self, kv: &KeyValue) -> Option<(String, Instance)> {
        let name = self.name(kv)?.to_owned();
        match serde_json::from_slice(kv.value()) {
            Ok(Announced { address, slot }) => {
                let instance = Instance { service: self.service, instance: name.clone(), address, slot };
                Some((name, instance))
            }
            Err(error) => {
                tracing::warn!(%error, key = self.prefix, instance = name, "instance not understood, left out");
                None
            }
        }
    }
}
