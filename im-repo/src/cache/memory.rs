//! The cache of one process, bounded in bytes: what is used rarely goes first.

use std::{
    future,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use moka::{Entry, Expiry, ops::compute::Op};

use super::{Cache, CacheError, CacheOptions, Change, Fill, Found, Kept, To, Token};

/// Bytes that a name costs beside its text and value: moka's nodes, counters and timer, and the allocator's rounding. Measured as
/// growth of the process, with names and values of cursors.
const OVERHEAD_BYTES: usize = 448;

/// Keeps values in this process. Only for a database that no other process writes to.
pub struct MemoryCache {
    slots: moka::future::Cache<String, Slot>,
    lease_ttl: Duration,
}

/// What is under a name. Every change of a slot goes through moka's `and_compute_with`, which lets one at a time in per name.
#[derive(Clone)]
enum Slot {
    Lease { token: Token, ttl: Duration },
    Kept(Kept),
}

impl Slot {
    const fn ttl(&self) -> Duration {
        match self {
            Self::Lease { ttl, .. } => *ttl,
            Self::Kept(kept) => kept.ttl,
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Lease { .. } => 0,
            Self::Kept(kept) => kept.bytes.as_ref().map_or(0, bytes::Bytes::len),
        }
    }
}

impl From<Slot> for Found {
    fn from(slot: Slot) -> Self {
        match slot {
            Slot::Lease { token, .. } => Self::Missing(token),
            Slot::Kept(Kept { bytes: Some(bytes), .. }) => Self::Value(bytes),
            Slot::Kept(Kept { bytes: None, .. }) => Self::Nothing,
        }
    }
}

/// Each slot says itself how long it counts.
struct BySlot;

impl Expiry<String, Slot> for BySlot {
    fn expire_after_create(&self, _: &String, slot: &Slot, _: Instant) -> Option<Duration> {
        Some(slot.ttl())
    }

    fn expire_after_update(&self, _: &String, slot: &Slot, _: Instant, _: Option<Duration>) -> Option<Duration> {
        Some(slot.ttl())
    }
}

impl MemoryCache {
    /// An empty one.
    pub fn new(options: &CacheOptions) -> Self {
        let weigh =
            |name: &String, slot: &Slot| u32::try_from(name.len() + slot.bytes() + OVERHEAD_BYTES).unwrap_or(u32::MAX);
        let slots = moka::future::Cache::builder()
            .max_capacity(options.memory_bytes_max)
            .weigher(weigh)
            .expire_after(BySlot)
            .build();
        Self { slots, lease_ttl: Duration::from_millis(options.lease_ttl_ms) }
    }

    /// What is there by now, or a fresh lease.
    async fn lease(&self, name: &str) -> Slot {
        let lease = Slot::Lease { token: Token::mint(), ttl: self.lease_ttl };
        let put = lease.clone();
        let compute =
            |held: Option<Entry<String, Slot>>| future::ready(if held.is_some() { Op::Nop } else { Op::Put(put) });
        let done = self.slots.entry_by_ref(name).and_compute_with(compute).await;
        done.into_entry().map_or(lease, Entry::into_value)
    }
}

#[async_trait]
impl Cache for MemoryCache {
    async fn get(&self, names: &[String]) -> Result<Vec<Found>, CacheError> {
        let mut found = Vec::with_capacity(names.len());
        for name in names {
            let slot = match self.slots.get(name.as_str()).await {
                Some(slot) => slot,
                None => self.lease(name).await,
            };
            found.push(slot.into());
        }
        Ok(found)
    }

    async fn fill(&self, fills: &[Fill]) -> Result<Vec<bool>, CacheError> {
        let mut filled = Vec::with_capacity(fills.len());
        for Fill { name, token, kept } in fills {
            let compute = |held: Option<Entry<String, Slot>>| {
                future::ready(match held.map(Entry::into_value) {
                    Some(Slot::Lease { token: held, .. }) if held == *token => Op::Put(Slot::Kept(kept.clone())),
                    _ => Op::Nop,
                })
            };
            let done = self.slots.entry_by_ref(name.as_str()).and_compute_with(compute).await;
            filled.push(done.into_entry().is_some_and(|entry| matches!(entry.into_value(), Slot::Kept(_))));
        }
        Ok(filled)
    }

    async fn change(&self, changes: &[Change]) -> Result<(), CacheError> {
        for Change { name, to } in changes {
            let compute = |held: Option<Entry<String, Slot>>| future::ready(change(held.map(Entry::into_value), to));
            self.slots.entry_by_ref(name.as_str()).and_compute_with(compute).await;
        }
        Ok(())
    }

    fn doubt(&self) {
        self.slots.invalidate_all();
    }
}

fn change(held: Option<Slot>, to: &To) -> Op<Slot> {
    match (held, to) {
        (_, To::Always(kept)) => Op::Put(Slot::Kept(kept.clone())),
        (None, _) => Op::Nop,
        (Some(Slot::Kept(held)), To::Newer(kept)) if held.version < kept.version => Op::Put(Slot::Kept(kept.clone())),
        (Some(Slot::Kept(_)), To::Newer(_)) => Op::Nop,
        (Some(_), To::Unknown | To::Newer(_)) => Op::Remove,
    }
}
