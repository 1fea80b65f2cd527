//! Figures of a run: ratios of rounds that compare, absolute values of rounds that were quiet.

mod figures;
mod ratios;
mod row;
mod targets;
mod told;
mod workloads;

pub(super) use row::{Row, Verdict};
pub(super) use targets::{first_targets, hot_road_targets, worth};
pub(super) use told::{ALL_CPU, closed, cpu, floors, knee, loaded, paced, single, tenth};
