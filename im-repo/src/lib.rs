//! The only owner of SQL and of cached data: the log of every conversation, members, cursors, users, sessions and dead letters,
//! behind gRPC.
//!
//! The road of an append: [`rpc`] takes the call, [`store`] locks the conversations and reads what is known of the
//! commands, [`domain`] plans what to write, [`store`] writes, commits and tells the [`cache`]. Reads that decide nothing go
//! through the cache.

pub mod app;
pub mod cache;
pub mod config;
pub mod domain;
mod error;
pub mod metrics;
pub mod migration;
pub mod rpc;
pub mod store;
mod upkeep;

pub use app::Repo;
pub use config::RepoOptions;
