//! A client: sends, follows, reads, sends again what has no outcome.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use im_infra::ids::UserId;
use im_logic::domain::digest::mix64;
use proto::{ErrorCode, common, message::Entry};

use super::{
    following::Following,
    sent::{Sent, Waiting},
};
use crate::{
    event::{Down, Event, Up},
    world::World,
};

/// Until a client comes back.
const RECONNECT_US: (u64, u64) = (20_000, 800_000);
/// Until a hole is fetched; and what was refused for now is sent again.
const HOLE_US: (u64, u64) = (500_000, 2_000_000);
const RESEND_US: (u64, u64) = (100_000, 300_000);
/// Answered commands that may be sent again.
const ANSWERED_MAX: usize = 6;

/// A device.
pub(crate) struct Client {
    pub(crate) user: UserId,
    pub(crate) link: Option<u64>,
    pub(crate) is_greeted: bool,
    pub(super) order: u64,
    /// In the order of sending.
    pub(crate) waiting: Vec<Waiting>,
    pub(super) answered: VecDeque<Arc<Sent>>,
    /// How many answers this connection owes, by conversation and command.
    pub(super) owed: BTreeMap<(String, String), u32>,
    pub(crate) following: BTreeMap<String, Following>,
    /// What was pushed over this connection.
    pub(crate) pushed: BTreeMap<String, BTreeSet<i64>>,
}

impl Client {
    pub(crate) fn new(user: UserId) -> Self {
        Self {
            user,
            link: None,
            is_greeted: false,
            order: 0,
            waiting: Vec::new(),
            answered: VecDeque::new(),
            owed: BTreeMap::new(),
            following: BTreeMap::new(),
            pushed: BTreeMap::new(),
        }
    }

    pub(crate) fn digest(&self) -> Option<(u32, u64)> {
        if self.following.is_empty() {
            return None;
        }
        let present = self.following.iter().filter(|(_, following)| !following.has_left);
        Some(present.fold((0, 0), |(count, sum), (id, following)| {
            (count + 1, sum.wrapping_add(mix64(id, following.upto, following.my_rev())))
        }))
    }

    /// Whatever it says, it answers one sending.
    fn got_answer(&mut self, name: (String, String)) {
        if let Some(owed @ 2..) = self.owed.remove(&name) {
            self.owed.insert(name, owed - 1);
        }
    }
}

impl World {
    pub(crate) fn connect(&mut self, at: usize) {
        if self.clients[at].link.is_some() {
            return;
        }
        let gateway = self.scheduler.random.usize(0..self.gateways.len());
        if !self.gateways[gateway].is_up {
            self.scheduler.within(RECONNECT_US, Event::Connect(at));
            return;
        }
        let link = self.open(at, gateway);
        let client = &mut self.clients[at];
        client.link = Some(link);
        client.is_greeted = false;
        client.pushed.clear();
        client.owed.clear();
        client.following.values_mut().for_each(|following| following.is_checking = false);
        let digest = client.digest();
        self.send_up(link, Up::Hello(digest));
    }

    pub(crate) fn client_lost(&mut self, link: u64) {
        self.forget_link(link);
        let Some(at) = self.link(link).map(|link| link.client) else { return };
        let client = &mut self.clients[at];
        if client.link == Some(link) {
            client.link = None;
            client.is_greeted = false;
            self.scheduler.within(RECONNECT_US, Event::Connect(at));
        }
    }

    pub(crate) fn sync_again(&mut self, at: usize, link: u64) {
        let client = &self.clients[at];
        if client.link == Some(link) && client.is_greeted {
            let present = client.following.iter().filter(|(_, following)| !following.has_left);
            let known = present.map(|(id, following)| following.known(id)).collect();
            self.send_up(link, Up::Sync(known));
        }
    }

    pub(crate) fn arrive_down(&mut self, link: u64, down: Down) {
        let Some(at) = self.link(link).map(|link| link.client) else { return };
        if !self.is_open(link) || self.clients[at].link != Some(link) {
            return;
        }
        match down {
            Down::Welcome { resumed } => self.welcomed(at, link, resumed),
            Down::Ack { conversation, command, seq } => self.acknowledged(at, (&conversation, &command), seq),
            Down::Error { conversation, command, error } => self.refused(at, link, (conversation, &command), &error),
            Down::Entry(entry) => {
                self.clients[at].pushed.entry(entry.conversation_id.clone()).or_default().insert(entry.seq);
                let was_there = self.follows(at, &entry.conversation_id);
                self.take_entry(at, &entry);
                if !was_there && self.follows(at, &entry.conversation_id) {
                    // It may have been pushed again to somebody who has left since.
                    self.sync_again(at, link);
                }
                self.plan_check(at, link, &entry.conversation_id);
            }
            Down::Entries { conversation, entries, visible_from, visible_to } => {
                entries.iter().for_each(|entry| self.take_entry(at, entry));
                if let Some(following) = self.clients[at].following.get_mut(&conversation) {
                    following.begin_at(visible_from);
                    if visible_to > 0 {
                        following.go(visible_to);
                    }
                }
            }
            Down::SyncPage { items, gone, done } => {
                for item in items {
                    let Some(conversation) = &item.conversation else { continue };
                    let id = conversation.conversation_id.clone();
                    self.clients[at].following.entry(id.clone()).or_default().told(conversation);
                    item.entries.iter().for_each(|entry| self.take_entry(at, entry));
                    self.plan_check(at, link, &id);
                }
                self.clients[at].following.retain(|id, _| !gone.contains(id));
                if done {
                    let all: Vec<String> = self.clients[at].following.keys().cloned().collect();
                    all.iter().for_each(|id| self.plan_check(at, link, id));
                }
            }
            Down::ReadFailed => self.scheduler.within(RESEND_US, Event::SyncAgain(at, link)),
            Down::Receipt(receipt) => {
                let client = &mut self.clients[at];
                if let Some(following) = client.following.get_mut(&receipt.conversation_id) {
                    if receipt.user_id == client.user {
                        following.read(receipt.read_seq);
                    } else if receipt.conversation_id.starts_with("d:") {
                        following.peer_read(receipt.read_seq);
                    }
                }
            }
            Down::Resync => self.sync_again(at, link),
        }
    }

