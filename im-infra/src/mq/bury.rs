//! Dead letters: a record that cannot succeed, with all that is needed to look at it and to send it again.

use aws_lc_rs::digest::{SHA256, digest};
use bytes::Bytes;
use prost::Message as _;
use proto::{Error, mq};

use super::{DAMAGED, Group, MqError, NewRecord, Queue, Record, Room, Topic};
use crate::{clock::Clock, telemetry::trace_context::TRACE_PARENT};

/// How much of a payload is kept where the letter is refused, in the order in which it is tried.
const PAYLOAD_KEPT_BYTES: [usize; 2] = [256 << 10, 0];
/// How much of its key.
const KEY_KEPT_BYTES: usize = 1 << 10;

pub(super) struct Burial {
    queue: Queue,
    group: Group,
    clock: Clock,
    in_row: u32,
}

impl Burial {
    pub(super) const fn new(queue: Queue, group: Group, clock: Clock) -> Self {
        Self { queue, group, clock, in_row: 0 }
    }

    /// Returns when the dead letter is confirmed. One that the queue refuses for good is sent again with less in it: the
    /// partition must not wait for ever.
    pub(super) async fn bury(&mut self, record: &Record, error: &Error, attempts: u32) -> Result<(), MqError> {
        tracing::error!(topic = record.topic.name(), partition = record.partition, offset = record.offset, %error, attempts, "dead letter");
        let mut letter = self.letter(record, error, attempts);
        let mut smaller = PAYLOAD_KEPT_BYTES.into_iter();
        loop {
            match (self.send(&letter).await, smaller.next()) {
                (Ok(()), _) => break,
                (Err(MqError::Refused(reason)), Some(kept_bytes)) => {
                    tracing::error!(reason, kept_bytes, "dead letter refused, sending a part of it");
                    letter = cut(letter, record, kept_bytes);
                }
                (Err(error), _) => return Err(error),
            }
        }
        self.in_row += 1;
        Ok(())
    }

    fn letter(&self, record: &Record, error: &Error, attempts: u32) -> mq::Dead {
        let header = |(name, value): &(String, Bytes)| mq::Header { name: name.clone(), value: value.clone() };
        mq::Dead {
            topic: record.topic.name().to_owned(),
            partition: record.partition,
            offset: i64::try_from(record.offset).unwrap_or(i64::MAX),
            key: record.key.clone(),
            payload: record.payload.clone(),
            headers: record.headers.iter().map(header).collect(),
            consumer: self.group.name().to_owned(),
            attempts,
            error: Some(error.clone().into()),
            trace_parent: record.header(TRACE_PARENT).unwrap_or_default().to_owned(),
            died_at_ms: self.clock.now_ms(),
        }
    }

    async fn send(&self, letter: &mq::Dead) -> Result<(), MqError> {
        let record = NewRecord::keyed(letter.key.clone(), letter.encode_to_vec());
        self.queue.produce(Topic::Dead, vec![record], Room::Internal).await
    }

    pub(super) const fn success(&mut self) {
        self.in_row = 0;
    }

    pub(super) const fn in_row(&self) -> u32 {
        self.in_row
    }
}

/// The same letter with the beginning of the record, and how long it was.
fn cut(mut letter: mq::Dead, record: &Record, kept_bytes: usize) -> mq::Dead {
    let kept_bytes = kept_bytes.min(record.payload.len());
    let hash: String = digest(&SHA256, &record.payload).as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    let damage = format!("cut: {kept_bytes} of {} bytes, sha256 {hash}", record.payload.len());
    letter.key = record.key.slice(..record.key.len().min(KEY_KEPT_BYTES));
    letter.payload = record.payload.slice(..kept_bytes);
    letter.headers = vec![mq::Header { name: DAMAGED.to_owned(), value: damage.into() }];
    // The reason may quote the record.
    if let Some(error) = &mut letter.error {
        error.params.clear();
    }
    letter
}
