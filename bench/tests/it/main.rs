//! gochat-bench as operators use it: the real binary, on real parts.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod bad_input;
mod bench;
mod floors;
mod load;
mod nemesis;
mod workloads;
