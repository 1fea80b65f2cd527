//! Which part of a run counts.

use std::time::{Duration, Instant};

use clap::{Args, value_parser};
use serde::{Deserialize, Serialize};
use tokio::time::sleep_until;
use tokio_util::sync::CancellationToken;

/// How long something is measured.
#[derive(Args, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Length {
    /// Seconds that count.
    #[arg(long, default_value_t = 10, value_parser = value_parser!(u64).range(1..=600))]
    pub(crate) seconds: u64,
    /// Seconds before those, of the same load, that are cut off.
    #[arg(long, default_value_t = 2, value_parser = value_parser!(u64).range(0..=120))]
    pub(crate) warm_up_seconds: u64,
}

impl Length {
    /// With those that are cut off.
    pub(crate) const fn whole_seconds(self) -> u64 {
        self.seconds + self.warm_up_seconds
    }
}

/// The part of a run that counts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    pub(crate) started: Instant,
    pub(crate) from: Instant,
    pub(crate) to: Instant,
}

impl Window {
    /// A run that starts now.
    pub(crate) fn starting_now(length: Length) -> Self {
        Self::starting_at(Instant::now(), length)
    }

    /// A run that starts then.
    pub(crate) fn starting_at(started: Instant, length: Length) -> Self {
        let from = started + Duration::from_secs(length.warm_up_seconds);
        Self { started, from, to: from + Duration::from_secs(length.seconds) }
    }

    /// Whether what happened then counts.
    pub(crate) fn holds(&self, at: Instant) -> bool {
        self.from <= at && at < self.to
    }

    /// From the start to the end, the warm-up with them.
    pub(crate) fn whole_seconds(&self) -> u64 {
        self.to.duration_since(self.started).as_secs()
    }

    /// Microseconds from the start, the ledger's zero; 0 for what lies before it.
    pub(crate) fn at_us(&self, at: Instant) -> u64 {
        micros(at.saturating_duration_since(self.started))
    }

    /// The same seconds, less those after an end that came sooner.
    pub(crate) fn seconds_until(&self, ended: Instant) -> f64 {
        ended.clamp(self.from, self.to).duration_since(self.from).as_secs_f64()
    }
}

/// Whole microseconds.
pub(crate) fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// Until then, or until the stop.
pub(crate) async fn wait_until(at: Instant, stop: &CancellationToken) {
    tokio::select! {
        () = sleep_until(at.into()) => {}
        () = stop.cancelled() => {}
    }
}
