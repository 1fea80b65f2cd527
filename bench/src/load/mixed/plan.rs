//! What is asked for.

use serde::Serialize;

use crate::{error::usage, load::limits::Connections, measure::Length};

/// Users of a group; an even number, so that each has somebody to write to alone.
pub(super) const GROUP: u32 = 50;
/// Deliveries of a deed on average: two of a direct message, fifty of one to the group.
const DELIVERIES_EACH: f64 = 0.8 * 2.0 + 0.15 * 50.0;
/// Deliveries of one run: the ledger keeps all of them in memory.
const DELIVERIES_MAX: f64 = 1_000_000.0;

/// A load of everything.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct MixedPlan {
    /// Groups of fifty; every user is in one.
    pub(crate) groups: u32,
    /// Deeds a second over all users.
    pub(crate) rate: f64,
    pub(crate) length: Length,
    pub(crate) payload_bytes: u32,
    pub(crate) seed: u64,
}

impl MixedPlan {
    pub(super) const fn users(&self) -> u32 {
        self.groups * GROUP
    }

    /// Whether the ledger has room for it.
    pub(super) fn fits(&self) -> anyhow::Result<()> {
        let seconds = self.length.whole_seconds();
        let deliveries = self.rate * seconds as f64 * DELIVERIES_EACH;
        if deliveries <= DELIVERIES_MAX {
            return Ok(());
        }
        Err(usage(format!(
            "{} a second for {seconds} s make about {deliveries:.0} deliveries, more than the {DELIVERIES_MAX} that the ledger keeps: take fewer --seconds or a lower --rate",
            self.rate
        )))
    }

    pub(super) const fn sockets(&self) -> Connections {
        Connections { flag: "--groups", asked: self.groups, each: GROUP, beside: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_load_that_does_not_fit_into_memory_is_refused() {
        let length = Length { seconds: 98, warm_up_seconds: 2 };
        let plan = |rate| MixedPlan { groups: 1, rate, length, payload_bytes: 1, seed: 1 };
        assert!(plan(1_000.0).fits().is_ok());
        assert!(plan(2_000.0).fits().unwrap_err().to_string().contains("--seconds"));
    }
}
