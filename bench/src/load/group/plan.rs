//! What is asked for.

use serde::{Deserialize, Serialize};

use crate::{error::usage, load::limits::Connections, measure::Length};

/// Deliveries of one run: the ledger keeps all of them in memory.
const DELIVERIES_MAX: f64 = 1_000_000.0;

/// A load of one group.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct GroupPlan {
    pub(crate) members: u32,
    /// Times a second at which something is written.
    pub(crate) rate: f64,
    /// Messages that are written at each of them.
    pub(crate) burst: u32,
    pub(crate) length: Length,
    /// Seconds before that in which nobody writes: what servers use anyway.
    #[serde(default)]
    pub(crate) silent_seconds: u64,
    pub(crate) payload_bytes: u32,
    pub(crate) seed: u64,
}

impl GroupPlan {
    fn messages(&self) -> f64 {
        (self.rate * self.length.whole_seconds() as f64).ceil() * f64::from(self.burst)
    }

    /// To all members together.
    pub(crate) fn deliveries(&self) -> f64 {
        self.messages() * f64::from(self.members)
    }

    /// Whether the ledger has room for it.
    pub(super) fn fits(&self) -> anyhow::Result<()> {
        let (messages, deliveries) = (self.messages(), self.deliveries());
        if deliveries <= DELIVERIES_MAX {
            return Ok(());
        }
        Err(usage(format!(
            "{messages} messages to {} members are {deliveries} deliveries, more than the {DELIVERIES_MAX} that the ledger keeps: take fewer --members, --seconds or a lower --rate",
            self.members
        )))
    }

    pub(super) const fn sockets(&self) -> Connections {
        Connections { flag: "--members", asked: self.members, each: 1, beside: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_load_that_does_not_fit_into_memory_is_refused() {
        let length = Length { seconds: 18, warm_up_seconds: 2 };
        let plan = |members, burst| GroupPlan {
            members,
            rate: 2.0,
            burst,
            length,
            silent_seconds: 0,
            payload_bytes: 1,
            seed: 1,
        };
        assert!(plan(5_000, 1).fits().is_ok());
        assert!(plan(5_000, 5).fits().is_ok());
        let error = plan(5_000, 16).fits().unwrap_err().to_string();
        assert!(error.contains("640 messages") && error.contains("--members"), "{error}");
    }
}
