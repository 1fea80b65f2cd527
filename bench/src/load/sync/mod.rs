//! Devices that were away come back and catch up.

mod away;
mod plan;
mod played;
mod result;
mod writer;

pub(crate) use plan::SyncPlan;
pub(crate) use result::SyncResult;
