//! What the members of an etcd say of themselves.

use etcd_client::StatusResponse;

use super::{EtcdOptions, EtcdRegistry, client::Etcd};
use crate::{inspection::Inspection, registry::RegistryError};

impl EtcdRegistry {
    /// Asks each endpoint for its version, its part in the cluster and what is wrong with it. etcd does not tell the time.
    ///
    /// # Errors
    /// If none of them answers.
    pub async fn inspect(options: &EtcdOptions) -> Result<Inspection, RegistryError> {
        let mut found = Inspection::default();
        let mut last = None;
        for endpoint in &options.endpoints {
            match status(options, endpoint).await {
                Ok(status) => tell(endpoint, &status, &mut found),
                Err(error) => {
                    found.warning(format_args!("{endpoint}: {error}"));
                    last = Some(error);
                }
            }
        }
        match last {
            Some(error) if found.facts.is_empty() => Err(error),
            _ => Ok(found),
        }
    }
}

async fn status(options: &EtcdOptions, endpoint: &str) -> Result<StatusResponse, RegistryError> {
    // Alone: a client of several would choose whom it asks.
    let alone = EtcdOptions { endpoints: vec![endpoint.to_owned()], ..options.clone() };
    Etcd::connect(&alone).await?.status().await
}

fn tell(endpoint: &str, status: &StatusResponse, found: &mut Inspection) {
    let member = status.header().map_or(0, etcd_client::ResponseHeader::member_id);
    let part = match status.leader() {
        0 => "without a leader",
        leader if leader == member => "the leader",
        _ => "follows a leader",
    };
    found.fact(endpoint, format_args!("version {}, {part}, {} bytes", status.version(), status.db_size()));
    if status.leader() == 0 {
        found.failure(format_args!("{endpoint} has no leader: too few members are up"));
    }
    // Alarms are among them: no space left, a corrupt store.
    for error in status.errors() {
        found.failure(format_args!("{endpoint}: {error}"));
    }
}
