//! Records as they go in and as they come out.

use bytes::Bytes;

use super::Topic;

/// Names and values beside the payload.
pub type Headers = Vec<(String, Bytes)>;

/// The header of a record that is not whole, with the reason: bytes of it were lost in a log, or its dead letter holds only
/// a part of it. Consumers never decide such a record, so a part is not taken for the whole when it is sent again.
pub const DAMAGED: &str = "im-damaged";

/// What a header takes beside its name and its value, at most.
const HEADER_BYTES: usize = 16;

/// A record to be produced.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewRecord {
    /// Records of one key keep their order.
    pub key: Bytes,
    /// The bytes.
    pub payload: Bytes,
    /// Trace context and the like.
    pub headers: Headers,
    /// Chosen by the producer where the partition means something (a gateway's slot); else the key decides.
    pub partition: Option<u32>,
}

impl NewRecord {
    /// A record that goes where its key says.
    pub fn keyed(key: impl Into<Bytes>, payload: impl Into<Bytes>) -> Self {
        Self { key: key.into(), payload: payload.into(), ..Self::default() }
    }

    /// A record for one partition.
    pub fn to_partition(partition: u32, payload: impl Into<Bytes>) -> Self {
        Self { payload: payload.into(), partition: Some(partition), ..Self::default() }
    }

    /// Adds a header unless its value is empty.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<Bytes>) -> Self {
        let value = value.into();
        if !value.is_empty() {
            self.headers.push((name.to_owned(), value));
        }
        self
    }

    /// Its size: key, payload and headers.
    pub fn bytes(&self) -> usize {
        let headers: usize = self.headers.iter().map(|(name, value)| name.len() + value.len() + HEADER_BYTES).sum();
        self.key.len() + self.payload.len() + headers
    }
}

/// A record whose partition is known.
#[derive(Clone, Debug)]
pub struct Routed {
    /// Where it goes.
    pub partition: u32,
    /// What goes.
    pub record: NewRecord,
}

/// A record that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Where it was.
    pub topic: Topic,
    /// Which partition of it.
    pub partition: u32,
    /// Its place there.
    pub offset: u64,
    /// When it was produced, Unix milliseconds.
    pub produced_at_ms: i64,
    /// Its key.
    pub key: Bytes,
    /// Its bytes.
    pub payload: Bytes,
    /// Its headers.
    pub headers: Headers,
}

impl Record {
    /// A header's value as text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).and_then(|(_, value)| std::str::from_utf8(value).ok())
    }

    /// Why it is not whole, if it is not: its payload is then what is left.
    pub fn damage(&self) -> Option<&str> {
        self.header(DAMAGED)
    }
}
