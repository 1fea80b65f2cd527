//! The rules. Commands come from `im.upstream` in batches, are decided by pure functions upon states read in bulk, stored
//! through im-repo's append, and only its answer leaves: an outcome to the sender's gateway, entries to the gateways of
//! those who may see them. Beside that: accounts, sessions and reads, as gRPC.

pub mod app;
mod auth;
pub mod config;
pub mod domain;
pub mod metrics;
mod reads;
mod repo;
mod rpc;
mod upstream;

pub use app::{Logic, LogicParts};
pub use config::LogicOptions;
