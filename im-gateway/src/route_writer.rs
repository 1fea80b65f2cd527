//! Routes of connections that come and go: those that wait are written together.

use std::sync::Arc;

use im_infra::{
    gather::{Askers, Bounds, Gather},
    lifecycle::Lifecycle,
    session_store::{Route, SessionStore, SessionStoreError},
};

type Written = Result<(), SessionStoreError>;

/// Of those who go. If the store does not answer, they must not wait for each other's time.
const GOING: Bounds = Bounds { turns: 16, at_once: 1_024, waiting_max: 1_000_000 };

/// Writes to the session store.
pub(crate) struct RouteWriter {
    store: Arc<dyn SessionStore>,
    coming: Gather<Route, Written>,
    going: Gather<Route, Written>,
}

impl RouteWriter {
    /// So many connections may come at once.
    pub(crate) fn new(store: Arc<dyn SessionStore>, coming_max: usize, life: &Lifecycle) -> Self {
        let bounds = Bounds { turns: 2, at_once: coming_max, waiting_max: coming_max };
        let (coming, going) =
            (Gather::new("routes put", bounds, life.clone()), Gather::new("routes removed", GOING, life.clone()));
        Self { store, coming, going }
    }

    /// Writes the route of a connection that is new.
    pub(crate) async fn put(&self, route: Route) -> Written {
        let store = self.store.clone();
        let put = async move |routes: Vec<Route>, askers: Askers<Written>| {
            let done = store.put(&routes).await.map(drop);
            askers.tell_all(vec![done; routes.len()]);
        };
        match self.coming.ask(route.clone(), put).await {
            Ok(written) => written,
            // Only the store remembers that a route may be missing, so it has to hear of each.
            Err(_) => self.store.put(&[route]).await.map(drop),
        }
    }

    /// Takes it out, once whoever put it has an answer.
    pub(crate) async fn remove(&self, route: Route) -> Written {
        let store = self.store.clone();
        let remove = async move |routes: Vec<Route>, askers: Askers<Written>| {
            let done = store.remove(&routes).await;
            askers.tell_all(vec![done; routes.len()]);
        };
        self.going.ask(route, remove).await.unwrap_or_else(|not| Err(SessionStoreError(not.to_string())))
    }
}

#[cfg(test)]
mod tests {
    use futures_util::future::join_all;
    use im_infra::session_store::MemorySessionStore;

    use super::*;

    #[tokio::test]
    async fn whoever_comes_is_there_and_whoever_went_is_not() {
        let store = Arc::new(MemorySessionStore::default());
        let writer = RouteWriter::new(store.clone(), 300, &Lifecycle::new());
        let route = |user_id: i64| Route {
            user_id,
            connection_id: user_id.unsigned_abs(),
            instance: "gateway-1".into(),
            slot: 1,
            device_id: "device".into(),
        };
        let come = join_all((1..=300).map(|user| writer.put(route(user)))).await;
        assert!(come.iter().all(Result::is_ok), "{come:?}");
        let gone = join_all((1..=100).map(|user| writer.remove(route(user)))).await;
        assert!(gone.iter().all(Result::is_ok), "{gone:?}");
        let users: Vec<i64> = (1..=300).collect();
        let mut there: Vec<i64> =
            store.look_up(&users).await.unwrap().routes.into_iter().map(|route| route.user_id).collect();
        there.sort_unstable();
        assert_eq!(there, (101..=300).collect::<Vec<_>>());
    }
}
