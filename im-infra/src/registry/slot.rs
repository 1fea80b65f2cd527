//! What the holder of a slot knows of it.

use std::{future::Future, sync::Arc};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{clock::SteadyClock, ids::LeaseDeadline};

/// A space of numbers of which each is held by one process at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SlotSpace {
    /// Partitions of `im.downstream`.
    Gateway,
    /// The node part of ids.
    Node,
}

/// A number that is ours as long as the deadline holds; given back when dropped.
pub struct Slot {
    /// The number.
    pub number: u32,
    /// Until when it certainly is ours.
    pub deadline: LeaseDeadline,
    /// Tells the time for ids: later than it told any holder before while their deadlines held, however wrong the wall clocks
    /// are.
    pub clock: Arc<SteadyClock>,
    /// Whether the deadline holds, for those who wait for that to change: it passes while the registry is away, and holds
    /// again once the lease was renewed. What must not happen past the deadline asks the deadline itself.
    pub held: watch::Receiver<bool>,
    /// Cancelled when another process has it: this one must stop using it at once, and lease again.
    pub lost: CancellationToken,
    /// Gives it back.
    pub(crate) _end: Arc<dyn Send + Sync>,
}

/// Another process has the slot: its lease ran out, and its time of rest, before it could be renewed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("another process has this one's slot")]
pub struct SlotLost;

impl Slot {
    /// Tells at every change whether the lease is held, until `stopping` or until the slot is given back.
    ///
    /// # Errors
    /// [`SlotLost`] once another process has it.
    pub fn follow<T: FnMut(bool) + Send + 'static>(
        &self,
        stopping: CancellationToken,
        mut tell: T,
    ) -> impl Future<Output = Result<(), SlotLost>> + Send + 'static + use<T> {
        let (mut held, lost) = (self.held.clone(), self.lost.clone());
        async move {
            loop {
                let changed = tokio::select! {
                    biased;
                    () = stopping.cancelled() => return Ok(()),
                    () = lost.cancelled() => return Err(SlotLost),
                    changed = held.changed() => changed,
                };
                if changed.is_err() {
                    return if lost.is_cancelled() { Err(SlotLost) } else { Ok(()) };
                }
                let holds = *held.borrow_and_update();
                tell(holds);
            }
        }
    }
}
