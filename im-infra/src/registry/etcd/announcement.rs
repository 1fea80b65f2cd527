//! An instance that is told to everybody, as long as it lives.

use std::convert::Infallible;

use tokio_util::sync::CancellationToken;

use super::client::{Etcd, Lease};
use crate::registry::{Instance, RegistryError};

/// A key under a lease of its own.
pub(super) struct Announcement {
    etcd: Etcd,
    key: String,
    value: String,
    lease: Lease,
}

impl Announcement {
    pub(super) async fn make(etcd: &Etcd, instance: &Instance) -> Result<Self, RegistryError> {
        let key = etcd.key(&format!("instances/{}/{}", instance.service.as_str(), instance.instance));
        let value = serde_json::json!({ "address": instance.address, "slot": instance.slot }).to_string();
        let lease = etcd.grant(etcd.ttl_s()).await?;
        etcd.ensure(&key, &value, lease.id()).await?;
        Ok(Self { etcd: etcd.clone(), key, value, lease })
    }

    /// Keeps it until `stop`, then takes it back.
    pub(super) async fn keep(mut self, stop: CancellationToken) -> Result<(), Infallible> {
        stop.run_until_cancelled(self.renew_for_ever()).await;
        self.etcd.revoke(self.lease.id()).await;
        Ok(())
    }

    async fn renew_for_ever(&mut self) {
        let mut waits = self.etcd.waits();
        let mut wait = self.etcd.beat();
        loop {
            tokio::time::sleep(wait).await;
            wait = self.etcd.beat();
            match self.renew().await {
                Ok(()) => waits = self.etcd.waits(),
                Err(error) => {
                    wait = waits.next().unwrap_or(wait);
                    let wait_ms = wait.as_millis();
                    tracing::warn!(%error, key = self.key, wait_ms, "not announced, trying again");
                }
            }
        }
    }

    async fn renew(&mut self) -> Result<(), RegistryError> {
        self.etcd.refresh(&mut self.lease).await?;
        self.etcd.ensure(&self.key, &self.value, self.lease.id()).await
    }
}
