//! The consumer of `im.task`: each record goes to the job of its kind.

use async_trait::async_trait;
use im_infra::mq::{Failure, Handler, Record};
use prost::Message as _;
use proto::{Error, ErrorCode, mq, mq::task::Kind};

use super::Runner;
use crate::fan_out::FanOut;

/// The jobs.
pub(crate) struct Dispatch {
    pub(crate) fan_out: Runner<FanOut>,
}

#[async_trait]
impl Handler for Dispatch {
    async fn handle(&self, batch: &[Record]) -> Result<(), Failure> {
        let (mut fan_outs, mut poison) = (Vec::new(), Vec::new());
        for (index, record) in batch.iter().enumerate() {
            match decode(record) {
                Ok(Kind::FanOut(task)) => fan_outs.push((index, task)),
                Err(error) => poison.push((index, error)),
            }
        }
        if !poison.is_empty() {
            return Err(Failure::Poison(poison));
        }
        self.fan_out.run(fan_outs).await
    }

    async fn parked(&self, record: &Record, _: &Error) -> Result<(), Failure> {
        self.given_up(record).await
    }

    async fn lost(&self, record: &Record) -> Result<(), Failure> {
        self.given_up(record).await
    }
}

impl Dispatch {
    /// Keyed by conversation: even of a record that cannot be read it is known whose members miss something. Without its key
    /// it may have been of any.
    async fn given_up(&self, record: &Record) -> Result<(), Failure> {
        let conversation_id = std::str::from_utf8(&record.key).unwrap_or_default();
        self.fan_out.job().given_up(conversation_id).await.map_err(Failure::of)
    }
}

fn decode(record: &Record) -> Result<Kind, Error> {
    let task = mq::Task::decode(record.payload.clone())
        .map_err(|error| Error::invalid("payload", format_args!("im.mq.v1.Task: {error}")))?;
    // A kind of a newer version, whose im-task is not there yet: an operator replays it when it is.
    task.kind.ok_or_else(|| Error::new(ErrorCode::Unsupported).with("part", "im.mq.v1.Task"))
}
