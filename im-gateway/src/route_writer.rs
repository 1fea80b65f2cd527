//! Routes of connections that come and go: those that wait are written together, each behind what was written of it before.

use std::sync::Arc;

use im_infra::{
    gather::{Bounds, Gather},
    lifecycle::Lifecycle,
    session_store::{Route, SessionStore, SessionStoreError},
};

/// Writes of one round trip or two.
const AT_ONCE: usize = 256;

/// Writes to the session store.
pub(crate) struct RouteWriter {
    store: Arc<dyn SessionStore>,
    gather: Gather<Write, Result<(), SessionStoreError>>,
}

enum Write {
    Put(Route),
    Remove(Route),
}

impl RouteWriter {
    /// So many writes may wait.
    pub(crate) fn new(store: Arc<dyn SessionStore>, waiting_max: usize, life: &Lifecycle) -> Self {
        // One turn: what is removed was put before.
        let bounds = Bounds { turns: 1, at_once: AT_ONCE, waiting_max };
        Self { store, gather: Gather::new("routes", bounds, life.clone()) }
    }

    /// Writes the route of a connection that is new.
    pub(crate) async fn put(&self, route: Route) -> Result<(), SessionStoreError> {
        self.write(Write::Put(route)).await
    }

    /// Takes it out.
    pub(crate) async fn remove(&self, route: Route) -> Result<(), SessionStoreError> {
        self.write(Write::Remove(route)).await
    }

    async fn write(&self, write: Write) -> Result<(), SessionStoreError> {
        let store = self.store.clone();
        let done = self.gather.ask(write, async move |writes| all(&*store, writes).await).await;
        done.unwrap_or_else(|not| Err(SessionStoreError(not.to_string())))
    }
}

/// A connection is put once and removed once, after that: whatever is put goes first.
async fn all(store: &dyn SessionStore, writes: Vec<Write>) -> Vec<Result<(), SessionStoreError>> {
    let (mut new, mut gone) = (Vec::new(), Vec::new());
    let puts: Vec<bool> = writes
        .into_iter()
        .map(|write| match write {
            Write::Put(route) => {
                new.push(route);
                true
            }
            Write::Remove(route) => {
                gone.push(route);
                false
            }
        })
        .collect();
    let put = if new.is_empty() { Ok(()) } else { store.put(&new).await.map(drop) };
    let removed = if gone.is_empty() { Ok(()) } else { store.remove(&gone).await };
    puts.into_iter().map(|is_put| if is_put { put.clone() } else { removed.clone() }).collect()
}
