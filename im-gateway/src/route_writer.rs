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

    /// Writes routes again; answers which were not there. A connection that went while its route was on its way was taken out of
    /// the store before, so what is written of it then is taken out again.
    pub(crate) async fn put_again(
        &self,
        routes: &[Route],
        is_there: impl Fn(&Route) -> bool,
    ) -> Result<Vec<u64>, SessionStoreError> {
        let new = self.store.put(routes).await?;
        let gone: Vec<Route> = routes.iter().filter(|route| !is_there(route)).cloned().collect();
        if !gone.is_empty() {
            self.store.remove(&gone).await?;
        }
        Ok(new)
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
        let come = join_all((1..=300).map(|user| writer.put(route(user)))).await;
        assert!(come.iter().all(Result::is_ok), "{come:?}");
        let gone = join_all((1..=100).map(|user| writer.remove(route(user)))).await;
        assert!(gone.iter().all(Result::is_ok), "{gone:?}");
        assert_eq!(there(&store).await, (101..=300).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn a_route_that_is_written_again_while_its_connection_goes_does_not_stay() {
        let store = Arc::new(MemorySessionStore::default());
        let writer = RouteWriter::new(store.clone(), 300, &Lifecycle::new());
        for user in [1, 2] {
            writer.put(route(user)).await.unwrap();
        }
        // All were asked for before the first one went.
        let all = [route(1), route(2), route(3)];
        writer.remove(route(1)).await.unwrap();
        let new = writer.put_again(&all, |route| route.user_id != 1).await.unwrap();
        assert_eq!((new, there(&store).await), (vec![1, 3], vec![2, 3]));
    }

    fn route(user_id: i64) -> Route {
        Route {
            user_id,
            connection_id: user_id.unsigned_abs(),
            instance: "gateway-1".into(),
            slot: 1,
            device_id: "device".into(),
        }
    }

    /// Users who have a route, of the first three hundred.
    async fn there(store: &MemorySessionStore) -> Vec<i64> {
        let users: Vec<i64> = (1..=300).collect();
        let routes = store.look_up(&users).await.unwrap().routes;
        let mut there: Vec<i64> = routes.into_iter().map(|route| route.user_id).collect();
        there.sort_unstable();
        there
    }
}
