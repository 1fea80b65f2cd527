//! What is measured of a target after its rounds: logins, idle connections, groups, all connections cut at once, and the floors that
//! they are compared with.

mod found;
mod part;
mod plan;
mod sitting;

pub(crate) use found::{Beside, Workloads};
pub(super) use part::Part;
pub(super) use sitting::measure_parts;
