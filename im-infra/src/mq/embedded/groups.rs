//! Groups: who reads which partition, and whose commit still counts.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::{
    super::{Assignment, Commit, Group, Member, MqError, Topic},
    Shared, layout, lock,
    reader::LogReader,
};

pub(super) struct Groups {
    shared: Arc<Shared>,
    states: Mutex<HashMap<(Group, Topic), GroupState>>,
}

#[derive(Default)]
struct GroupState {
    members: BTreeMap<u64, Arc<Inbox>>,
    /// By partition.
    owners: HashMap<u32, Owner>,
    /// Grows with every change of an owner: an older one is fenced.
    generation: u64,
}

struct Owner {
    member: u64,
    generation: u64,
    lost: CancellationToken,
}

/// Partitions given to a member that it has not taken yet.
#[derive(Default)]
struct Inbox {
    given: Mutex<VecDeque<(u32, u64, CancellationToken)>>,
    arrived: Notify,
}

impl Groups {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, states: Mutex::default() }
    }

    pub(super) fn join(groups: &Arc<Self>, group: Group, topic: Topic) -> LogMember {
        let inbox = Arc::new(Inbox::default());
        let mut states = lock(&groups.states);
        let state = states.entry((group, topic)).or_default();
        let member = state.generation;
        state.generation += 1;
        state.members.insert(member, inbox.clone());
        state.balance(groups.shared.options.partitions);
        LogMember { groups: groups.clone(), group, topic, member, inbox }
    }

    fn leave(&self, group: Group, topic: Topic, member: u64) {
        let mut states = lock(&self.states);
        let state = states.entry((group, topic)).or_default();
        state.members.remove(&member);
        state.balance(self.shared.options.partitions);
    }

    fn commit(&self, mine: &LogCommit, next: u64) -> Result<(), MqError> {
        let states = lock(&self.states);
        let owner = states.get(&(mine.group, mine.topic)).and_then(|state| state.owners.get(&mine.partition));
        if owner.is_none_or(|owner| owner.generation != mine.generation) {
            return Err(MqError::Fenced);
        }
        // Under the lock: a takeover must not read the position between the check and the write.
        self.put(mine.group, mine.topic, mine.partition, next)
    }

    pub(super) fn reset(&self, group: Group, topic: Topic, partition: u32, to: u64) -> Result<(), MqError> {
        let states = lock(&self.states);
        if states.get(&(group, topic)).is_some_and(|state| !state.members.is_empty()) {
            return Err(MqError::Refused(format!("group {} has members", group.name())));
        }
        self.put(group, topic, partition, to)
    }

    fn put(&self, group: Group, topic: Topic, partition: u32, next: u64) -> Result<(), MqError> {
        self.shared.whole()?;
        self.shared.done(self.shared.meta.insert(layout::offset_key(group, topic, partition), next.to_be_bytes()))
    }
}

impl GroupState {
    /// Gives every partition an owner; moves as few as an even share allows.
    fn balance(&mut self, partitions: u32) {
        let members = &self.members;
        self.owners.retain(|_, owner| {
            let stays = members.contains_key(&owner.member);
            if !stays {
                owner.lost.cancel();
            }
            stays
        });
        if members.is_empty() {
            return;
        }
        let share = (partitions as usize).div_ceil(members.len());
        let mut held: BTreeMap<u64, usize> = members.keys().map(|&member| (member, 0)).collect();
        for partition in 0..partitions {
            let stays = self
                .owners
                .get(&partition)
                .is_some_and(|owner| held.get(&owner.member).is_some_and(|&count| count < share));
            let member = if stays {
                self.owners[&partition].member
            } else {
                // The member with the fewest; there is at least one member.
                let Some(member) = held.iter().min_by_key(|(_, count)| **count).map(|(&member, _)| member) else {
                    return;
                };
                self.give(partition, member);
                member
            };
            if let Some(count) = held.get_mut(&member) {
                *count += 1;
            }
        }
    }

    fn give(&mut self, partition: u32, member: u64) {
        self.generation += 1;
        let owner = Owner { member, generation: self.generation, lost: CancellationToken::new() };
        if let Some(inbox) = self.members.get(&member) {
            lock(&inbox.given).push_back((partition, owner.generation, owner.lost.clone()));
            inbox.arrived.notify_one();
        }
        if let Some(before) = self.owners.insert(partition, owner) {
            before.lost.cancel();
        }
    }
}

pub(super) struct LogMember {
    groups: Arc<Groups>,
    group: Group,
    topic: Topic,
    member: u64,
    inbox: Arc<Inbox>,
}

#[async_trait]
impl Member for LogMember {
    async fn next(&mut self) -> Result<Assignment, MqError> {
        loop {
            let given = lock(&self.inbox.given).pop_front();
            let Some((partition, generation, lost)) = given else {
                self.inbox.arrived.notified().await;
                continue;
            };
            if lost.is_cancelled() {
                continue;
            }
            let shared = &self.groups.shared;
            let first = shared.partition(self.topic, partition)?.place().first;
            let from = shared.committed(self.group, self.topic, partition)?.unwrap_or(first);
            let commit =
                LogCommit { groups: self.groups.clone(), group: self.group, topic: self.topic, partition, generation };
            let reader = LogReader::new(shared.clone(), self.topic, partition, from)?;
            return Ok(Assignment { partition, from, reader: Box::new(reader), commit: Arc::new(commit), lost });
        }
    }
}

impl Drop for LogMember {
    fn drop(&mut self) {
        self.groups.leave(self.group, self.topic, self.member);
    }
}

struct LogCommit {
    groups: Arc<Groups>,
    group: Group,
    topic: Topic,
    partition: u32,
    generation: u64,
}

#[async_trait]
impl Commit for LogCommit {
    async fn commit(&self, next: u64) -> Result<(), MqError> {
        self.groups.commit(self, next)
    }
}
