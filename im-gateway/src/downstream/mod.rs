//! What comes back: outcomes to those who wait, entries to those who may see them.

mod consumer;
mod deliver;

pub(crate) use consumer::consume;
pub(crate) use deliver::Deliver;
