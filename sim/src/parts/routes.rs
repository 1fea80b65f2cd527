//! The session store: im-infra's own in memory, which can be out of reach, and lose everything.

use std::{
    collections::BTreeMap,
    mem,
    sync::{Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use im_infra::{
    ids::UserId,
    session_store::{self, MemorySessionStore, Route, SessionStore, SessionStoreError},
};

/// The store.
#[derive(Default)]
pub(crate) struct Routes {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    store: MemorySessionStore,
    is_down: bool,
    /// How often everything was lost; and how often by the last announcement of each instance.
    losses: u64,
    announced: BTreeMap<String, u64>,
}

impl Routes {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn lose_all(&self) {
        let mut state = self.lock();
        state.losses += 1;
        drop(mem::take(&mut state.store));
    }

    pub(crate) fn set_down(&self, is_down: bool) {
        self.lock().is_down = is_down;
    }

    fn store(&self) -> Result<MemorySessionStore, SessionStoreError> {
        let state = self.lock();
        if state.is_down { Err(SessionStoreError("down".into())) } else { Ok(state.store.clone()) }
    }
}

#[async_trait]
impl SessionStore for Routes {
    async fn put(&self, routes: &[Route]) -> Result<Vec<u64>, SessionStoreError> {
        self.store()?.put(routes).await
    }

    async fn remove(&self, routes: &[Route]) -> Result<(), SessionStoreError> {
        self.store()?.remove(routes).await
    }

    async fn mark_complete(&self, instance: &str) -> Result<(), SessionStoreError> {
        let store = self.store()?;
        {
            let state = self.lock();
            if state.announced.get(instance) != Some(&state.losses) {
                return Err(SessionStoreError("lost since the pass began".into()));
            }
        }
        store.mark_complete(instance).await
    }

    async fn is_complete(&self, instance: &str) -> Result<bool, SessionStoreError> {
        self.store()?.is_complete(instance).await
    }

    async fn announce(&self, instance: &str, slot: u32) -> Result<(), SessionStoreError> {
        let store = self.store()?;
        {
            let mut state = self.lock();
            let losses = state.losses;
            state.announced.insert(instance.to_owned(), losses);
        }
        store.announce(instance, slot).await
    }

    async fn withdraw(&self, instance: &str, slot: u32) -> Result<(), SessionStoreError> {
        self.store()?.withdraw(instance, slot).await
    }

    async fn look_up(&self, users: &[UserId]) -> Result<session_store::Routes, SessionStoreError> {
        self.store()?.look_up(users).await
    }
}
