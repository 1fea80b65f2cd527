//! Puts im-gateway together. The order of starting matters: slot, position in the downstream partition, announcement, and
//! only then the listener.

use std::{convert::Infallible, net::SocketAddr, num::NonZeroU32, sync::Arc, time::Duration};

use arc_swap::ArcSwapOption;
use governor::{Quota, RateLimiter};
use im_infra::{
    clock::Clock,
    lifecycle::{Failure, Lifecycle, Readiness},
    mq::{MqError, Queue, Topic},
    registry::{Instance, Registration, Registry, RegistryError, ServiceName, Slot, SlotSpace},
    rpc::Channel,
    session_store::SessionStore,
    telemetry::Telemetry,
    tls::{TlsAcceptor, TlsError},
};
use proto::{Error, ErrorCode, mq};
use tokio::{net::TcpListener, sync::Semaphore};
use tokio_util::sync::CancellationToken;

use crate::{
    GatewayOptions,
    arrivals::Arrivals,
    connections::{Connections, Sockets},
    downstream::{self, Deliver},
    http,
    index::Index,
    listener::{self, Listener},
    logic::Logic,
    metrics::Metrics,
    route_writer::RouteWriter,
    shared::Shared,
    tokens::Tokens,
    upstream::{Cursors, Intake, Producer},
};

/// How often ages and cursors are looked at.
const TICK_MS: u64 = 250;
/// Ticks between flushes of cursors, passes over the routes, giving memory back, and tidying.
const CURSOR_TICKS: u64 = 4;
const ROUTE_TICKS: u64 = 120;
const COMPLETE_TICKS: u64 = 4;
const EPOCH_TICKS: u64 = 8;
const SHRINK_TICKS: u64 = 40;
const TIDY_TICKS: u64 = 240;
/// How long a gateway waits before it asks again for a slot.
const SLOT_RETRY_MS: u64 = 1_000;

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
    /// Where it says what it lacks.
    pub readiness: Readiness,
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
    /// The listener's TLS.
    #[error("gateway.http.tls: {0}")]
    Tls(#[from] TlsError),
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
    shared: Arc<Shared>,
    registration: Registration,
    slot: Slot,
}

