//! The load: who writes to whom, when, and what the clients see of it.

mod account;
mod client;
mod conversation;
mod device;
mod direct;
mod idle;
mod limits;
mod pace;
mod pair;
mod seat;
mod verdict;
mod workload;

pub(crate) use client::connect;
pub(crate) use direct::{Direct, DirectPlan, DirectResult, Drive, Played};
pub(crate) use idle::{IdlePlan, IdleResult, measure_idle};
pub(crate) use limits::{Connections, check_descriptors};
pub(crate) use pace::{Pacer, Schedule};
