//! The wall clock: the only place that reads the system's.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use super::shift;

/// Tells the time in Unix milliseconds.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    /// A manual clock's time; none: the system's.
    manual: Option<Arc<AtomicI64>>,
}

impl Clock {
    /// The system's clock.
    pub const fn system() -> Self {
        Self { manual: None }
    }

    /// A clock that moves only when told to.
    pub fn manual(now_ms: i64) -> Self {
        Self { manual: Some(Arc::new(AtomicI64::new(now_ms))) }
    }

    /// Unix milliseconds.
    pub fn now_ms(&self) -> i64 {
        match &self.manual {
            Some(now_ms) => now_ms.load(Ordering::Relaxed),
            None => system_ms().saturating_add(shift::shift_ms()),
        }
    }

    /// Moves a manual clock; the system's clock does not listen.
    pub fn advance_ms(&self, by_ms: i64) {
        if let Some(now_ms) = &self.manual {
            now_ms.fetch_add(by_ms, Ordering::Relaxed);
        }
    }

    /// Whether it moves only when told to.
    pub(super) const fn is_manual(&self) -> bool {
        self.manual.is_some()
    }
}

// The one permitted reader: everything else takes a `Clock`.
#[allow(clippy::disallowed_methods)]
fn system_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| i64::try_from(d.as_millis()).unwrap_or(i64::MAX))
}
