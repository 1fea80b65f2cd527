//! A whole measurement: rounds of floor, subject, subject, floor, a closed loop and the knee of each target, then idle
//! connections. What was measured is kept after each round, so that a run goes on where it was cut.

mod build;
mod journal;
mod plan;
mod played;
mod progress;
mod result;
mod road;
mod rounds;
mod spread;
mod targets;

#[cfg(test)]
pub(crate) mod sample;

pub(crate) use plan::{RunPlan, TENTH_PERCENT};
pub(crate) use played::{LoadResult, play};
pub(crate) use progress::Progress;
pub(crate) use result::{FloorTimes, Knee, Round, RunResult};
pub(crate) use road::{ONE_HOP, TWO_HOPS, sum_us};
pub(crate) use spread::{Spread, Spreads};
pub(crate) use targets::measure_all;
