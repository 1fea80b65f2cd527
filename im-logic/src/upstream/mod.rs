//! The consumer of `im.upstream`: a batch is decoded, decided, stored, answered, pushed; then committed.

mod batch;
mod cursors;
mod decided;
mod handler;
mod outbox;
mod states;
mod together;

pub(crate) use handler::Upstream;
pub(crate) use outbox::Outbox;
pub(crate) use together::Together;
