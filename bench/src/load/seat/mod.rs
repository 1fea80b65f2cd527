//! A user at a connection: what it sends and what becomes of that, what it is pushed, and how far all of them are.

mod inbox;
mod naming;
mod occupied;
mod outbox;
mod play;
mod progress;
mod took;
mod witness;

pub(super) use inbox::Inbox;
pub(super) use naming::Run;
pub(super) use occupied::{Seat, next_time};
pub(super) use outbox::Outbox;
pub(super) use play::played;
pub(super) use progress::Progress;
pub(super) use took::{Took, latencies};
pub(super) use witness::Witness;
