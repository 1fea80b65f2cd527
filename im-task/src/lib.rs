//! Background work, off the road between sender and store: entries of large conversations are fanned out to the gateways, dead
//! letters are archived from `im.dead` in the database, and those that an operator wants replayed go back to where they came
//! from.

pub mod app;
pub mod config;
mod dead_letter;
mod fan_out;
mod job;
mod metrics;
mod repo;

pub use app::{Task, TaskParts};
pub use config::TaskOptions;

/// What fans entries out, without I/O: what the simulation runs. No API of this crate.
#[doc(hidden)]
pub mod machines {
    pub use crate::fan_out::{becomes_large, broadcast, index, missed};
}
