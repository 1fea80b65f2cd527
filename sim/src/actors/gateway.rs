//! A gateway: im-gateway's own window, index and order of refused commands, im-infra's letters; the rest as its tasks do it.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use futures_util::FutureExt as _;
use im_gateway::{
    config::WindowOptions,
    machines::{Held, Index, Waits, Window},
};
use im_infra::{
    ids::UserId,
    mq::{NewRecord, Topic},
    registry::{Instance, Registration, Registry as _, ServiceName, Slot, SlotSpace},
    session_store::{Route, SessionStore as _},
    telemetry::Telemetry,
};

use crate::{
    event::{Down, Event, GatewayEvent, Process, Up},
    faults::RESTART,
    world::World,
};

/// The window: small, so that it is full at times.
const WINDOW: WindowOptions = WindowOptions { commands_max: 6, bytes_max: 4_096, age_max_ms: 5_000 };
/// Large conversations remembered without a member here, and broadcasts that wait for a load.
const INDEX_MAX: (usize, usize) = (2, 3);

/// A process that may have started several times.
pub(crate) struct Gateway {
    /// Grows with each end: what was planned for an older start is void.
    pub(crate) epoch: u64,
    pub(crate) is_up: bool,
    pub(crate) paused_until_us: u64,
    pub(crate) instance: String,
    pub(super) slot: Option<Slot>,
    /// Ends when it is dropped.
    _registration: Option<Registration>,
    pub(crate) next: u64,
    /// What it has not read is gone.
    pub(crate) has_fallen_behind: bool,
    pub(super) is_reading: bool,
    pub(super) window: Window<Waiter>,
    pub(crate) index: Index,
    pub(crate) connections: BTreeMap<u64, Connection>,
    pub(super) records: VecDeque<NewRecord>,
    pub(super) is_producing: bool,
    pub(super) cursors: BTreeMap<UserId, BTreeMap<String, i64>>,
    pub(super) ticks: u64,
    pub(super) is_passing: bool,
}

/// A connection after its hello came.
pub(crate) struct Connection {
    pub(crate) user: UserId,
    pub(crate) is_greeted: bool,
    /// Behind the welcome.
    pub(crate) waiting: Vec<Down>,
    pub(super) held: Held,
}

/// The connection that waits for an outcome.
pub(crate) struct Waiter(pub(super) u64);

impl Waits for Waiter {
    fn has_gone(&self) -> bool {
        false
    }
}

impl Gateway {
    pub(crate) fn new(telemetry: &Telemetry) -> Self {
        Self {
            epoch: 0,
            is_up: false,
            paused_until_us: 0,
            instance: String::new(),
            slot: None,
            _registration: None,
            next: 0,
            has_fallen_behind: false,
            is_reading: false,
            window: Window::alone(WINDOW, telemetry),
            index: Index::new(INDEX_MAX.0, INDEX_MAX.1),
            connections: BTreeMap::new(),
            records: VecDeque::new(),
            is_producing: false,
            cursors: BTreeMap::new(),
            ticks: 0,
            is_passing: false,
        }
    }

    pub(crate) fn slot(&self) -> u32 {
        self.slot.as_ref().map_or(0, |slot| slot.number)
    }

    pub(super) fn links_of(&self, user: UserId) -> Vec<u64> {
        let held = self.connections.iter().filter(|(_, connection)| connection.user == user);
        held.map(|(link, _)| *link).collect()
    }

    pub(crate) fn route(&self, link: u64, user_id: UserId) -> Route {
        let (instance, slot) = (self.instance.clone(), self.slot());
        Route { user_id, connection_id: link, instance, slot, device_id: String::new() }
    }

    pub(crate) fn all_routes(&self) -> Vec<Route> {
        self.connections.iter().map(|(link, connection)| self.route(*link, connection.user)).collect()
    }
}

impl World {
    pub(crate) fn start_gateway(&mut self, at: usize) {
        let Some(Ok(slot)) = self.registry.lease_slot(SlotSpace::Gateway, self.log.slots()).now_or_never() else {
            self.scheduler.within(RESTART, Event::Start(Process::Gateway(at)));
            return;
        };
        let epoch = self.gateways[at].epoch + 1;
        let (instance, number) = (format!("g{at}-{epoch}"), slot.number);
        let announced = Instance {
            service: ServiceName::Gateway,
            instance: instance.clone(),
            address: String::new(),
            slot: number,
        };
        let registration = self.registry.announce(announced).now_or_never().and_then(Result::ok);
        // Perhaps out of reach: with the routes then.
        let _ = self.routes.announce(&instance, number).now_or_never();
        let next = self.log.end_of(Topic::Downstream, number);
        let fresh = Gateway::new(&self.telemetry);
        self.gateways[at] =
            Gateway { epoch, is_up: true, instance, slot: Some(slot), _registration: registration, next, ..fresh };
        self.hop(at, GatewayEvent::Tick);
    }

