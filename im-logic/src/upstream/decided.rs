//! What became of commands.

use proto::mq;

use super::batch::Arrival;
use crate::domain::Reach;

/// What became of a command.
pub(super) struct Decided<'a> {
    pub(super) arrival: &'a Arrival,
    pub(super) result: mq::outcome::Result,
    /// The entry to push, with whom it reaches.
    pub(super) push: Option<(proto::message::Entry, Reach)>,
    /// What follows from the entry, as a command of the server's own.
    pub(super) follow_up: Option<mq::Upstream>,
}
