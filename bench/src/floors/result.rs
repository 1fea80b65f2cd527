//! What a floor takes.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::measure::Summary;

/// What an operation of a floor takes. What it does not have is not written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct FloorResult {
    /// How long: of each operation; of a write loop, each time through all sockets until the last one has read.
    #[serde(flatten)]
    pub(crate) times: Summary,
    /// Microseconds of CPU: for each operation, of all processes that take part; of a write loop for each recipient, and of a
    /// handshake, of the server alone. None where nothing was done, or where a server's process is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) cpu_us: Option<f64>,
    /// Private dirty bytes of the server for each idle connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) connection_bytes: Option<f64>,
    /// Milliseconds until all handshakes were done, if nothing was lost meanwhile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) all_ms: Option<f64>,
}

/// Microseconds for each of so many; none of nothing.
pub(super) fn us_for_each(used: Option<Duration>, count: u64) -> Option<f64> {
    used.filter(|_| count > 0).map(|used| used.as_secs_f64() * 1e6 / count as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_of_before_and_of_now_are_read() {
        let before = r#"{"count":9,"p50_us":100,"p90_us":110,"p99_us":120,"p999_us":130,"max_us":140}"#;
        let read: FloorResult = serde_json::from_str(before).unwrap();
        assert_eq!((read.times.count, read.times.p50_us, read.cpu_us), (9, 100, None));
        assert_eq!(serde_json::to_string(&read).unwrap(), before);
        let now = FloorResult { cpu_us: Some(41.5), ..read };
        assert_eq!(serde_json::from_str::<FloorResult>(&serde_json::to_string(&now).unwrap()).unwrap(), now);
    }

    #[test]
    fn nothing_takes_no_time() {
        assert_eq!(us_for_each(Some(Duration::from_millis(3)), 100), Some(30.0));
        assert_eq!(us_for_each(Some(Duration::from_millis(3)), 0), None);
        assert_eq!(us_for_each(None, 100), None);
    }
}
