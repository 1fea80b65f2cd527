//! Puts im-gateway together. The order of starting matters: slot, position in the downstream partition, announcement, and
//! only then the listener.

use std::{
    net::{IpAddr, SocketAddr},
    num::NonZeroU32,
    sync::Arc,
    time::{Duration, Instant},
};

use arc_swap::ArcSwapOption;
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use im_infra::{
    clock::Clock,
    lifecycle::{Failure, Lifecycle},
    mq::{MqError, Queue, Topic},
    registry::{Instance, Registration, Registry, RegistryError, ServiceName, Slot, SlotSpace},
    rpc::Channel,
    session_store::{Route, SessionStore},
    telemetry::Telemetry,
};
use proto::{Error, conversation::EpochRequest, mq};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{
    GatewayOptions,
    connections::{Connection, Connections, Sockets},
    downstream::{self, Deliver},
    http,
    logic::Logic,
    metrics::Metrics,
    tokens::Tokens,
    upstream::{Cursors, Intake, Producer},
};

/// How often ages and cursors are looked at.
const TICK_MS: u64 = 250;
/// Ticks between flushes of cursors, passes over the routes, and tidying.
const CURSOR_TICKS: u64 = 4;
const ROUTE_TICKS: u64 = 120;
const COMPLETE_TICKS: u64 = 4;
const EPOCH_TICKS: u64 = 40;
const TIDY_TICKS: u64 = 240;
/// Routes written at once.
const ROUTES_AT_ONCE: usize = 500;

/// What im-gateway stands on.
pub struct GatewayParts {
    /// The queue.
    pub queue: Queue,
    /// The way to im-logic.
    pub logic: Channel,
    /// Who is connected where.
    pub routes: Arc<dyn SessionStore>,
    /// Slots, and who lives.
    pub registry: Arc<dyn Registry>,
    /// Random per process start.
    pub instance: String,
    /// The time.
    pub clock: Clock,
    /// Metrics.
    pub telemetry: Telemetry,
}

/// im-gateway could not start.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// The listener.
    #[error("{address}: {source}")]
    Listen {
        /// Where it should have listened.
        address: SocketAddr,
        /// Why it does not.
        source: std::io::Error,
    },
    /// No slot, or no registry.
    #[error("registry: {0}")]
    Registry(#[from] RegistryError),
    /// No queue.
    #[error("queue: {0}")]
    Queue(#[from] MqError),
}

/// A running gateway.
pub struct Gateway {
    address: SocketAddr,
    /// Requests and connections: drained first.
    edge: Lifecycle,
    /// What they stand on.
    back: Lifecycle,
    registration: Registration,
    slot: Slot,
}

/// What requests and connections share.
pub(crate) struct Shared {
    pub(crate) options: GatewayOptions,
    pub(crate) origin: mq::Origin,
    pub(crate) logic: Logic,
    pub(crate) tokens: Arc<Tokens>,
    pub(crate) connections: Arc<Connections>,
    pub(crate) sockets: Sockets,
    pub(crate) intake: Arc<Intake>,
    pub(crate) cursors: Cursors,
    pub(crate) routes: Arc<dyn SessionStore>,
    pub(crate) anonymous: DefaultKeyedRateLimiter<IpAddr>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) clock: Clock,
    pub(crate) life: Lifecycle,
    epoch: ArcSwapOption<String>,
}