    /// Everything it had in memory is gone; its slot is free, its routes lie around.
    pub(crate) fn kill_gateway(&mut self, at: usize) {
        if !self.gateways[at].is_up {
            return;
        }
        let gone = self.gateways[at].all_routes();
        let fresh = Gateway::new(&self.telemetry);
        let gateway = &mut self.gateways[at];
        let (instance, slot, epoch) = (gateway.instance.clone(), gateway.slot(), gateway.epoch + 1);
        *gateway = Gateway { epoch, ..fresh };
        self.scheduler.within((4_000_000, 9_000_000), Event::RoutesExpire(Arc::new((instance, slot, gone))));
        let cut: Vec<u64> = (0..self.links.len() as u64).filter(|&link| self.is_link_of(link, at)).collect();
        cut.into_iter().for_each(|link| self.cut(link));
        self.scheduler.within(RESTART, Event::Start(Process::Gateway(at)));
    }

    fn is_link_of(&self, link: u64, at: usize) -> bool {
        self.is_open(link) && self.link(link).is_some_and(|link| link.gateway == at)
    }

    /// Later, at this start.
    pub(crate) fn hop(&mut self, at: usize, event: GatewayEvent) {
        let epoch = self.gateways[at].epoch;
        self.soon(Event::Gateway(at, epoch, event));
    }

    pub(crate) fn gateway(&mut self, at: usize, epoch: u64, event: GatewayEvent) {
        if self.gateways[at].epoch != epoch || !self.gateways[at].is_up {
            return;
        }
        match event {
            GatewayEvent::Read => self.read_letters(at),
            GatewayEvent::Produce => self.produce_commands(at),
            GatewayEvent::Tick => self.tick(at),
            GatewayEvent::Route(link, digest) => self.hello_route(at, link, digest),
            GatewayEvent::Large(link, digest) => self.hello_large(at, link, digest),
            GatewayEvent::Digest(link, digest) => self.hello_digest(at, link, digest),
            GatewayEvent::Welcome(link, resumed) => self.welcome(at, link, resumed),
            GatewayEvent::Unroute(route) => drop(self.routes.remove(&[route]).now_or_never()),
            GatewayEvent::Sync(link, known) => self.sync(at, link, known),
            GatewayEvent::SyncItems(link, known, after) => self.sync_items(at, link, known, &after),
            GatewayEvent::Fetch(link, id, from, to) => self.fetch(at, link, id, (from, to)),
            GatewayEvent::LoadRead(id, users) => self.load_read(at, id, users),
            GatewayEvent::LoadMerge(id, places) => self.load_merge(at, &id, &places),
            GatewayEvent::PassPut(routes) => self.pass_put(at, &routes),
            GatewayEvent::PassMark => {
                let instance = self.gateways[at].instance.clone();
                let _ = self.routes.mark_complete(&instance).now_or_never();
                self.gateways[at].is_passing = false;
            }
        }
    }

    pub(crate) fn arrive_up(&mut self, link: u64, up: Up) {
        let Some((at, epoch)) = self.link(link).map(|link| (link.gateway, link.epoch)) else { return };
        if !self.is_open(link) || self.gateways[at].epoch != epoch || !self.gateways[at].is_up {
            return;
        }
        let user = match (&up, self.gateways[at].connections.get(&link)) {
            (Up::Hello(_), _) => 0,
            (_, Some(connection)) => connection.user,
            (_, None) => return,
        };
        match up {
            Up::Hello(digest) => self.hello(at, link, digest),
            Up::Command(sent) => self.take_command(at, link, user, &sent),
            Up::Abandon(id, command) => {
                if let Some(connection) = self.gateways[at].connections.get_mut(&link) {
                    connection.held.abandon(&id, &command);
                }
            }
            Up::Read(id, seq) => {
                let slot = self.gateways[at].cursors.entry(user).or_default().entry(id).or_default();
                *slot = (*slot).max(seq);
            }
            Up::Sync(known) => self.hop(at, GatewayEvent::Sync(link, known)),
            Up::Fetch(id, from, to) => self.hop(at, GatewayEvent::Fetch(link, id, from, to)),
        }
    }

    pub(crate) fn gateway_lost(&mut self, link: u64) {
        let Some((at, epoch)) = self.link(link).map(|link| (link.gateway, link.epoch)) else { return };
        if self.gateways[at].epoch == epoch {
            self.leave(at, link);
        }
    }

    fn leave(&mut self, at: usize, link: u64) {
        let gateway = &mut self.gateways[at];
        if let Some(connection) = gateway.connections.remove(&link) {
            gateway.index.leave(connection.user);
            let route = gateway.route(link, connection.user);
            self.hop(at, GatewayEvent::Unroute(route));
        }
    }

    pub(crate) fn enter(&mut self, at: usize, link: u64, user: UserId) {
        let held = Held::default();
        let connection = Connection { user, is_greeted: false, waiting: Vec::new(), held };
        let gateway = &mut self.gateways[at];
        gateway.connections.insert(link, connection);
        gateway.index.enter(user);
    }

    /// To a connection, behind its welcome.
    pub(crate) fn push(&mut self, at: usize, link: u64, down: Down) {
        if matches!(down, Down::Resync) {
            self.owe(link);
        }
        match self.gateways[at].connections.get_mut(&link) {
            Some(connection) if connection.is_greeted => self.send_down(link, down),
            Some(connection) => connection.waiting.push(down),
            None => {}
        }
    }
}
