//! How many sockets are open, those before their hello too.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// Counts sockets. Clones share.
#[derive(Clone, Default)]
pub(crate) struct Sockets {
    open: Arc<AtomicUsize>,
}

/// An open socket; counted until it is dropped.
pub(crate) struct Open(Sockets);

impl Sockets {
    pub(crate) fn open(&self) -> Open {
        self.open.fetch_add(1, Ordering::Relaxed);
        Open(self.clone())
    }

    pub(crate) fn count(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}
