//! What is asked for.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{error::usage, load::limits::Connections, measure::Length};

/// How long coming back may take; the others talk no longer than that.
pub(super) const RESUME_MAX: Duration = Duration::from_secs(120);
/// Messages of one run: the ledger keeps all of them in memory.
const MESSAGES_MAX: f64 = 1_000_000.0;

/// Connections that are cut.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct ReconnectPlan {
    pub(crate) connections: u32,
    /// Handshakes at the same time.
    pub(crate) in_flight: u32,
    /// Pairs of others who keep talking.
    pub(crate) pairs: u32,
    /// Messages a second over all of them.
    pub(crate) rate: f64,
    /// How long they talk before the cut.
    pub(crate) length: Length,
    pub(crate) payload_bytes: u32,
    pub(crate) seed: u64,
}

impl ReconnectPlan {
    /// Whether it makes sense, and the ledger has room for it.
    pub(super) fn fits(&self) -> anyhow::Result<()> {
        if self.in_flight > self.connections {
            return Err(usage(format!(
                "--in-flight {} is more than there are --connections, {}",
                self.in_flight, self.connections
            )));
        }
        let seconds = self.length.whole_seconds() + RESUME_MAX.as_secs();
        if self.rate * seconds as f64 > MESSAGES_MAX {
            return Err(usage(format!(
                "{} messages a second for up to {seconds} s are more than the {MESSAGES_MAX} that the ledger keeps: take a lower --rate",
                self.rate
            )));
        }
        Ok(())
    }

    pub(super) const fn sockets(&self) -> Connections {
        Connections { flag: "--connections", asked: self.connections, each: 1, beside: self.pairs * 2 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_handshakes_at_once_than_there_are_connections_are_refused() {
        let length = Length { seconds: 10, warm_up_seconds: 2 };
        let (pairs, payload_bytes, seed) = (1, 1, 1);
        let plan =
            |in_flight, rate| ReconnectPlan { connections: 100, in_flight, pairs, rate, length, payload_bytes, seed };
        assert!(plan(100, 100.0).fits().is_ok());
        assert!(plan(101, 100.0).fits().unwrap_err().to_string().contains("--in-flight 101"));
        assert!(plan(100, 50_000.0).fits().unwrap_err().to_string().contains("--rate"));
    }
}
