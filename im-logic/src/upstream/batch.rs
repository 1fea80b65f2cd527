//! A batch, decoded.

use bytes::Bytes;
use im_infra::{mq::Record, telemetry::trace_context};
use prost::Message as _;
use proto::{Error, mq};

use crate::domain::Command;

/// A command with where it came from.
pub(super) struct Arrival {
    /// Its place in the batch.
    pub(super) index: usize,
    pub(super) command: Command,
    pub(super) origin: mq::Origin,
    pub(super) received_at_ms: i64,
    /// What is done for it continues its trace.
    pub(super) span: tracing::Span,
}

/// A batch of records: commands in order, cursors beside them, and what is neither.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) arrivals: Vec<Arrival>,
    pub(super) cursors: Vec<(i64, mq::ReadCursor)>,
    pub(super) poison: Vec<(usize, Error)>,
}

impl Batch {
    pub(super) fn decode(records: &[Record]) -> Self {
        let mut batch = Self::default();
        for (index, record) in records.iter().enumerate() {
            if let Err(error) = batch.add(index, record) {
                batch.poison.push((index, error));
            }
        }
        batch
    }

    fn add(&mut self, index: usize, record: &Record) -> Result<(), Error> {
        let upstream = decode(&record.payload)?;
        if let Some(mq::upstream::Command::ReadCursors(read)) = &upstream.command {
            let user_id = upstream.caller.as_ref().map_or(0, |caller| caller.user_id);
            self.cursors.extend(read.cursors.iter().map(|cursor| (user_id, cursor.clone())));
            return Ok(());
        }
        let command = Command::parse(&upstream)?;
        let span =
            tracing::info_span!("logic.command.decide", otel.kind = "consumer", request_id = upstream.request_id);
        trace_context::continue_in(&span, record.header(trace_context::TRACE_PARENT).unwrap_or_default());
        let (origin, received_at_ms) = (upstream.origin.unwrap_or_default(), upstream.received_at_ms);
        self.arrivals.push(Arrival { index, command, origin, received_at_ms, span });
        Ok(())
    }
}

/// A record's payload.
pub(super) fn decode(payload: &Bytes) -> Result<mq::Upstream, Error> {
    mq::Upstream::decode(payload.clone())
        .map_err(|error| Error::invalid("payload", format_args!("im.mq.v1.Upstream: {error}")))
}
