//! A bit of everything, as users do it: messages to one and to fifty, read cursors, history.

mod deed;
mod plan;
mod played;
mod player;
mod result;

pub(crate) use plan::MixedPlan;
pub(crate) use result::MixedResult;
