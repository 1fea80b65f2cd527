//! The session store of a single process: it lives and dies with the gateway, so nothing in it can be stale.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use async_trait::async_trait;

use super::{Route, Routes, SessionStore, SessionStoreError};
use crate::ids::UserId;

/// Room for so many is always kept.
const ROUTES_MIN: usize = 1_024;

/// Remembers the connections of this process. Clones share.
#[derive(Clone, Default)]
pub struct MemorySessionStore {
    shared: Arc<RwLock<Shared>>,
}

#[derive(Default)]
struct Shared {
    by_user: HashMap<UserId, Vec<Route>>,
    complete: BTreeSet<String>,
    gateways: BTreeSet<(String, u32)>,
}

impl MemorySessionStore {
    fn read(&self) -> RwLockReadGuard<'_, Shared> {
        self.shared.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Shared> {
        self.shared.write().unwrap_or_else(PoisonError::into_inner)
    }
}

fn same(a: &Route, b: &Route) -> bool {
    a.connection_id == b.connection_id && a.instance == b.instance
}

#[async_trait]
impl SessionStore for MemorySessionStore {
    async fn put(&self, routes: &[Route]) -> Result<Vec<u64>, SessionStoreError> {
        let mut shared = self.write();
        let mut new = Vec::new();
        for route in routes {
            // Most users have one.
            let held = shared.by_user.entry(route.user_id).or_insert_with(|| Vec::with_capacity(1));
            if !held.iter().any(|other| same(other, route)) {
                held.push(route.clone());
                new.push(route.connection_id);
            }
        }
        Ok(new)
    }

    async fn remove(&self, routes: &[Route]) -> Result<(), SessionStoreError> {
        let mut shared = self.write();
        for route in routes {
            if let Some(held) = shared.by_user.get_mut(&route.user_id) {
                held.retain(|other| !same(other, route));
                if held.is_empty() {
                    shared.by_user.remove(&route.user_id);
                }
            }
        }
        // What was needed when there were many more is given back, each time when three quarters of them have gone.
        if shared.by_user.capacity() > shared.by_user.len() * 4 + ROUTES_MIN {
            shared.by_user.shrink_to_fit();
        }
        Ok(())
    }

    async fn mark_complete(&self, instance: &str) -> Result<(), SessionStoreError> {
        self.write().complete.insert(instance.to_owned());
        Ok(())
    }

    async fn is_complete(&self, instance: &str) -> Result<bool, SessionStoreError> {
        Ok(self.read().complete.contains(instance))
    }

    async fn announce(&self, instance: &str, slot: u32) -> Result<(), SessionStoreError> {
        self.write().gateways.insert((instance.to_owned(), slot));
        Ok(())
    }

    async fn withdraw(&self, instance: &str, slot: u32) -> Result<(), SessionStoreError> {
        let mut shared = self.write();
        shared.gateways.remove(&(instance.to_owned(), slot));
        shared.complete.remove(instance);
        Ok(())
    }

    async fn look_up(&self, users: &[UserId]) -> Result<Routes, SessionStoreError> {
        let shared = self.read();
        let routes = users.iter().filter_map(|user| shared.by_user.get(user)).flatten().cloned().collect();
        let (complete, gateways) = (shared.complete.iter().cloned(), shared.gateways.iter().cloned());
        Ok(Routes { routes, complete: complete.collect(), gateways: gateways.collect() })
    }
}
