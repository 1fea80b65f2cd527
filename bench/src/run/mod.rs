//! A whole measurement of a target: rounds of floor, subject, subject, floor; then idle connections.

mod plan;
mod played;
mod result;
mod rounds;

pub(crate) use plan::RunPlan;
pub(crate) use played::{LoadResult, play};
pub(crate) use result::{FloorTimes, Round, RunResult};
pub(crate) use rounds::measure;
