//! What a gateway does from time to time: ages, cursors, routes.

use futures_util::FutureExt as _;
use im_infra::{
    mq::NewRecord,
    session_store::{Route, SessionStore as _},
};
use prost::Message as _;
use proto::{Error, ErrorCode, mq};

use super::gateway::Waiter;
use crate::{
    bug::Bug,
    event::{Down, Event, GatewayEvent},
    world::World,
};

/// Microseconds between ticks; ticks between flushes of cursors and looks at the mark, and between passes over the routes.
const TICK_US: u64 = 250_000;
const LOOK_TICKS: u64 = 4;
const PASS_TICKS: u64 = 16;

impl World {
    pub(super) fn tick(&mut self, at: usize) {
        let now = self.instant();
        for (key, waiters) in self.gateways[at].window.expire(now) {
            for Waiter(link) in waiters {
                let (conversation, command) = (key.conversation_id.clone(), key.command_id.clone());
                let error = Error::new(ErrorCode::OutcomeUnknown).into();
                self.push(at, link, Down::Error { conversation, command, error });
                self.close(link);
            }
        }
        let ticks = self.gateways[at].ticks;
        self.gateways[at].ticks += 1;
        if ticks.is_multiple_of(LOOK_TICKS) {
            self.flush_cursors(at);
        }
        let lost = || {
            let is_complete = self.routes.is_complete(&self.gateways[at].instance).now_or_never();
            is_complete == Some(Ok(false))
        };
        let due = ticks.is_multiple_of(PASS_TICKS) || (ticks.is_multiple_of(LOOK_TICKS) && lost());
        if due && !self.gateways[at].is_passing {
            self.pass(at);
        }
        let (epoch, at_us) = (self.gateways[at].epoch, self.scheduler.now_us() + TICK_US);
        self.scheduler.at(at_us, Event::Gateway(at, epoch, GatewayEvent::Tick));
    }

    fn flush_cursors(&mut self, at: usize) {
        let gateway = &mut self.gateways[at];
        for (user_id, cursors) in std::mem::take(&mut gateway.cursors) {
            let cursor = |(conversation_id, read_seq)| mq::ReadCursor { conversation_id, read_seq };
            let cursors = mq::ReadCursors { cursors: cursors.into_iter().map(cursor).collect() };
            let record = mq::Upstream {
                caller: Some(mq::Caller { user_id, ..mq::Caller::default() }),
                command: Some(mq::upstream::Command::ReadCursors(cursors)),
                ..mq::Upstream::default()
            };
            gateway.records.push_back(NewRecord::keyed(format!("u:{user_id}"), record.encode_to_vec()));
        }
        self.plan_produce(at);
    }

    /// Every route is written again, then it says that all are there.
    fn pass(&mut self, at: usize) {
        let gateway = &self.gateways[at];
        let announced = self.routes.announce(&gateway.instance, gateway.slot()).now_or_never();
        if announced == Some(Ok(())) {
            let routes = gateway.all_routes();
            self.gateways[at].is_passing = true;
            self.hop(at, GatewayEvent::PassPut(routes));
        }
    }

    pub(super) fn pass_put(&mut self, at: usize, routes: &[Route]) {
        let Some(Ok(new)) = self.routes.put(routes).now_or_never() else {
            self.gateways[at].is_passing = false;
            return;
        };
        if !new.is_empty() {
            self.gateways[at].index.doubt();
        }
        if !self.has(Bug::NoResync) {
            new.into_iter().for_each(|link| self.push(at, link, Down::Resync));
        }
        self.hop(at, GatewayEvent::PassMark);
    }

    pub(crate) fn routes_expire(&mut self, instance: &str, slot: u32, routes: &[Route]) {
        let _ = self.routes.remove(routes).now_or_never();
        let _ = self.routes.withdraw(instance, slot).now_or_never();
    }
}
