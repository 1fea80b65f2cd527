//! What comes to a gateway by its partition, handed out.

use std::sync::Arc;

use im_gateway::machines::{Broadcasting, Key, together};
use im_infra::{ids::UserId, mq::Topic};
use prost::Message as _;
use proto::{
    message::Entry,
    mq::{Broadcast, Downstream, Outcome, outcome},
};

use super::{Gateway, gateway::Waiter};
use crate::{
    bug::Bug,
    event::{Down, GatewayEvent},
    world::World,
};

/// Records of one read.
const READ_MAX: usize = 4;

impl World {
    pub(crate) fn wake_gateway(&mut self, partition: u32) {
        let reads = |gateway: &Gateway| gateway.is_up && gateway.slot() == partition && !gateway.is_reading;
        if let Some(at) = self.gateways.iter().position(reads) {
            self.gateways[at].is_reading = true;
            self.hop(at, GatewayEvent::Read);
        }
    }

    pub(super) fn read_letters(&mut self, at: usize) {
        if self.gateways[at].has_fallen_behind {
            self.go_on_from_the_end(at);
        }
        let gateway = &self.gateways[at];
        let (slot, next) = (gateway.slot(), gateway.next);
        let letters = self.log.records(Topic::Downstream, slot, next, READ_MAX);
        self.gateways[at].next += letters.len() as u64;
        for payload in letters {
            if let Ok(letter) = Downstream::decode(payload) {
                self.deliver(at, letter);
            }
        }
        self.gateways[at].is_reading = false;
        if self.gateways[at].next < self.log.end_of(Topic::Downstream, slot) {
            self.wake_gateway(slot);
        }
    }

    /// What was missed may have told of members, and clients have to sync.
    fn go_on_from_the_end(&mut self, at: usize) {
        let gateway = &mut self.gateways[at];
        gateway.has_fallen_behind = false;
        gateway.next = self.log.end_of(Topic::Downstream, gateway.slot());
        gateway.index.doubt();
        self.resync_all(at);
    }

    fn deliver(&mut self, at: usize, letter: Downstream) {
        if letter.instance != self.gateways[at].instance {
            return;
        }
        for outcome in letter.outcomes {
            self.outcome(at, outcome);
        }
        for delivery in letter.deliveries {
            for entry in delivery.entries {
                self.push_entry(at, entry, &delivery.recipients);
            }
        }
        for broadcast in letter.broadcasts {
            self.broadcast(at, broadcast);
        }
        for receipt in letter.receipts {
            for &user in &receipt.recipients {
                for link in self.gateways[at].links_of(user) {
                    self.push(at, link, Down::Receipt(receipt.clone()));
                }
            }
        }
    }

    fn outcome(&mut self, at: usize, outcome: Outcome) {
        let Outcome { user_id, conversation_id, command_id, payload_hash, result: Some(result), .. } = outcome else {
            return;
        };
        let key = Key { user_id, conversation_id, command_id };
        for Waiter(link) in self.gateways[at].window.settle(&key, &payload_hash) {
            let (conversation, command) = (key.conversation_id.clone(), key.command_id.clone());
            if let Some(connection) = self.gateways[at].connections.get_mut(&link) {
                connection.held.abandon(&conversation, &command);
            }
            let down = match result.clone() {
                outcome::Result::Stored(stored) => Down::Ack { conversation, command, seq: stored.seq },
                outcome::Result::Error(error) => Down::Error { conversation, command, error },
            };
            self.push(at, link, down);
        }
    }

    fn push_entry(&mut self, at: usize, entry: Entry, users: &[UserId]) {
        let entry = Arc::new(entry);
        for user in users {
            for link in self.gateways[at].links_of(*user) {
                self.push(at, link, Down::Entry(entry.clone()));
            }
        }
    }

    fn broadcast(&mut self, at: usize, broadcast: Broadcast) {
        let id = broadcast.conversation_id.clone();
        if self.has(Bug::IndexNotLoaded) {
            self.fan_out(at, &broadcast);
            return;
        }
        match self.gateways[at].index.admit(broadcast) {
            Broadcasting::Now(broadcast) => self.fan_out(at, &broadcast),
            Broadcasting::Waits => {}
            Broadcasting::Load => self.load(at, id),
            Broadcasting::GivenUp => self.resync_all(at),
        }
    }

    pub(crate) fn fan_out(&mut self, at: usize, broadcast: &Broadcast) {
        if let Some(members) = &broadcast.index {
            self.gateways[at].index.take_up(&broadcast.conversation_id, members);
        }
        for entries in together(&broadcast.entries) {
            let mut users = Vec::new();
            self.gateways[at].index.fan_out(entries, |user| users.push(user));
            // The index has no order of its own.
            users.sort_unstable();
            entries.iter().for_each(|entry| self.push_entry(at, entry.clone(), &users));
        }
    }

    pub(crate) fn resync_all(&mut self, at: usize) {
        let all: Vec<u64> = self.gateways[at].connections.keys().copied().collect();
        all.into_iter().for_each(|link| self.push(at, link, Down::Resync));
    }
}
