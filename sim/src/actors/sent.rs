//! A command as a client keeps it.

use std::sync::Arc;

use bytes::Bytes;
use prost::Message as _;
use proto::{
    group::Leave,
    mq::{self, upstream::Command},
};

/// A command without an outcome.
pub(crate) struct Waiting {
    pub(crate) sent: Arc<Sent>,
    /// For now.
    pub(super) is_refused: bool,
}

/// A command as it leaves a client.
#[derive(Debug)]
pub(crate) struct Sent {
    pub(crate) id: String,
    pub(crate) command_id: String,
    pub(crate) command: Command,
    pub(crate) payload_hash: Bytes,
    /// Its id is that of another command, which must be told.
    pub(super) is_other: bool,
}

impl Sent {
    pub(super) fn new(id: String, command_id: String, command: Command, is_other: bool) -> Self {
        let record = mq::Upstream { conversation_id: id.clone(), command: Some(command), ..mq::Upstream::default() };
        let payload = record.encode_to_vec();
        let hash = payload
            .iter()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
        let command = record.command.unwrap_or(Command::Leave(Leave {}));
        Self { id, command_id, command, payload_hash: Bytes::copy_from_slice(&hash.to_be_bytes()), is_other }
    }

    /// What an answer calls it: conversation and id.
    pub(super) fn name(&self) -> (String, String) {
        (self.id.clone(), self.command_id.clone())
    }
}
