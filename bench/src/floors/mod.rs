//! Floors: what the parts alone can do on this machine, with the same bytes, settings and pace as the whole. Each operation
//! is timed from its own start, one after the other: the subject is charged for its queues, a floor has none.

mod call;
mod echo;
mod floor;
mod insert;
mod kafka;
mod log;
mod plan;
mod timed;

pub(crate) use floor::{Floor, floors_of, measure_floor};
pub(crate) use plan::FloorPlan;
