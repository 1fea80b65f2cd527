//! Connections: in order in both directions, until they are cut; then everything on its way is lost.

use crate::{
    event::{Down, Event, Up},
    faults::WIRE,
    world::World,
};

/// A connection between a client and a start of a gateway.
pub(crate) struct Link {
    pub(crate) client: usize,
    pub(crate) gateway: usize,
    pub(crate) epoch: u64,
    is_open: bool,
    /// Entries committed after so many others are pushed over it: the count when the digest was read, or, later, when the
    /// client was told to sync. None before that.
    pub(crate) owed_since: Option<u64>,
    /// When the newest frame arrives, each way.
    up_us: u64,
    down_us: u64,
}

impl World {
    pub(crate) fn link(&self, link: u64) -> Option<&Link> {
        self.links.get(usize::try_from(link).ok()?)
    }

    fn link_mut(&mut self, link: u64) -> Option<&mut Link> {
        self.links.get_mut(usize::try_from(link).ok()?)
    }

    /// A connection to a gateway that lives.
    pub(crate) fn open(&mut self, client: usize, gateway: usize) -> u64 {
        let epoch = self.gateways[gateway].epoch;
        self.links.push(Link { client, gateway, epoch, is_open: true, owed_since: None, up_us: 0, down_us: 0 });
        self.links.len() as u64 - 1
    }

    pub(crate) fn is_open(&self, link: u64) -> bool {
        self.link(link).is_some_and(|link| link.is_open)
    }

    /// From now on what is committed is owed to the connection.
    pub(crate) fn owe(&mut self, link: u64) {
        let commits = self.oracle.commits();
        if let Some(held) = self.link_mut(link) {
            held.owed_since = Some(commits);
        }
    }

    pub(crate) fn send_up(&mut self, link: u64, up: Up) {
        let at_us = self.scheduler.now_us() + self.scheduler.random.u64(WIRE.0..WIRE.1);
        let Some(held) = self.link_mut(link).filter(|link| link.is_open) else { return };
        held.up_us = at_us.max(held.up_us + 1);
        let at_us = held.up_us;
        self.scheduler.at(at_us, Event::Up(link, up));
    }

    pub(crate) fn send_down(&mut self, link: u64, down: Down) {
        let at_us = self.scheduler.now_us() + self.scheduler.random.u64(WIRE.0..WIRE.1);
        let Some(held) = self.link_mut(link).filter(|link| link.is_open) else { return };
        held.down_us = at_us.max(held.down_us + 1);
        let at_us = held.down_us;
        self.scheduler.at(at_us, Event::Down(link, down));
    }

    /// Closed by the gateway: what was sent before still arrives, then the client learns it.
    pub(crate) fn close(&mut self, link: u64) {
        let now_us = self.scheduler.now_us();
        let Some(held) = self.link_mut(link) else { return };
        let at_us = held.down_us.max(now_us) + 1;
        self.scheduler.at(at_us, Event::ClientLost(link));
        self.scheduler.within((1, 1_000), Event::GatewayLost(link));
    }

    /// Cut: nothing more arrives, and both learn it, the gateway perhaps much later.
    pub(crate) fn cut(&mut self, link: u64) {
        let Some(held) = self.link_mut(link).filter(|link| link.is_open) else { return };
        held.is_open = false;
        self.scheduler.within((1_000, 200_000), Event::ClientLost(link));
        self.scheduler.within((1_000, 3_000_000), Event::GatewayLost(link));
    }

    pub(crate) fn forget_link(&mut self, link: u64) {
        if let Some(held) = self.link_mut(link) {
            held.is_open = false;
        }
    }
}
