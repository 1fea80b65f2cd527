//! im-repo on real databases: the same tests on every engine.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod append;
mod engines;
mod history;
