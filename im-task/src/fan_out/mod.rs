//! Fan-out of large conversations: every entry, in seq order, as one record per live gateway that is addressed to the
//! conversation; who is in it, each gateway knows of its own users. What it costs does not depend on the number of members.

mod flip;
mod job;
mod pack;

pub(crate) use job::FanOut;
pub use job::becomes_large;
pub use pack::{broadcast, index, missed};
