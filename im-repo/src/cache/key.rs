//! What is kept under which name: a key knows the type of its value.

use std::{
    fmt::{self, Debug, Display},
    hash::Hash,
};

use im_infra::ids::UserId;
use prost::Message;
use proto::{
    message::Entry,
    repo::{Head, User},
};

/// Names one value.
pub trait Key: Clone + Eq + Hash + Debug + Display + Send + Sync {
    /// What is kept under it.
    type Value: Message + Default + Clone;
    /// Which of the caches, in metrics.
    const KIND: &'static str;
    /// Whether a value never changes.
    const IMMUTABLE: bool = false;

    /// Grows with every change of the value; 0 where values have no order.
    fn version(_value: &Self::Value) -> i64 {
        0
    }
}

/// A user, by id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct UserKey(pub UserId);

impl Key for UserKey {
    type Value = User;
    const KIND: &'static str = "user";
}

impl Display for UserKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "user:{}", self.0)
    }
}

/// Whose a folded name is. Names do not change hands.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NameKey(pub String);

impl Key for NameKey {
    type Value = UserId;
    const KIND: &'static str = "name";
}

impl Display for NameKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "name:{}", self.0)
    }
}

/// Where a conversation stands, its newest entry included. Every change of it is an entry, so its newest seq is its version.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HeadKey(pub String);

impl Key for HeadKey {
    type Value = Head;
    const KIND: &'static str = "head";

    fn version(head: &Head) -> i64 {
        head.last_seq
    }
}

impl Display for HeadKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "head:{}", self.0)
    }
}

/// An entry.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EntryKey {
    /// Of which conversation.
    pub conversation_id: String,
    /// Its place.
    pub seq: i64,
}

impl Key for EntryKey {
    type Value = Entry;
    const KIND: &'static str = "entry";
    const IMMUTABLE: bool = true;
}

impl Display for EntryKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "entry:{}:{}", self.conversation_id, self.seq)
    }
}

/// How far a user has read in a conversation. It only moves forward.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CursorKey {
    /// In which conversation.
    pub conversation_id: String,
    /// Who.
    pub user_id: UserId,
}

/// A read cursor.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub struct ReadTo {
    /// Read up to this entry.
    #[prost(int64, tag = "1")]
    pub read_seq: i64,
    /// Which is this countable one.
    #[prost(int64, tag = "2")]
    pub read_msg_no: i64,
}

impl Key for CursorKey {
    type Value = ReadTo;
    const KIND: &'static str = "cursor";

    fn version(cursor: &ReadTo) -> i64 {
        cursor.read_seq
    }
}

impl Display for CursorKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cursor:{}:{}", self.conversation_id, self.user_id)
    }
}
