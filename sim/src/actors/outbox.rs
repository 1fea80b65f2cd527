//! What leaves after a batch, station by station: outcomes, entries by im-infra's whereabouts and letters, work for im-task,
//! what follows; then the commit.

use std::collections::BTreeMap;

use bytes::Bytes;
use futures_util::FutureExt as _;
use im_infra::{
    gateways::{Gateway, Letters, Whereabouts},
    ids::UserId,
    mq::{NewRecord, Room, Topic},
};
use im_logic::domain::{Audience, Reach};
use prost::Message as _;
use proto::{
    message::Entry,
    mq::{FanOut, FanOutEntry, Outcome, Receipt, Stored, Task, outcome, task},
    repo::decision::Verdict,
};

use super::logic::{Arrival, Stage, Work};
use crate::{bug::Bug, event::Address, world::World};

/// More records than the letters of a batch become.
const LETTERS_MAX: usize = 4;

fn recipients(work: &Work) -> Vec<UserId> {
    let mut users: Vec<UserId> = work.receipts.iter().flat_map(|receipt| receipt.recipients.clone()).collect();
    for done in &work.done {
        if let Some((_, Reach::Users(some))) = &done.push {
            users.extend(some);
        }
    }
    users.sort_unstable();
    users.dedup();
    users
}

impl World {
    /// Where users are, as it is known now.
    pub(crate) fn find(&self, users: &[UserId]) -> Whereabouts {
        self.whereabouts.find(users).now_or_never().unwrap_or_default()
    }

    pub(crate) fn post(&mut self, letters: Letters) -> bool {
        self.doom(LETTERS_MAX);
        self.whereabouts.send(letters).now_or_never().is_some_and(|sent| sent.is_ok())
    }

    fn answer(&self, letters: &mut Letters, arrival: &Arrival, result: outcome::Result) {
        if arrival.origin.instance.is_empty() {
            return;
        }
        let hash = &arrival.command.payload_hash;
        let outcome = Outcome {
            user_id: arrival.command.sender,
            conversation_id: arrival.command.conversation.to_string(),
            command_id: arrival.command.id.to_string(),
            result: Some(result),
            trace_parent: String::new(),
            payload_hash: if self.has(Bug::OutcomeWithoutHash) { Bytes::new() } else { hash.clone() },
        };
        let gateway = Gateway { instance: arrival.origin.instance.clone(), slot: arrival.origin.slot };
        letters.to(&gateway, outcome.encoded_len()).outcomes.push(outcome);
    }

    pub(crate) fn send_outcomes(&mut self, address: Address, work: Box<Work>) {
        let mut letters = Letters::default();
        for done in &work.done {
            self.answer(&mut letters, &work.arrivals[done.arrival], done.result.clone());
        }
        if self.post(letters) {
            self.wait(address, work, Stage::Find);
        } else {
            self.retry(address, work);
        }
    }

    pub(crate) fn find_recipients(&mut self, address: Address, mut work: Box<Work>) {
        let users = recipients(&work);
        if users.is_empty() {
            return self.wait(address, work, Stage::Tasks);
        }
        if work.whereabouts.is_none() {
            work.whereabouts = Some(self.find(&users));
        }
        self.wait(address, work, Stage::Letters);
    }

    pub(crate) fn send_letters(&mut self, address: Address, mut work: Box<Work>) {
        let whereabouts = work.whereabouts.take().unwrap_or_default();
        let pushes = work.done.iter().filter_map(|done| done.push.as_ref());
        let mut small: Vec<(&Entry, &Vec<UserId>)> = pushes
            .filter_map(|(entry, reach)| match reach {
                Reach::Users(users) => Some((entry, users)),
                Reach::Conversation => None,
            })
            .collect();
        // Conversations may have been decided in several rounds.
        small.sort_by(|(a, _), (b, _)| (&a.conversation_id, a.seq).cmp(&(&b.conversation_id, b.seq)));
        let mut letters = Letters::default();
        for (entry, users) in small {
            for (gateway, here) in whereabouts.split(users) {
                letters.deliver(&gateway, entry, &here, "");
            }
        }
        for receipt in &work.receipts {
            for (gateway, recipients) in whereabouts.split(&receipt.recipients) {
                let part = Receipt { recipients, ..receipt.clone() };
                letters.to(&gateway, part.encoded_len()).receipts.push(part);
            }
        }
        if self.post(letters) {
            self.wait(address, work, Stage::Tasks);
        } else {
            self.retry(address, work);
        }
    }

