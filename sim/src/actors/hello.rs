//! The handshake, hop by hop; and the members of large conversations, as they are loaded.

use futures_util::FutureExt as _;
use im_gateway::machines::Next;
use im_infra::{ids::UserId, interval::Interval, session_store::SessionStore as _};
use im_logic::domain::digest::take_in;
use proto::{common::FanOutMode, conversation::DigestResponse, repo::StateQuery};

use crate::{
    bug::Bug,
    event::{Down, GatewayEvent},
    world::World,
};

impl World {
    /// In the table and in the index first.
    pub(crate) fn hello(&mut self, at: usize, link: u64, digest: Option<(u32, u64)>) {
        let Some(client) = self.link(link).map(|link| link.client) else { return };
        let user = self.clients[client].user;
        self.enter(at, link, user);
        let late = self.has(Bug::DigestBeforeRoute);
        self.hop(at, if late { GatewayEvent::Large(link, digest) } else { GatewayEvent::Route(link, digest) });
    }

    /// Without a route, if the store is out of reach.
    pub(crate) fn hello_route(&mut self, at: usize, link: u64, digest: Option<(u32, u64)>) {
        let Some(user) = self.user_at(at, link) else { return };
        let route = self.gateways[at].route(link, user);
        let _ = self.routes.put(&[route]).now_or_never();
        if !self.has(Bug::DigestBeforeRoute) {
            self.hop(at, GatewayEvent::Large(link, digest));
        }
    }

    pub(crate) fn hello_large(&mut self, at: usize, link: u64, digest: Option<(u32, u64)>) {
        let Some(user) = self.user_at(at, link) else { return };
        if self.read_fails() {
            self.close(link);
            return;
        }
        let mut is_in_large = false;
        for membership in self.store.memberships(user) {
            let (Some(head), Some(member)) = (self.store.head(&membership.conversation_id), membership.member) else {
                continue;
            };
            if head.fan_out == FanOutMode::Large as i32 {
                let place = Interval { visible_from: member.visible_from, left_seq: member.left_seq };
                self.gateways[at].index.merge(&membership.conversation_id, user, place);
                is_in_large = true;
            }
        }
        if is_in_large {
            self.hop(at, GatewayEvent::Digest(link, digest));
        } else {
            // It was read along; the answer takes its time.
            let resumed = self.compare(link, user, digest);
            self.hop(at, GatewayEvent::Welcome(link, resumed));
        }
    }

    pub(crate) fn hello_digest(&mut self, at: usize, link: u64, digest: Option<(u32, u64)>) {
        let Some(user) = self.user_at(at, link) else { return };
        if self.read_fails() {
            self.close(link);
            return;
        }
        let resumed = self.compare(link, user, digest);
        self.welcome(at, link, resumed);
    }

    /// Whether the device has what the server has now. What comes after that is owed to the connection.
    fn compare(&mut self, link: u64, user: UserId, theirs: Option<(u32, u64)>) -> bool {
        self.owe(link);
        theirs == Some(self.digest_of(user))
    }

    pub(crate) fn welcome(&mut self, at: usize, link: u64, resumed: bool) {
        let Some(connection) = self.gateways[at].connections.get_mut(&link) else { return };
        connection.is_greeted = true;
        let waiting = std::mem::take(&mut connection.waiting);
        self.send_down(link, Down::Welcome { resumed });
        waiting.into_iter().for_each(|down| self.send_down(link, down));
        if self.has(Bug::DigestBeforeRoute) {
            self.hop(at, GatewayEvent::Route(link, None));
        }
    }

    pub(crate) fn digest_of(&self, user: UserId) -> (u32, u64) {
        let mut digest = DigestResponse::default();
        self.conversations(user).iter().for_each(|conversation| take_in(&mut digest, conversation));
        (digest.count, digest.sum)
    }

    /// Whose connection it is, if it is there still.
    pub(crate) fn user_at(&self, at: usize, link: u64) -> Option<UserId> {
        self.gateways[at].connections.get(&link).map(|connection| connection.user)
    }

    /// Whoever is connected now is asked for; who comes later loads the places at hello.
    pub(crate) fn load(&mut self, at: usize, id: String) {
        let mut users = self.gateways[at].index.users();
        users.sort_unstable();
        self.hop(at, GatewayEvent::LoadRead(id, users));
    }

    pub(crate) fn load_read(&mut self, at: usize, id: String, users: Vec<UserId>) {
        if self.read_fails() {
            self.hop(at, GatewayEvent::LoadRead(id, users));
            return;
        }
        let query = StateQuery { conversation_id: id.clone(), user_ids: users, all: false };
        let members = self.store.states(&[query]).into_iter().flat_map(|state| state.members);
        let places = members.map(|member| (member.user_id, member.visible_from, member.left_seq)).collect();
        self.hop(at, GatewayEvent::LoadMerge(id, places));
    }

    pub(crate) fn load_merge(&mut self, at: usize, id: &str, places: &[(UserId, i64, i64)]) {
        for &(user, visible_from, left_seq) in places {
            self.gateways[at].index.merge(id, user, Interval { visible_from, left_seq });
        }
        loop {
            match self.gateways[at].index.next_waiting(id) {
                Next::LoadAgain => return self.load(at, id.to_owned()),
                Next::FanOut(waiting) => waiting.into_iter().for_each(|broadcast| self.fan_out(at, &broadcast)),
                Next::Done => return,
            }
        }
    }

    /// Whether a call that only reads fails.
    pub(crate) fn read_fails(&mut self) -> bool {
        let lost = self.faults.call_lost;
        self.scheduler.chance(lost)
    }
}
