//! What is measured: a system that is started here and stopped again, or one that runs.

mod endpoint;
mod infrastructure;
mod process;
mod processes;
mod site;
mod standalone;
mod start;
mod system;
mod topics;

pub(crate) use endpoint::{Endpoint, TargetName};
pub(crate) use infrastructure::{OwnDatabase, infrastructure_processes};
pub(crate) use process::Process;
pub(crate) use site::{Site, gochat};
pub(crate) use start::start;
pub(crate) use system::System;
pub(crate) use topics::Topics;
