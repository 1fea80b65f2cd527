//! Keys and values as they lie in the store.

use bytes::Bytes;
use prost::Message;

use super::super::{DAMAGED, Group, NewRecord, Record, Topic};

/// A record's key: its partition, then its offset, so that a range scan reads in order.
pub(super) fn record_key(partition: u32, offset: u64) -> [u8; 12] {
    let mut key = [0; 12];
    key[..4].copy_from_slice(&partition.to_be_bytes());
    key[4..].copy_from_slice(&offset.to_be_bytes());
    key
}

/// The offset in a record's key.
pub(super) fn offset_of(key: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(key.get(4..12)?.try_into().ok()?))
}

/// Under which key the number of partitions is kept.
pub(super) const PARTITIONS_KEY: &str = "partitions";

pub(super) fn place_key(topic: Topic, partition: u32) -> String {
    format!("place/{}/{partition}", topic.name())
}

pub(super) fn offset_key(group: Group, topic: Topic, partition: u32) -> String {
    format!("offset/{}/{}/{partition}", group.name(), topic.name())
}

/// Where a partition's records are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    /// The oldest offset there.
    pub(super) first: u64,
    /// One past the newest.
    pub(super) end: u64,
    /// Bytes of the records between.
    pub(super) bytes: u64,
}

impl Place {
    pub(super) fn encode(self) -> [u8; 24] {
        let mut value = [0; 24];
        for (chunk, number) in value.chunks_exact_mut(8).zip([self.first, self.end, self.bytes]) {
            chunk.copy_from_slice(&number.to_be_bytes());
        }
        value
    }

    pub(super) fn decode(value: &[u8]) -> Option<Self> {
        let number = |at: usize| Some(u64::from_be_bytes(value.get(at..at + 8)?.try_into().ok()?));
        Some(Self { first: number(0)?, end: number(8)?, bytes: number(16)? })
    }
}

#[derive(Clone, PartialEq, Message)]
struct Stored {
    #[prost(bytes = "bytes", tag = "1")]
    key: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    payload: Bytes,
    #[prost(message, repeated, tag = "3")]
    headers: Vec<StoredHeader>,
    #[prost(int64, tag = "4")]
    produced_at_ms: i64,
}

#[derive(Clone, PartialEq, Message)]
struct StoredHeader {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(bytes = "bytes", tag = "2")]
    value: Bytes,
}

pub(super) fn encode(record: NewRecord, produced_at_ms: i64) -> Vec<u8> {
    let headers = record.headers.into_iter().map(|(name, value)| StoredHeader { name, value }).collect();
    Stored { key: record.key, payload: record.payload, headers, produced_at_ms }.encode_to_vec()
}

/// The record that lies at `offset`; none if its bytes are damaged.
pub(super) fn decode(topic: Topic, partition: u32, offset: u64, value: &[u8]) -> Option<Record> {
    let stored = Stored::decode(Bytes::copy_from_slice(value)).ok()?;
    Some(Record {
        topic,
        partition,
        offset,
        produced_at_ms: stored.produced_at_ms,
        key: stored.key,
        payload: stored.payload,
        headers: stored.headers.into_iter().map(|header| (header.name, header.value)).collect(),
    })
}

/// What stands for records that cannot be read: with what is left of them, and why.
pub(super) fn damaged(topic: Topic, partition: u32, offset: u64, left: &[u8], why: String) -> Record {
    Record {
        topic,
        partition,
        offset,
        produced_at_ms: 0,
        key: Bytes::new(),
        payload: Bytes::copy_from_slice(left),
        headers: vec![(DAMAGED.to_owned(), why.into())],
    }
}
