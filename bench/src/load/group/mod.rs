//! One group whose members are all connected: how long a message takes to the last of them.

mod member;
mod plan;
mod played;
mod result;

pub(crate) use plan::GroupPlan;
pub(crate) use result::GroupResult;
