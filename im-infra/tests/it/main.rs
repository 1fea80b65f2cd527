//! The ports of im-infra on both their sides, and what stands above them.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod consume;
mod documents;
mod embedded_log;
mod mq_conformance;
mod queues;
mod registry_conformance;
mod rpc_tls;
mod session_store_conformance;
mod tls;
mod wire;
