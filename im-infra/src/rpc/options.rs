//! What can be configured of calls.

use serde::{Deserialize, Serialize};

use crate::config::Secret;

/// Calls between services.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RpcOptions {
    /// How long a call may take unless its caller has less time left.
    pub deadline_ms: u64,
    /// Shared by all services: signs the tokens by which they know each other. At least 32 bytes.
    pub secret: Secret,
}
