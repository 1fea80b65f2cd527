//! All connections are cut at once and come back, while others keep talking.

mod alive;
mod others;
mod plan;
mod played;
mod result;

pub(crate) use plan::ReconnectPlan;
pub(crate) use result::ReconnectResult;
