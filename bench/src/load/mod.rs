//! The load: who writes to whom, when, and what the clients see of it.

mod account;
mod client;
mod conversation;
mod device;
mod direct;
mod group;
mod idle;
mod limits;
mod login;
mod mixed;
mod pace;
mod pair;
mod reconnect;
mod seat;
mod sync;
mod verdict;
mod workload;

pub(crate) use client::connect;
pub(crate) use direct::{Direct, DirectPlan, DirectResult, Drive, Played};
pub(crate) use group::{GroupPlan, GroupResult};
pub(crate) use idle::{CONVERSATIONS, IdlePlan, IdleResult, measure_idle};
pub(crate) use limits::{Connections, check_descriptors, check_limits};
pub(crate) use login::{LoginResult, measure_logins};
pub(crate) use mixed::{MixedPlan, MixedResult};
pub(crate) use pace::{Pacer, Schedule};
pub(crate) use reconnect::{ReconnectPlan, ReconnectResult};
pub(crate) use sync::{SyncPlan, SyncResult};
pub(crate) use verdict::Verdict;
pub(crate) use workload::{Sum, Workload};
