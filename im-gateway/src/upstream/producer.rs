//! One task produces for all: what arrived while the last batch was being confirmed is the next one. The order of each
//! connection is the order of the queue; a failed batch is tried again, never overtaken.

use std::time::Duration;

use im_infra::{
    lifecycle::Lifecycle,
    mq::{MqError, NewRecord, Queue, Room, Topic},
};
use proto::{Error, ErrorCode};
use tokio::sync::mpsc;

/// Records of one batch.
const BATCH_RECORDS_MAX: usize = 512;
/// When to come again if too many records wait.
const RETRY_AFTER_MS: u64 = 200;
/// The wait between tries.
const RETRY_MS: u64 = 50;

/// The way to `im.upstream`. Clones share.
#[derive(Clone)]
pub(crate) struct Producer {
    records: mpsc::Sender<NewRecord>,
}

impl Producer {
    /// Starts the task; `waiting_max` records may wait for it.
    pub(crate) fn start(queue: Queue, waiting_max: usize, life: &Lifecycle) -> Self {
        let (records, mut waiting) = mpsc::channel(waiting_max);
        let stopping = life.stopping();
        life.spawn("upstream-producer", async move {
            let mut batch = Vec::with_capacity(BATCH_RECORDS_MAX);
            loop {
                tokio::select! {
                    count = waiting.recv_many(&mut batch, BATCH_RECORDS_MAX) => if count == 0 { break },
                    // No more come; those that wait are still produced.
                    () = stopping.cancelled(), if !waiting.is_closed() => waiting.close(),
                }
                if !batch.is_empty() {
                    produce(&queue, std::mem::take(&mut batch)).await?;
                }
            }
            Ok::<(), MqError>(())
        });
        Self { records }
    }

    /// A place in the queue: what is sent with it cannot be refused any more.
    pub(crate) fn reserve(&self) -> Result<mpsc::Permit<'_, NewRecord>, Error> {
        self.records.try_reserve().map_err(|_| Error::new(ErrorCode::Overloaded).retry_after_ms(RETRY_AFTER_MS))
    }
}

/// Until it is confirmed. What can never be stored is dropped, alone: its command's outcome stays unknown.
async fn produce(queue: &Queue, batch: Vec<NewRecord>) -> Result<(), MqError> {
    match produce_together(queue, &batch).await {
        Err(MqError::Refused(_)) => {}
        done => return done,
    }
    for record in batch {
        let bytes = record.payload.len();
        match produce_together(queue, &[record]).await {
            Err(MqError::Refused(reason)) => tracing::error!(reason, bytes, "im.upstream refuses a record for good"),
            done => done?,
        }
    }
    Ok(())
}

async fn produce_together(queue: &Queue, batch: &[NewRecord]) -> Result<(), MqError> {
    loop {
        match queue.produce(Topic::Upstream, batch.to_vec(), Room::External).await {
            Err(error) if error.is_transient() => {
                tracing::warn!(%error, records = batch.len(), "im.upstream does not take records, trying again");
                tokio::time::sleep(Duration::from_millis(RETRY_MS)).await;
            }
            done => return done,
        }
    }
}
