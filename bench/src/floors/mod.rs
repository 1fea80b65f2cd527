//! Floors: what the parts alone can do on this machine, with the same bytes, settings and pace as the whole. Each operation
//! is timed from its own start: the subject is charged for its queues, a floor has none. Its CPU is that of all processes that
//! take part, without the load's.

mod call;
mod echo;
mod floor;
mod insert;
mod kafka;
mod log;
mod parties;
mod plan;
mod result;
mod sockets;
mod timed;

pub(crate) use floor::{BATCH_ROWS, BURST_FRAMES, Floor, floors_of, measure_floor};
pub(crate) use plan::{FloorPlan, Pace, SOCKETS};
pub(crate) use result::FloorResult;
pub(crate) use sockets::{Role, serve};
