//! im-repo on real databases: the same tests on every engine.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod append;
mod cache;
mod cache_loss;
mod cache_port;
mod engines;
mod history;
mod hit_ratio;
mod registrations;
mod upkeep;