impl Gateway {
    /// Starts a gateway as a part of the process; [`Self::drain`] stops it.
    ///
    /// # Errors
    /// If there is no slot, no queue, or the address is taken.
    pub async fn start(options: GatewayOptions, parts: GatewayParts, life: &Lifecycle) -> Result<Self, GatewayError> {
        let GatewayParts { queue, logic, routes, registry, instance, clock, telemetry } = parts;
        let failed = |source| GatewayError::Listen { address: options.http.listen, source };
        let (edge, back) = (life.part(), life.part());
        // Bound first, so that a taken port is told before anything is announced; served last.
        let listener = TcpListener::bind(options.http.listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let slot = registry.lease_slot(SlotSpace::Gateway, queue.partitions(Topic::Downstream)).await?;
        let end = queue.end(Topic::Downstream, slot.number).await?;
        let reader = queue.read(Topic::Downstream, slot.number, end).await?;

        let origin = mq::Origin { instance: instance.clone(), slot: slot.number };
        let metrics = Arc::new(Metrics::new(&telemetry));
        let producer = Producer::start(queue.clone(), options.window.commands_max, &back);
        let intake = Arc::new(Intake::new(&options, producer, origin.clone(), (clock.clone(), metrics.clone())));
        let logic = Logic::new(logic);
        let tokens = Arc::new(Tokens::new(logic.clone(), clock.clone()));
        let connections = Arc::new(Connections::default());
        let deliver = Arc::new(Deliver {
            instance: instance.clone(),
            connections: connections.clone(),
            intake: intake.clone(),
            tokens: tokens.clone(),
            metrics: metrics.clone(),
        });
        let per_minute = NonZeroU32::new(options.rate.anonymous_per_minute).unwrap_or(NonZeroU32::MIN);
        let anonymous = RateLimiter::keyed(Quota::per_minute(per_minute));
        let shared = Arc::new(Shared {
            options,
            origin,
            logic,
            tokens: tokens.clone(),
            connections,
            sockets: Sockets::default(),
            intake,
            cursors: Cursors::default(),
            routes,
            anonymous,
            metrics,
            clock,
            life: edge.clone(),
            epoch: ArcSwapOption::empty(),
        });
        back.spawn("downstream", downstream::consume(queue, (slot.number, reader), deliver.clone(), back.clone()));
        let (ended, pulling) = (deliver.clone(), back.clone());
        back.spawn("revocations", async move {
            tokens.pull(pulling, |user_id, session_id| ended.end_session(user_id, session_id)).await
        });
        let (lost, stopping) = (slot.lost.clone(), back.stopping());
        back.spawn("slot", async move {
            tokio::select! {
                () = lost.cancelled() => Err("another gateway has this one's slot"),
                () = stopping.cancelled() => Ok(()),
            }
        });
        back.spawn("maintenance", maintain(shared.clone(), deliver, back.stopping()));
        let announced = Instance { service: ServiceName::Gateway, instance, address: String::new(), slot: slot.number };
        let registration = registry.announce(announced).await?;
        serve(listener, shared, &edge);
        Ok(Self { address, edge, back, registration, slot })
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sends clients away, lets what is in flight end, then leaves the registry; at most `limit` long for each step.
    ///
    /// # Errors
    /// If a task of the process failed or did not end in time.
    pub async fn drain(self, limit: Duration) -> Result<(), Failure> {
        let edge = self.edge.drain(limit).await;
        drop(self.registration);
        let back = self.back.drain(limit).await;
        drop(self.slot);
        edge.and(back)
    }
}

fn serve(listener: TcpListener, shared: Arc<Shared>, life: &Lifecycle) {
    let service = http::router(shared).into_make_service_with_connect_info::<SocketAddr>();
    let stopping = life.stopping();
    life.spawn("http", async move {
        axum::serve(listener, service).with_graceful_shutdown(stopping.cancelled_owned()).await
    });
}

/// Ages, cursors, routes: whatever has to happen from time to time.
async fn maintain(shared: Arc<Shared>, deliver: Arc<Deliver>, stopping: CancellationToken) -> Result<(), Error> {
    let mut tick = tokio::time::interval(Duration::from_millis(TICK_MS));
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    for number in 0_u64.. {
        tokio::select! {
            () = stopping.cancelled() => break,
            _ = tick.tick() => {}
        }
        deliver.expire();
        if number % CURSOR_TICKS == 0 {
            shared.cursors.flush(&shared.intake);
        }
        let due = number % ROUTE_TICKS == 0;
        if due || (number % COMPLETE_TICKS == 0 && shared.lost_its_mark().await) {
            shared.refresh_routes().await;
        }
        if number % EPOCH_TICKS == 0
            && let Err(error) = shared.fetch_epoch().await
        {
            tracing::warn!(%error, "store epoch not known, asking again");
        }
        if number % TIDY_TICKS == 0 {
            shared.intake.tidy();
            shared.anonymous.retain_recent();
        }
    }
    shared.cursors.flush(&shared.intake);
    Ok(())
}

impl Shared {
    pub(crate) async fn store_epoch(&self) -> Result<String, Error> {
        match self.epoch.load_full() {
            Some(epoch) => Ok(String::clone(&epoch)),
            None => self.fetch_epoch().await,
        }
    }

    async fn fetch_epoch(&self) -> Result<String, Error> {
        let epoch = self.logic.conversations().epoch(EpochRequest {}).await?.into_inner().epoch;
        self.epoch.store(Some(Arc::new(epoch.clone())));
        Ok(epoch)
    }

    /// Whether the store lost what was written: then everything is written anew at once.
    async fn lost_its_mark(&self) -> bool {
        matches!(self.routes.is_complete(&self.origin.instance).await, Ok(false))
    }

    /// Writes every route again. One that was gone may have missed a push: its client syncs. Only a full pass lets this
    /// gateway say that all its routes are there.
    async fn refresh_routes(&self) {
        let started = Instant::now();
        let all = self.connections.all();
        for some in all.chunks(ROUTES_AT_ONCE) {
            let routes: Vec<Route> = some.iter().map(|connection| self.route_of(connection)).collect();
            match self.routes.put(&routes).await {
                Ok(new) => {
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

    fn route_of(&self, connection: &Connection) -> Route {
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
