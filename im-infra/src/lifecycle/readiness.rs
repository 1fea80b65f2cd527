//! Whether a process should get work, as a set of named checks.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, Ordering},
};

/// One reason for readiness, owned by the part it speaks of. Not ready until it says so.
#[derive(Clone, Debug)]
pub struct Check {
    ready: Arc<AtomicBool>,
}

impl Check {
    /// The part can do its work, or cannot.
    pub fn set(&self, ready: bool) {
        self.ready.store(ready, Ordering::Release);
    }
}

/// All checks of a process. Clones share.
#[derive(Clone, Debug, Default)]
pub struct Readiness {
    checks: Arc<Mutex<Vec<Named>>>,
}

type Named = (&'static str, Arc<AtomicBool>);

impl Readiness {
    /// Adds a part that must be ready.
    pub fn check(&self, name: &'static str) -> Check {
        let ready = Arc::new(AtomicBool::new(false));
        self.checks.lock().unwrap_or_else(PoisonError::into_inner).push((name, ready.clone()));
        Check { ready }
    }

    /// The parts that are not ready.
    pub fn missing(&self) -> Vec<&'static str> {
        let checks = self.checks.lock().unwrap_or_else(PoisonError::into_inner);
        checks.iter().filter(|(_, ready)| !ready.load(Ordering::Acquire)).map(|(name, _)| *name).collect()
    }
}