    fn follows(&self, at: usize, id: &str) -> bool {
        self.clients[at].following.get(id).is_some_and(|following| !following.has_left)
    }

    fn welcomed(&mut self, at: usize, link: u64, resumed: bool) {
        self.clients[at].is_greeted = true;
        if resumed {
            // A cursor may have been lost with a gateway.
            let unconfirmed = |(id, following): (&String, &Following)| Some((id.clone(), following.unconfirmed()?));
            let again: Vec<(String, i64)> = self.clients[at].following.iter().filter_map(unconfirmed).collect();
            again.into_iter().for_each(|(id, seq)| self.send_up(link, Up::Read(id, seq)));
        } else {
            self.sync_again(at, link);
        }
        let again: Vec<Arc<Sent>> = self.clients[at].waiting.iter().map(|waiting| waiting.sent.clone()).collect();
        for sent in again {
            self.send_command(at, link, sent);
        }
        self.clients[at].waiting.iter_mut().for_each(|waiting| waiting.is_refused = false);
    }

    pub(super) fn send_command(&mut self, at: usize, link: u64, sent: Arc<Sent>) {
        *self.clients[at].owed.entry(sent.name()).or_default() += 1;
        self.send_up(link, Up::Command(sent));
    }

    fn take_entry(&mut self, at: usize, entry: &Entry) {
        let user = self.clients[at].user;
        self.mix(entry.seq.cast_unsigned());
        let judged = self.oracle.reached(user, entry);
        self.judge(judged);
        self.clients[at].following.entry(entry.conversation_id.clone()).or_default().take(user, entry);
    }

    fn plan_check(&mut self, at: usize, link: u64, id: &str) {
        let Some(following) = self.clients[at].following.get_mut(id) else { return };
        if following.has_hole() && !following.is_checking {
            following.is_checking = true;
            self.scheduler.within(HOLE_US, Event::HoleCheck(at, link, id.to_owned()));
        }
    }

    pub(crate) fn check_hole(&mut self, at: usize, link: u64, id: String) {
        if self.clients[at].link != Some(link) {
            return;
        }
        let Some(following) = self.clients[at].following.get_mut(&id) else { return };
        match following.ahead.first().copied() {
            None => following.is_checking = false,
            Some(first) => {
                let fetch = Up::Fetch(id.clone(), following.upto + 1, first - 1);
                self.send_up(link, fetch);
                self.scheduler.within(HOLE_US, Event::HoleCheck(at, link, id));
            }
        }
    }

    fn acknowledged(&mut self, at: usize, (id, command): (&str, &str), seq: i64) {
        self.answers += 1;
        let client = &mut self.clients[at];
        client.got_answer((id.to_owned(), command.to_owned()));
        let user = client.user;
        let judged = self.oracle.acknowledged(user, (id, command), seq);
        self.judge(judged);
        self.answered(at, (id, command));
    }

    fn answered(&mut self, at: usize, (id, command): (&str, &str)) {
        let client = &mut self.clients[at];
        let same = |waiting: &Waiting| waiting.sent.id == id && waiting.sent.command_id == command;
        let Some(place) = client.waiting.iter().position(same) else { return };
        client.answered.push_back(client.waiting.remove(place).sent);
        if client.answered.len() > ANSWERED_MAX {
            client.answered.pop_front();
        }
    }

    fn refused(&mut self, at: usize, link: u64, (id, command): (String, &str), error: &common::Error) {
        let client = &mut self.clients[at];
        client.got_answer((id.clone(), command.to_owned()));
        let code = ErrorCode::parse(&error.code).unwrap_or(ErrorCode::Internal);
        let waiting = client.waiting.iter_mut().find(|one| one.sent.id == id && one.sent.command_id == command);
        if code.retryable() {
            match waiting {
                // An unknown outcome is followed by the end of the connection.
                _ if code == ErrorCode::OutcomeUnknown => {}
                Some(waiting) => {
                    waiting.is_refused = true;
                    self.scheduler.within(RESEND_US, Event::Resend(at, link, id));
                }
                // A repetition of what has its outcome: nothing may wait for it.
                None => self.send_up(link, Up::Abandon(id, command.to_owned())),
            }
            return;
        }
        self.answers += 1;
        let user = client.user;
        let judged = self.oracle.refused(user, (&id, command), &error.code);
        self.judge(judged);
        self.answered(at, (&id, command));
    }

    /// The first one that was refused for now, and in their order all that were sent after it: these were held back, though
    /// not every refusal may have arrived.
    pub(crate) fn resend(&mut self, at: usize, link: u64, id: &str) {
        if self.clients[at].link != Some(link) || !self.clients[at].is_greeted {
            return;
        }
        let waiting = self.clients[at].waiting.iter_mut().filter(|one| one.sent.id == id);
        let again: Vec<Arc<Sent>> = waiting
            .skip_while(|one| !one.is_refused)
            .map(|one| {
                one.is_refused = false;
                one.sent.clone()
            })
            .collect();
        for sent in again {
            self.send_command(at, link, sent);
        }
    }
}
