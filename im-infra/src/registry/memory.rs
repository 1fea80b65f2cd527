//! The registry of a single process.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{Instance, Registration, Registry, RegistryError, ServiceName, Slot, SlotSpace};
use crate::{
    clock::{Clock, SteadyClock},
    ids::LeaseDeadline,
};

/// Knows the services of this process. Clones share.
#[derive(Clone, Default)]
pub struct MemoryRegistry {
    clock: Clock,
    shared: Arc<Mutex<Shared>>,
}

#[derive(Default)]
struct Shared {
    instances: HashMap<ServiceName, watch::Sender<Vec<Instance>>>,
    slots: HashMap<SlotSpace, BTreeSet<u32>>,
    /// The first time that the next holder of a slot may be told.
    floors: HashMap<(SlotSpace, u32), i64>,
}

impl MemoryRegistry {
    /// With another wall clock than the system's.
    pub fn new(clock: Clock) -> Self {
        Self { clock, shared: Arc::default() }
    }

    fn with<R>(&self, act: impl FnOnce(&mut Shared) -> R) -> R {
        act(&mut self.shared.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[async_trait]
impl Registry for MemoryRegistry {
    async fn announce(&self, instance: Instance) -> Result<Registration, RegistryError> {
        let (service, id) = (instance.service, instance.instance.clone());
        self.with(|shared| shared.instances.entry(service).or_default().send_modify(|list| list.push(instance)));
        let registry = self.clone();
        let end = OnDrop(Some(move || {
            registry.with(|shared| {
                shared
                    .instances
                    .entry(service)
                    .or_default()
                    .send_modify(|list| list.retain(|other| other.instance != id));
            });
        }));
        Ok(Registration { _held: Box::new(end) })
    }

    fn watch(&self, service: ServiceName) -> watch::Receiver<Vec<Instance>> {
        self.with(|shared| shared.instances.entry(service).or_default().subscribe())
    }

    async fn lease_slot(&self, space: SlotSpace, count: u32) -> Result<Slot, RegistryError> {
        let free = self.with(|shared| {
            let taken = shared.slots.entry(space).or_default();
            let free = (0..count).find(|number| !taken.contains(number))?;
            taken.insert(free);
            Some((free, shared.floors.get(&(space, free)).copied().unwrap_or(i64::MIN)))
        });
        let (number, floor_ms) = free.ok_or(RegistryError::NoFreeSlot(count))?;
        let clock = Arc::new(SteadyClock::not_before(self.clock.clone(), floor_ms));
        let (registry, told) = (self.clone(), clock.clone());
        let (holder, held) = watch::channel(true);
        let end = OnDrop(Some(move || {
            holder.send_replace(false);
            registry.with(|shared| {
                shared.floors.insert((space, number), told.now_ms() + 1);
                shared.slots.entry(space).or_default().remove(&number);
            });
        }));
        let (deadline, lost) = (LeaseDeadline::forever(), CancellationToken::new());
        Ok(Slot { number, deadline, clock, held, lost, _end: Arc::new(end) })
    }
}

struct OnDrop<F: FnOnce()>(Option<F>);

impl<F: FnOnce()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        if let Some(act) = self.0.take() {
            act();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_slot_is_held_by_one_at_a_time() {
        let registry = MemoryRegistry::default();
        let first = registry.lease_slot(SlotSpace::Gateway, 2).await.unwrap();
        let second = registry.lease_slot(SlotSpace::Gateway, 2).await.unwrap();
        assert_ne!(first.number, second.number);
        assert!(matches!(registry.lease_slot(SlotSpace::Gateway, 2).await, Err(RegistryError::NoFreeSlot(2))));
        drop(first);
        assert!(registry.lease_slot(SlotSpace::Gateway, 2).await.is_ok());
    }
}
