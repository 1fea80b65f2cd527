//! The load: who writes to whom, when, and what the clients see of it.

mod account;
mod client;
mod direct;
mod idle;
mod limits;
mod pace;
mod pair;
mod verdict;

pub(crate) use client::connect;
pub(crate) use direct::{Direct, DirectPlan, DirectResult, Drive, Played};
pub(crate) use idle::{IdlePlan, IdleResult, measure_idle};
pub(crate) use limits::{check_descriptors, check_descriptors_of};
pub(crate) use pace::{Pacer, Schedule};
