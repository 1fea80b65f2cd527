//! A whole measurement: rounds of floor, subject, subject, floor, closed loops and the knee of each target, then logins, idle
//! connections, groups and all connections cut.
//! What was measured is kept after each round and each of those parts, so that a run goes on where it was cut.

mod build;
mod journal;
mod parts;
mod plan;
mod played;
mod result;
mod road;
mod rounds;
mod spread;
mod targets;

#[cfg(test)]
pub(crate) mod sample;

pub(crate) use parts::{Beside, Workloads};
pub(crate) use plan::{RunPlan, TENTH_PERCENT};
pub(crate) use played::{LoadResult, play};
pub(crate) use result::{FloorTimes, Knee, Round, RunResult};
pub(crate) use road::{ONE_HOP, TWO_HOPS, composed_cpu_us, sum_us};
pub(crate) use spread::{Spread, Spreads};
pub(crate) use targets::measure_all;