    pub(crate) fn send_tasks(&mut self, address: Address, work: Box<Work>) {
        let mut tasks: BTreeMap<String, Vec<FanOutEntry>> = BTreeMap::new();
        for done in &work.done {
            if let Some((entry, Reach::Conversation)) = &done.push {
                let part = FanOutEntry { entry: Some(entry.clone()), trace_parent: String::new() };
                tasks.entry(entry.conversation_id.clone()).or_default().push(part);
            }
        }
        let record = |(conversation_id, mut entries): (String, Vec<FanOutEntry>)| {
            entries.sort_by_key(|part| part.entry.as_ref().map_or(0, |entry| entry.seq));
            let fan_out = FanOut { conversation_id: conversation_id.clone(), entries };
            let task = Task { kind: Some(task::Kind::FanOut(fan_out)) };
            NewRecord::keyed(conversation_id, task.encode_to_vec())
        };
        let records = tasks.into_iter().map(record).collect();
        if self.produce(Topic::Task, records, Room::Internal) {
            self.wait(address, work, Stage::FollowUps);
        } else {
            self.retry(address, work);
        }
    }

    pub(crate) fn send_follow_ups(&mut self, address: Address, work: Box<Work>) {
        let follow_ups = work.done.iter().filter_map(|done| done.follow_up.as_ref());
        let records: Vec<NewRecord> = follow_ups
            .map(|command| NewRecord::keyed(command.conversation_id.clone(), command.encode_to_vec()))
            .collect();
        if self.produce(Topic::Upstream, records, Room::Internal) {
            self.wait(address, work, Stage::Commit);
        } else {
            self.retry(address, work);
        }
    }

    /// Planted bugs that say something before the store does.
    pub(crate) fn leak(&mut self, work: &mut Work) {
        let (acks, pushes) = (self.has(Bug::AckBeforeCommit), self.has(Bug::PushBeforeCommit));
        if self.has(Bug::RoutesBeforeCommit) {
            let everybody: Vec<UserId> = self.users.iter().copied().collect();
            work.whereabouts = Some(self.find(&everybody));
        }
        if !acks && !pushes {
            return;
        }
        let mut letters = Letters::default();
        for round in &work.round {
            let Some(state) = work.states.get(&round.id) else { continue };
            let mut seq = state.last_seq;
            for (&arrival, decision) in round.arrivals.iter().zip(&round.group.decisions) {
                let Some(Verdict::Accepted(accepted)) = &decision.verdict else { continue };
                seq += 1;
                if acks {
                    let stored = Stored { seq, message_id: accepted.message_id, ..Stored::default() };
                    self.answer(&mut letters, &work.arrivals[arrival], outcome::Result::Stored(stored));
                }
                if pushes && let Reach::Users(users) = Audience::of(state).reach(seq) {
                    let entry = Entry {
                        conversation_id: round.id.clone(),
                        seq,
                        message_id: accepted.message_id,
                        sender_id: decision.sender_id,
                        command_id: decision.command_id.clone(),
                        body: accepted.body.clone(),
                        ..Entry::default()
                    };
                    for (gateway, here) in self.find(&users).split(&users) {
                        letters.deliver(&gateway, &entry, &here, "");
                    }
                }
            }
        }
        self.post(letters);
    }
}