impl Gateway {
    /// Starts a gateway as a part of the process; [`Self::drain`] stops it.
    ///
    /// # Errors
    /// If there is no slot, no queue, or the address is taken.
    pub async fn start(options: GatewayOptions, parts: GatewayParts, life: &Lifecycle) -> Result<Self, GatewayError> {
        let GatewayParts { queue, logic, routes, registry, instance, clock, telemetry, readiness } = parts;
        let failed = |source| GatewayError::Listen { address: options.http.listen, source };
        let (edge, back) = (life.part(), life.part());
        let tls = options.http.tls.acceptor("gateway.http.tls", listener::PROTOCOL, &clock)?;
        // Bound first, so that a taken port is told before anything is announced; served last.
        let listener = listener::bind(&options.http).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let metrics = Arc::new(Metrics::new(&telemetry));
        let ready = readiness.check("gateway slot");
        let slot = lease(&*registry, queue.partitions(Topic::Downstream), &metrics).await?;
        metrics.slot_held.record(1, &[]);
        ready.set(true);
        let end = queue.end(Topic::Downstream, slot.number).await?;
        let reader = queue.read(Topic::Downstream, slot.number, end).await?;

        let origin = mq::Origin { instance: instance.clone(), slot: slot.number };
        let producer = Producer::start(queue.clone(), options.window.commands_max, &back);
        let intake = Arc::new(Intake::new(&options, producer, origin.clone(), (clock.clone(), metrics.clone())));
        let logic = Logic::new(logic);
        let tokens = Arc::new(Tokens::new(logic.clone(), clock.clone()));
        let connections = Arc::new(Connections::default());
        let index = Arc::new(Index::new(options.index.conversations_max, options.index.waiting_max));
        let deliver = Arc::new(Deliver {
            instance: instance.clone(),
            connections: connections.clone(),
            intake: intake.clone(),
            tokens: tokens.clone(),
            metrics: metrics.clone(),
            index: index.clone(),
            logic: logic.clone(),
            life: back.clone(),
            loads: Semaphore::new(options.index.loads_max),
        });
        let per_minute = NonZeroU32::new(options.rate.anonymous_per_minute).unwrap_or(NonZeroU32::MIN);
        let anonymous = RateLimiter::keyed(Quota::per_minute(per_minute));
        let hellos = Semaphore::new(options.ws.hellos_max);
        let route_writer = RouteWriter::new(routes.clone(), options.ws.hellos_max, &back);
        let arrivals = Arrivals::new(logic.clone(), options.ws.hellos_max, &back);
        let shared = Arc::new(Shared {
            options,
            origin,
            logic,
            tokens: tokens.clone(),
            connections,
            index,
            sockets: Sockets::default(),
            hellos,
            arrivals,
            intake,
            cursors: Cursors::default(),
            routes,
            route_writer,
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
        let told = deliver.clone();
        let follow = move |held: bool| {
            told.metrics.slot_held.record(u64::from(held), &[]);
            ready.set(held);
            if held {
                // Senders may have taken this gateway for gone meanwhile.
                told.missed("registry");
            }
        };
        back.spawn("slot", slot.follow(back.stopping(), follow));
        back.spawn("maintenance", maintain(shared.clone(), deliver, back.stopping()));
        let announced = Instance { service: ServiceName::Gateway, instance, address: String::new(), slot: slot.number };
        let registration = registry.announce(announced).await?;
        if let Err(error) = shared.routes.announce(&shared.origin.instance, shared.origin.slot).await {
            tracing::warn!(%error, "not announced in the session store, trying again with the routes");
        }
        serve((listener, tls), &shared, &edge);
        Ok(Self { address, edge, back, shared, registration, slot })
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where clients reach it.
    pub fn url(&self) -> String {
        let scheme = if self.shared.options.http.tls.certificate.is_empty() { "http" } else { "https" };
        format!("{scheme}://{}", self.address)
    }

    /// Sends clients away, lets what is in flight end, then leaves the registry; at most `limit` long for each step.
    ///
    /// # Errors
    /// If a task of the process failed or did not end in time.
    pub async fn drain(self, limit: Duration) -> Result<(), Failure> {
        let edge = self.edge.drain(limit).await;
        drop(self.registration);
        self.shared.cursors.flush(&self.shared.intake);
        let back = self.back.drain(limit).await;
        let origin = &self.shared.origin;
        if let Err(error) = self.shared.routes.withdraw(&origin.instance, origin.slot).await {
            tracing::warn!(%error, "not withdrawn from the session store, it will run out");
        }
        drop(self.slot);
        edge.and(back)
    }
}

/// A free slot, as soon as there is one: until then this gateway is not ready, and says so.
async fn lease(registry: &dyn Registry, count: u32, metrics: &Metrics) -> Result<Slot, RegistryError> {
    loop {
        match registry.lease_slot(SlotSpace::Gateway, count).await {
            Err(error @ RegistryError::NoFreeSlot(_)) => {
                metrics.refused(ErrorCode::NoFreeSlot);
                tracing::warn!(%error, code = ErrorCode::NoFreeSlot.as_str(), "{}", ErrorCode::NoFreeSlot.message());
                tokio::time::sleep(Duration::from_millis(SLOT_RETRY_MS)).await;
            }
            leased => return leased,
        }
    }
}

fn serve((socket, tls): (TcpListener, Option<TlsAcceptor>), shared: &Arc<Shared>, life: &Lifecycle) {
    let router = http::router(shared.clone());
    let listener = Listener::new(router, &shared.options.http, tls, shared.metrics.clone(), life.clone());
    life.spawn("http", async move {
        listener.accept(socket).await;
        Ok::<(), Infallible>(())
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
        if number % SHRINK_TICKS == 0 {
            shared.connections.tidy();
            shared.index.tidy();
        }
        if number % TIDY_TICKS == 0 {
            shared.intake.tidy();
            shared.metrics.index_conversations.record(shared.index.len() as u64, &[]);
            shared.anonymous.retain_recent();
            shared.anonymous.shrink_to_fit();
        }
    }
    Ok(())
}
