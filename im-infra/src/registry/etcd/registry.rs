//! The port's adapter.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use backon::{ExponentialBuilder, Retryable as _};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{
    EtcdOptions,
    announcement::Announcement,
    client::Etcd,
    follow::{Follower, Known},
    slot::Keeper,
};
use crate::{
    clock::Clock,
    lifecycle::Lifecycle,
    registry::{Instance, Registration, Registry, RegistryError, ServiceName, Slot, SlotSpace},
};

/// How often a first call is tried again, so that one endpoint that is down does not keep a process from starting.
const ATTEMPTS: usize = 3;

/// Knows the services of all processes that share an etcd and a namespace. Clones share.
#[derive(Clone)]
pub struct EtcdRegistry {
    etcd: Etcd,
    clock: Clock,
    life: Lifecycle,
    known: Arc<Mutex<HashMap<ServiceName, Known>>>,
}

impl EtcdRegistry {
    /// Its tasks are those of `life`, which should be a part of the process that is drained last: watches end when it
    /// stops; announcements and slots end when they are dropped, and it waits for what they have to take back. The clocks of
    /// slots begin with `clock`.
    ///
    /// # Errors
    /// If an endpoint is not an address; with a user, also if etcd is out of reach or refuses it.
    pub async fn connect(options: &EtcdOptions, life: Lifecycle, clock: Clock) -> Result<Self, RegistryError> {
        Ok(Self { etcd: Etcd::connect(options).await?, clock, life, known: Arc::default() })
    }

    /// Waits until the instances of a service have been read once; before that their list is empty, which does not mean
    /// that there are none.
    pub async fn listed(&self, service: ServiceName) {
        let known = self.known(service);
        known.listed.cancelled().await;
    }

    fn known(&self, service: ServiceName) -> Known {
        let mut all = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let follow = || {
            let known = Known { list: watch::Sender::new(Vec::new()), listed: CancellationToken::new() };
            let follower = Follower::new(self.etcd.clone(), service, known.clone());
            self.life.spawn("etcd_instances", follower.run(self.life.stopping()));
            known
        };
        all.entry(service).or_insert_with(follow).clone()
    }
}

fn attempts() -> ExponentialBuilder {
    ExponentialBuilder::default().with_min_delay(Duration::from_millis(100)).with_max_times(ATTEMPTS).with_jitter()
}

#[async_trait]
impl Registry for EtcdRegistry {
    async fn announce(&self, instance: Instance) -> Result<Registration, RegistryError> {
        let announcement = (|| Announcement::make(&self.etcd, &instance)).retry(attempts()).await?;
        let stop = CancellationToken::new();
        let registration = Registration { _held: Box::new(stop.clone().drop_guard()) };
        self.life.spawn("etcd_announcement", announcement.keep(stop));
        Ok(registration)
    }

    fn watch(&self, service: ServiceName) -> watch::Receiver<Vec<Instance>> {
        self.known(service).list.subscribe()
    }

    async fn lease_slot(&self, space: SlotSpace, count: u32) -> Result<Slot, RegistryError> {
        let holder = uuid::Uuid::new_v4().simple().to_string();
        let keeper = (|| Keeper::take((&self.etcd, &self.clock), (space, count), &holder))
            .retry(attempts())
            .when(|error| matches!(error, RegistryError::Unavailable(_)))
            .await?;
        let stop = CancellationToken::new();
        let slot = Slot {
            number: keeper.number,
            deadline: keeper.deadline.clone(),
            clock: keeper.clock.clone(),
            held: keeper.held.subscribe(),
            lost: keeper.lost.clone(),
            _end: Arc::new(stop.clone().drop_guard()),
        };
        self.life.spawn("etcd_slot", keeper.keep(stop));
        Ok(slot)
    }
}
