//! What is asked for.

use serde::Serialize;

use crate::{error::usage, load::limits::Connections};

/// Entries of one run: the ledger keeps all of them in memory.
const ENTRIES_MAX: u64 = 300_000;
/// Of the devices, this part comes back first and does not count.
const WARM_UP: f64 = 0.1;

/// Devices that were away.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct SyncPlan {
    pub(crate) devices: u32,
    /// Of each.
    pub(crate) conversations: u32,
    /// That came into each of them meanwhile.
    pub(crate) messages: u32,
    /// Devices a second that come back.
    pub(crate) rate: f64,
    pub(crate) payload_bytes: u32,
    pub(crate) seed: u64,
}

impl SyncPlan {
    /// Entries of all conversations: one that the devices have, and those that they miss.
    fn entries(&self) -> u64 {
        u64::from(self.devices) * u64::from(self.conversations) * (u64::from(self.messages) + 1)
    }

    /// Whether the ledger has room for it.
    pub(super) fn fits(&self) -> anyhow::Result<()> {
        if self.entries() <= ENTRIES_MAX {
            return Ok(());
        }
        Err(usage(format!(
            "{} devices with {} conversations of {} messages are {} entries, more than the {ENTRIES_MAX} that the ledger keeps: take fewer --devices, --conversations or --messages",
            self.devices,
            self.conversations,
            self.messages,
            self.entries()
        )))
    }

    /// Seconds until all are back, and of those how many do not count.
    pub(super) fn seconds(&self) -> (f64, f64) {
        let seconds = f64::from(self.devices) / self.rate;
        (seconds, seconds * WARM_UP)
    }

    pub(super) const fn sockets(&self) -> Connections {
        Connections { flag: "--devices", asked: self.devices, each: 1, beside: self.conversations }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_load_that_does_not_fit_into_memory_is_refused() {
        let plan =
            |messages| SyncPlan { devices: 1_000, conversations: 10, messages, rate: 100.0, payload_bytes: 1, seed: 1 };
        assert!(plan(29).fits().is_ok());
        let error = plan(30).fits().unwrap_err().to_string();
        assert!(error.contains("310000") && error.contains("--messages"), "{error}");
        assert_eq!(plan(29).seconds(), (10.0, 1.0));
    }
}
