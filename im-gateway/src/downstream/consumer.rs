//! Reads this gateway's own partition of `im.downstream`, from where it stood when the gateway started.

use std::{sync::Arc, time::Duration};

use im_infra::{
    lifecycle::Lifecycle,
    mq::{MqError, Queue, Reader, Topic},
};
use prost::Message as _;
use proto::mq::Downstream;

use super::Deliver;
use crate::connections::Pushes;

/// Records of one batch.
const BATCH_RECORDS_MAX: usize = 256;
/// The wait after a failed read.
const RETRY_MS: u64 = 100;

/// Delivers until the process stops.
pub(crate) async fn consume(
    queue: Queue,
    (partition, mut reader): (u32, Box<dyn Reader>),
    deliver: Arc<Deliver>,
    life: Lifecycle,
) -> Result<(), MqError> {
    let stopping = life.stopping();
    loop {
        let batch = tokio::select! {
            () = stopping.cancelled() => return Ok(()),
            batch = reader.next(BATCH_RECORDS_MAX) => batch,
        };
        match batch {
            Ok(batch) => {
                let mut pushes = Pushes::default();
                for record in batch {
                    if let Some(damage) = record.damage() {
                        tracing::error!(damage, partition, offset = record.offset, "damaged record in im.downstream");
                        deliver.missed("damaged");
                        continue;
                    }
                    match Downstream::decode(record.payload) {
                        Ok(letter) => deliver.letter(letter, &mut pushes),
                        // Nobody can repair it here, and nobody's copy depends on it: clients fetch what they lack.
                        Err(error) => {
                            tracing::error!(%error, partition, offset = record.offset, "undecodable record in im.downstream");
                            deliver.missed("undecodable");
                        }
                    }
                }
                pushes.write_out(&life);
            }
            Err(MqError::OutOfRange { first, end, .. }) => {
                tracing::error!(partition, first, end, "fell behind im.downstream, clients must sync");
                match queue.read(Topic::Downstream, partition, end).await {
                    Ok(fresh) => {
                        reader = fresh;
                        deliver.missed("behind");
                    }
                    Err(error) if error.is_transient() => tokio::time::sleep(Duration::from_millis(RETRY_MS)).await,
                    Err(error) => return Err(error),
                }
            }
            Err(error) if error.is_transient() => {
                tracing::warn!(%error, "im.downstream not readable, trying again");
                tokio::time::sleep(Duration::from_millis(RETRY_MS)).await;
            }
            Err(error) => return Err(error),
        }
    }
}
