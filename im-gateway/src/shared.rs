//! What requests and connections share.

use std::{net::IpAddr, sync::Arc, time::Instant};

use arc_swap::ArcSwapOption;
use governor::DefaultKeyedRateLimiter;
use im_infra::{
    clock::Clock,
    lifecycle::Lifecycle,
    session_store::{Route, SessionStore},
};
use proto::{Error, conversation::EpochRequest, mq};
use tokio::sync::Semaphore;

use crate::{
    GatewayOptions,
    arrivals::Arrivals,
    connections::{Connection, Connections, Sockets},
    index::Index,
    logic::Logic,
    metrics::Metrics,
    route_writer::RouteWriter,
    tokens::Tokens,
    upstream::{Cursors, Intake},
};

/// Routes written at once.
const ROUTES_AT_ONCE: usize = 500;

/// What requests and connections share.
pub(crate) struct Shared {
    pub(crate) options: GatewayOptions,
    pub(crate) origin: mq::Origin,
    pub(crate) logic: Logic,
    pub(crate) tokens: Arc<Tokens>,
    pub(crate) connections: Arc<Connections>,
    pub(crate) index: Arc<Index>,
    pub(crate) sockets: Sockets,
    /// Turns to be let in after a hello. Closed never.
    pub(crate) hellos: Semaphore,
    pub(crate) arrivals: Arrivals,
    pub(crate) intake: Arc<Intake>,
    pub(crate) cursors: Cursors,
    pub(crate) routes: Arc<dyn SessionStore>,
    pub(crate) route_writer: RouteWriter,
    pub(crate) anonymous: DefaultKeyedRateLimiter<IpAddr>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) clock: Clock,
    pub(crate) life: Lifecycle,
    pub(crate) epoch: ArcSwapOption<String>,
}

impl Shared {
    pub(crate) async fn store_epoch(&self) -> Result<String, Error> {
        match self.epoch.load_full() {
            Some(epoch) => Ok(String::clone(&epoch)),
            None => self.fetch_epoch().await,
        }
    }

    pub(crate) async fn fetch_epoch(&self) -> Result<String, Error> {
        let epoch = self.logic.conversations().epoch(EpochRequest {}).await?.into_inner().epoch;
        let before = self.epoch.swap(Some(Arc::new(epoch.clone())));
        if before.is_some_and(|before| *before != epoch) {
            tracing::warn!(epoch, "the store was restored, clients come again");
            for connection in self.connections.all() {
                connection.outgoing.close(proto::ErrorCode::GoingAway);
            }
        }
        Ok(epoch)
    }

    /// Whether the store lost what was written: then everything is written anew at once.
    pub(crate) async fn lost_its_mark(&self) -> bool {
        matches!(self.routes.is_complete(&self.origin.instance).await, Ok(false))
    }

    /// Writes every route again. One that was gone may have missed a push: its client syncs. Only a full pass lets this
    /// gateway say that all its routes are there.
    pub(crate) async fn refresh_routes(&self) {
        let started = Instant::now();
        if let Err(error) = self.routes.announce(&self.origin.instance, self.origin.slot).await {
            tracing::warn!(%error, "routes not written, trying again");
            return;
        }
        let all = self.connections.all();
        for some in all.chunks(ROUTES_AT_ONCE) {
            let routes: Vec<Route> = some.iter().map(|connection| self.route_of(connection)).collect();
            let is_there = |route: &Route| self.connections.has(route.user_id, route.connection_id);
            match self.route_writer.put_again(&routes, is_there).await {
                Ok(new) => {
                    if !new.is_empty() {
                        // Whoever made a conversation large meanwhile could not know that they are here.
                        self.index.doubt();
                    }
                    for connection in some.iter().filter(|one| new.contains(&one.identity.connection_id)) {
                        let resync = proto::client::Resync { reason: "route".into() };
                        connection.send_new(proto::client::server_frame::Frame::Resync(resync));
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "routes not written, trying again");
                    return;
                }
            }
        }
        if let Err(error) = self.routes.mark_complete(&self.origin.instance).await {
            tracing::warn!(%error, "not marked complete");
        }
        tracing::debug!(routes = all.len(), elapsed_ms = started.elapsed().as_millis(), "routes written");
    }

    pub(crate) fn route_of(&self, connection: &Connection) -> Route {
        let identity = &connection.identity;
        Route {
            user_id: identity.caller.user_id,
            connection_id: identity.connection_id,
            instance: self.origin.instance.clone(),
            slot: self.origin.slot,
            device_id: identity.caller.device_id.clone(),
        }
    }
}
