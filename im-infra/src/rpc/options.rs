//! What can be configured of calls.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::config::Secret;

/// Calls between services.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RpcOptions {
    /// Where a service that is its own process listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The address others reach it at; empty: the one it listens at.
    pub advertise: String,
    /// How long a call may take unless its caller has less time left.
    pub deadline_ms: u64,
    /// Shared by all services: signs the tokens by which they know each other. At least 32 bytes.
    pub secret: Secret,
}
