//! The only owner of SQL: the log of every conversation, members, cursors, users, sessions and dead letters, behind gRPC.
//!
//! The road of an append: [`rpc`] takes the call, [`store`] locks the conversations and reads what is known of the
//! commands, [`domain`] plans what to write, [`store`] writes and commits.

pub mod app;
pub mod config;
pub mod domain;
mod error;
pub mod metrics;
pub mod migration;
pub mod rpc;
pub mod store;

pub use app::Repo;
pub use config::RepoOptions;
