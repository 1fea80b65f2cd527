//! What clients do by their own will.

use std::sync::Arc;

use im_infra::ids::ConversationId;
use proto::{
    group::{CreateGroup, Invite, Join, Leave, Remove},
    message::{Content, Text, content},
    mq::upstream::Command,
};

use super::sent::{Sent, Waiting};
use crate::{
    event::{Event, Up},
    oracle::command_id,
    world::{USERS, World},
};

/// Between two acts of a client.
const ACT_US: (u64, u64) = (20_000, 400_000);
/// Commands without an outcome; groups of a run.
const WAITING_MAX: usize = 5;
const GROUPS_MAX: usize = 4;

fn text(text: String) -> Command {
    Command::Send(Content { kind: Some(content::Kind::Text(Text { text })) })
}

impl World {
    pub(crate) fn act(&mut self, at: usize) {
        if !self.faults.is_chaos {
            return;
        }
        self.scheduler.within(ACT_US, Event::Act(at));
        let client = &self.clients[at];
        let Some(link) = client.link.filter(|_| client.is_greeted) else { return };
        if client.waiting.len() >= WAITING_MAX {
            return;
        }
        let user = client.user;
        let other = self.scheduler.random.i64(1..=USERS + 1);
        match self.scheduler.random.u32(0..100) {
            0..=49 => self.talk(at),
            50..=64 => self.read_up(at, link),
            65..=69 => self.make_group(at),
            70..=76 => self.issue_to_group(at, Command::Invite(Invite { user_ids: vec![other] })),
            77..=82 => self.issue_to_group(at, Command::Join(Join {})),
            83..=85 => self.issue_to_group(at, Command::Leave(Leave {})),
            86..=89 if other != user => self.issue_to_group(at, Command::Remove(Remove { user_id: other })),
            90..=94 => self.repeat(at, link),
            95..=98 => self.reuse_id(at),
            _ => self.cut(link),
        }
    }

    /// One to three messages at once.
    fn talk(&mut self, at: usize) {
        let client = &self.clients[at];
        let present = client.following.iter().filter(|(_, following)| !following.has_left);
        let mut known: Vec<String> = present.map(|(id, _)| id.clone()).collect();
        let peer = self.scheduler.random.i64(1..=USERS);
        known.extend(ConversationId::direct(client.user, peer).map(|id| id.to_string()));
        let Some(id) = self.scheduler.random.choice(known) else { return };
        for _ in 0..self.scheduler.random.u32(1..4) {
            let order = self.clients[at].order;
            self.issue(at, id.clone(), text(format!("{at}-{order}")));
        }
    }

    fn read_up(&mut self, at: usize, link: u64) {
        let present: Vec<String> = self.clients[at].following.keys().cloned().collect();
        let Some(id) = self.scheduler.random.choice(present) else { return };
        let Some(following) = self.clients[at].following.get_mut(&id) else { return };
        let upto = following.upto;
        // Sometimes an older place: it must not move anything back.
        let back = self.scheduler.random.i64(0..3);
        let seq = (upto - back).max(1);
        if upto > 0 && !following.has_left {
            following.look_at(seq);
            self.send_up(link, Up::Read(id, seq));
        }
    }

    fn make_group(&mut self, at: usize) {
        if self.groups.len() >= GROUPS_MAX {
            return;
        }
        let client = &self.clients[at];
        let id = ConversationId::group(client.user, &command_id(at, client.order + 1)).to_string();
        self.groups.push(id.clone());
        let member_ids = (0..2).map(|_| self.scheduler.random.i64(1..=USERS)).collect();
        let create = CreateGroup { title: "team".into(), member_ids, open: true };
        self.issue(at, id, Command::CreateGroup(create));
    }

    fn issue_to_group(&mut self, at: usize, command: Command) {
        let count = self.groups.len();
        if count > 0 {
            let id = self.groups[self.scheduler.random.usize(0..count)].clone();
            self.issue(at, id, command);
        }
    }

    fn issue(&mut self, at: usize, id: String, command: Command) {
        let client = &mut self.clients[at];
        client.order += 1;
        let sent = Arc::new(Sent::new(id, command_id(at, client.order), command, false));
        self.wait_for(at, sent);
    }

    fn wait_for(&mut self, at: usize, sent: Arc<Sent>) {
        let client = &mut self.clients[at];
        client.waiting.push(Waiting { sent: sent.clone(), is_refused: false });
        // Before its welcome a client sends nothing: what it has waiting goes first then, in order.
        if let Some(link) = client.link.filter(|_| client.is_greeted) {
            self.send_command(at, link, sent);
        }
    }

    /// The same once more: the same outcome.
    fn repeat(&mut self, at: usize, link: u64) {
        let count = self.clients[at].answered.len();
        if count > 0 {
            let sent = self.clients[at].answered[self.scheduler.random.usize(0..count)].clone();
            self.send_command(at, link, sent);
        }
    }

    /// The newest id with something else. The outcome of the first may come to the gateway once more, late; but this connection
    /// owes no answer to it, so whatever answers this id from now on answers the other one.
    fn reuse_id(&mut self, at: usize) {
        let client = &mut self.clients[at];
        let may = |sent: &Arc<Sent>| !sent.is_other && !client.owed.contains_key(&sent.name());
        let Some(place) = client.answered.iter().rposition(may) else { return };
        let Some(sent) = client.answered.remove(place) else { return };
        let (id, command_id) = sent.name();
        self.oracle.used_again(client.user, (&id, &command_id));
        let other = Sent::new(id, command_id, text("something else".into()), true);
        self.wait_for(at, Arc::new(other));
    }
}
