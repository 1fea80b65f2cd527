//! What became of commands, and what errors mean for their batch.

use im_infra::{ids::UserId, mq::Failure};
use proto::{Error, ErrorCode, mq};

use super::batch::Arrival;

/// What became of a command.
pub(super) struct Decided<'a> {
    pub(super) arrival: &'a Arrival,
    pub(super) result: mq::outcome::Result,
    /// The entry to push, with who may see it.
    pub(super) push: Option<(proto::message::Entry, Vec<UserId>)>,
}

/// What a call's error means for the batch.
pub(super) fn failure(error: Error) -> Failure {
    match error.code() {
        ErrorCode::Unavailable
        | ErrorCode::DeadlineExceeded
        | ErrorCode::Overloaded
        | ErrorCode::ServiceTokenInvalid => Failure::Transient(error),
        _ => Failure::Unknown(error),
    }
}
