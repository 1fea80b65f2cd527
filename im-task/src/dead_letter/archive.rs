//! The consumer of `im.dead`: every letter becomes a row, once.

use async_trait::async_trait;
use im_infra::mq::{Failure, Handler, Record};
use prost::Message as _;
use proto::{Error, mq, repo::PutDeadLetterRequest};

use crate::repo::Repo;

/// Archives what arrives.
pub(crate) struct Archive {
    pub(crate) repo: Repo,
}

#[async_trait]
impl Handler for Archive {
    async fn handle(&self, batch: &[Record]) -> Result<(), Failure> {
        for record in batch {
            let letter = decode(record);
            let put = self.repo.dead_letters().put(PutDeadLetterRequest { record: Some(letter) }).await;
            // The letter is the last copy: whatever stands against it is waited for, it is never given up itself.
            put.map_err(|status| Failure::Transient(status.into()))?;
        }
        Ok(())
    }
}

/// A letter that cannot be read is archived as it lies there.
fn decode(record: &Record) -> mq::Dead {
    mq::Dead::decode(record.payload.clone()).unwrap_or_else(|error| mq::Dead {
        topic: record.topic.name().to_owned(),
        partition: record.partition,
        offset: i64::try_from(record.offset).unwrap_or(i64::MAX),
        key: record.key.clone(),
        payload: record.payload.clone(),
        error: Some(Error::invalid("payload", format_args!("im.mq.v1.Dead: {error}")).into()),
        died_at_ms: record.produced_at_ms,
        ..mq::Dead::default()
    })
}
