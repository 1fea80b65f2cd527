//! What comes to a gateway from its clients for the topic: admitted by im-gateway's own window, behind what was refused for now.

use im_gateway::machines::{Admitted, Key};
use im_infra::{
    ids::UserId,
    mq::{NewRecord, Room, Topic},
};
use prost::Message as _;
use proto::mq;

use super::{Sent, gateway::Waiter};
use crate::{
    bug::Bug,
    event::{Down, GatewayEvent},
    world::World,
};

/// Records of one produce.
const PRODUCED_MAX: usize = 8;

impl World {
    pub(super) fn take_command(&mut self, at: usize, link: u64, user: UserId, sent: &Sent) {
        let (now, received_at_ms, holds) = (self.instant(), self.scheduler.clock.now_ms(), !self.has(Bug::HoldIgnored));
        let gateway = &mut self.gateways[at];
        let origin = mq::Origin { instance: gateway.instance.clone(), slot: gateway.slot() };
        let Some(connection) = gateway.connections.get_mut(&link) else { return };
        let mut taken = if holds { connection.held.check(&sent.id, &sent.command_id) } else { Ok(()) };
        if taken.is_ok() {
            let caller = mq::Caller { user_id: user, ..mq::Caller::default() };
            let record = mq::Upstream {
                caller: Some(caller),
                origin: Some(origin),
                conversation_id: sent.id.clone(),
                command_id: sent.command_id.clone(),
                payload_hash: sent.payload_hash.clone(),
                received_at_ms,
                request_id: String::new(),
                command: Some(sent.command.clone()),
            };
            let payload = record.encode_to_vec();
            let command = (sent.payload_hash.clone(), payload.len());
            let key = Key { user_id: user, conversation_id: sent.id.clone(), command_id: sent.command_id.clone() };
            match gateway.window.admit(key, command, Waiter(link), now) {
                Ok(Admitted::New) => gateway.records.push_back(NewRecord::keyed(sent.id.clone(), payload)),
                Ok(Admitted::Attached) => {}
                Err(error) => {
                    if error.code().retryable() && !connection.held.hold(&sent.id, &sent.command_id) {
                        self.close(link);
                        return;
                    }
                    taken = Err(error);
                }
            }
        }
        match taken {
            Ok(()) => self.plan_produce(at),
            Err(error) => {
                let (conversation, command, closes) =
                    (sent.id.clone(), sent.command_id.clone(), error.code().close().is_some());
                self.push(at, link, Down::Error { conversation, command, error: error.into() });
                if closes {
                    self.close(link);
                }
            }
        }
    }

    pub(super) fn plan_produce(&mut self, at: usize) {
        let gateway = &mut self.gateways[at];
        if !gateway.is_producing && !gateway.records.is_empty() {
            gateway.is_producing = true;
            self.hop(at, GatewayEvent::Produce);
        }
    }

    /// What failed is tried again before anything else is produced.
    pub(super) fn produce_commands(&mut self, at: usize) {
        let batch: Vec<NewRecord> = self.gateways[at].records.iter().take(PRODUCED_MAX).cloned().collect();
        let count = batch.len();
        let done = self.produce(Topic::Upstream, batch, Room::External);
        let gateway = &mut self.gateways[at];
        if done {
            gateway.records.drain(..count);
        }
        gateway.is_producing = false;
        self.plan_produce(at);
    }
}
