//! All large conversations that this gateway has met.
//!
//! Locks are taken in one order: a user's entry before a conversation's. Nothing is awaited under either.

use std::{
    collections::{HashSet, VecDeque},
    mem,
    sync::Arc,
};

use dashmap::DashMap;
use im_infra::{ids::UserId, interval::Interval};
use proto::{
    message::Entry,
    mq::{Broadcast, MemberIndex},
};

use super::{
    changes,
    conversation::{Conversation, Known, Loading},
};
use crate::connections::is_roomy;

/// The index.
pub struct Index {
    conversations: DashMap<Arc<str>, Conversation>,
    users: DashMap<UserId, Held>,
    /// Conversations without a member here that are remembered; broadcasts that may wait for a load.
    conversations_max: usize,
    waiting_max: usize,
}

/// A user who is connected here.
#[derive(Default)]
struct Held {
    connections: u32,
    /// Where the user has a place in the index.
    conversations: HashSet<Arc<str>>,
}

/// What is to be done after members were loaded.
#[derive(Debug)]
pub enum Next {
    /// Something was missed since the load began: what waits may not go to whom is known now.
    LoadAgain,
    /// These waited.
    FanOut(VecDeque<Broadcast>),
    /// Nothing waits any more, and what comes goes on at once.
    Done,
}

/// What is to be done with a broadcast.
pub enum Admitted {
    /// Fan it out now.
    Now(Broadcast),
    /// It waits; somebody has to [`super::load`] the conversation.
    Load,
    /// It waits for the load that is under way.
    Waits,
    /// Too much waits: what waited is given up, clients must sync.
    GivenUp,
}

impl Index {
    /// Of at most so many conversations without a member here, and so many broadcasts that wait for a load.
    pub fn new(conversations_max: usize, waiting_max: usize) -> Self {
        Self { conversations: DashMap::new(), users: DashMap::new(), conversations_max, waiting_max }
    }

    /// A connection of this user begins: from now on changes of the user's places are taken up.
    pub fn enter(&self, user: UserId) {
        self.users.entry(user).or_default().connections += 1;
    }

    /// A connection of this user ended; with the last one the user's places are forgotten.
    pub fn leave(&self, user: UserId) {
        if let Some(mut held) = self.users.get_mut(&user) {
            held.connections = held.connections.saturating_sub(1);
        }
        // The places go under the user's lock: a connection that begins meanwhile loads them after that.
        self.users.remove_if(&user, |_, held| {
            if held.connections > 0 {
                return false;
            }
            for id in &held.conversations {
                if let Some(mut conversation) = self.conversations.get_mut(id) {
                    conversation.members.remove(&user);
                }
            }
            true
        });
    }

    /// A place of a user, as the store or im-task told it; of users who are not connected here none is kept.
    pub fn merge(&self, conversation_id: &str, user: UserId, place: Interval) {
        self.place(conversation_id, user, |conversation| conversation.merge(user, place));
    }

    fn place(&self, conversation_id: &str, user: UserId, change: impl FnOnce(&mut Conversation)) {
        let Some(mut held) = self.users.get_mut(&user) else { return };
        let id: Arc<str> = match held.conversations.get(conversation_id) {
            Some(id) => id.clone(),
            None => conversation_id.into(),
        };
        change(&mut self.conversations.entry(id.clone()).or_default());
        held.conversations.insert(id);
    }

    /// Everybody who is connected here.
    pub fn users(&self) -> Vec<UserId> {
        self.users.iter().map(|held| *held.key()).collect()
    }

    /// Takes a broadcast: it goes on at once if all members here are known, else it waits until they are.
    pub fn admit(&self, broadcast: Broadcast) -> Admitted {
        self.make_room(&broadcast.conversation_id);
        let mut conversation = self.conversations.entry(broadcast.conversation_id.as_str().into()).or_default();
        match &mut conversation.known {
            Known::Fully => Admitted::Now(broadcast),
            Known::Loading(loading) if loading.waiting.len() >= self.waiting_max => {
                *loading = Loading { waiting: VecDeque::new(), is_whole: false };
                Admitted::GivenUp
            }
            Known::Loading(loading) => {
                loading.waiting.push_back(broadcast);
                Admitted::Waits
            }
            // It brings its members along.
            Known::Partly | Known::Told if broadcast.index.is_some() => Admitted::Now(broadcast),
            Known::Partly | Known::Told => {
                conversation.known = Known::Loading(Loading { waiting: VecDeque::from([broadcast]), is_whole: true });
                Admitted::Load
            }
        }
    }

    /// What is next for who loads the members.
    pub fn next_waiting(&self, conversation_id: &str) -> Next {
        let Some(mut conversation) = self.conversations.get_mut(conversation_id) else { return Next::Done };
        let Known::Loading(loading) = &mut conversation.known else { return Next::Done };
        if !loading.is_whole {
            loading.is_whole = true;
            return Next::LoadAgain;
        }
        if !loading.waiting.is_empty() {
            return Next::FanOut(mem::take(&mut loading.waiting));
        }
        conversation.known = Known::Fully;
        Next::Done
    }

    /// The members that came with the entry that made it large.
    pub fn take_up(&self, conversation_id: &str, index: &MemberIndex) {
        for member in &index.members {
            let place = Interval { visible_from: member.visible_from, left_seq: member.left_seq };
            self.merge(conversation_id, member.user_id, place);
        }
        if let Some(mut conversation) = self.conversations.get_mut(conversation_id) {
            match (&conversation.known, index.more) {
                (Known::Partly, true) => conversation.known = Known::Told,
                (Known::Told, false) => conversation.known = Known::Fully,
                // Something was missed between the parts, or the members are being loaded anyway.
                _ => {}
            }
        }
    }

    /// Takes up what entries of a conversation change, then calls `each` for every user here who may see them. They are a part as
    /// [`together`](super::together) makes them: who may see one of them may see all.
    pub fn fan_out(&self, entries: &[Entry], each: impl FnMut(UserId)) {
        let Some(first) = entries.first() else { return };
        for (user, change) in changes::of(first) {
            self.place(&first.conversation_id, user, |conversation| conversation.change(user, change, first.seq));
        }
        if let Some(conversation) = self.conversations.get(&*first.conversation_id) {
            conversation.recipients(first.seq).for_each(each);
        }
    }

    /// Something was missed: of no conversation all members are known for certain.
    pub fn doubt(&self) {
        self.conversations.iter_mut().for_each(|mut conversation| conversation.doubt());
    }

    /// Something of one conversation was missed; answers the members known here.
    pub fn doubt_one(&self, conversation_id: &str) -> Vec<UserId> {
        let Some(mut conversation) = self.conversations.get_mut(conversation_id) else { return Vec::new() };
        conversation.doubt();
        conversation.members.keys().copied().collect()
    }

    /// Whoever loaded the members of a conversation does so no more: what waits is given up.
    pub(super) fn give_up(&self, conversation_id: &str) {
        if let Some(mut conversation) = self.conversations.get_mut(conversation_id)
            && matches!(conversation.known, Known::Loading(_))
        {
            conversation.known = Known::Partly;
        }
    }

    /// How many conversations are remembered.
    pub(crate) fn len(&self) -> usize {
        self.conversations.len()
    }

    /// Gives back what was needed when many more were connected; from a timer.
    pub(crate) fn tidy(&self) {
        if is_roomy(self.users.len(), self.users.capacity()) {
            self.users.shrink_to_fit();
        }
        for mut conversation in self.conversations.iter_mut() {
            let members = &mut conversation.members;
            if is_roomy(members.len(), members.capacity()) {
                members.shrink_to_fit();
            }
        }
    }

    /// Forgets conversations without a member here; when they are met again they are loaded again.
    fn make_room(&self, conversation_id: &str) {
        if self.conversations.len() >= self.conversations_max && !self.conversations.contains_key(conversation_id) {
            self.conversations.retain(|_, conversation| {
                !conversation.members.is_empty() || matches!(conversation.known, Known::Loading(_))
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::slice;

    use proto::{
        message::{EntryBody, Joined, Removed, entry_body::Kind},
        mq::MemberInterval,
    };

    use super::*;

    fn entry(seq: i64, kind: Option<Kind>) -> Entry {
        Entry { conversation_id: "g:1".into(), seq, body: Some(EntryBody { kind }), ..Entry::default() }
    }

    fn broadcast(seq: i64) -> Broadcast {
        Broadcast { conversation_id: "g:1".into(), entries: vec![entry(seq, None)], ..Broadcast::default() }
    }

    fn sent(index: &Index, entry: &Entry) -> Vec<UserId> {
        let mut users = Vec::new();
        index.fan_out(slice::from_ref(entry), |user| users.push(user));
        users.sort_unstable();
        users
    }

    fn waiting(index: &Index) -> VecDeque<Broadcast> {
        match index.next_waiting("g:1") {
            Next::FanOut(waiting) => waiting,
            next => panic!("{next:?}"),
        }
    }

    fn index() -> Index {
        Index::new(2, 2)
    }

    #[test]
    fn r15_an_unindexed_conversation_is_loaded_before_anything_of_it_is_fanned_out() {
        let index = index();
        index.enter(7);
        assert!(matches!(index.admit(broadcast(1)), Admitted::Load));
        assert!(matches!(index.admit(broadcast(2)), Admitted::Waits));
        index.merge("g:1", 7, Interval::from(2));
        let waiting = waiting(&index);
        assert_eq!(waiting.iter().map(|one| one.entries[0].seq).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(waiting.iter().map(|one| sent(&index, &one.entries[0])).collect::<Vec<_>>(), [vec![], vec![7]]);
        assert!(matches!(index.admit(broadcast(3)), Admitted::Waits), "behind those that are being fanned out");
        assert_eq!(self::waiting(&index).len(), 1);
        assert!(matches!(index.next_waiting("g:1"), Next::Done));
        assert!(matches!(index.admit(broadcast(4)), Admitted::Now(_)));
        index.doubt();
        assert!(matches!(index.admit(broadcast(5)), Admitted::Load), "something was missed");
    }

    #[test]
    fn r15_the_flip_brings_its_members_along() {
        let index = index();
        index.enter(7);
        let member = |user_id| MemberInterval { user_id, visible_from: 1, left_seq: 0 };
        let members = MemberIndex { members: vec![member(7), member(8)], more: true };
        let first = Broadcast { conversation_id: "g:1".into(), index: Some(members.clone()), ..Broadcast::default() };
        assert!(matches!(index.admit(first), Admitted::Now(_)));
        index.take_up("g:1", &members);
        assert!(matches!(index.admit(broadcast(5)), Admitted::Load), "more members were to come");
        let index = self::index();
        index.enter(7);
        index.admit(Broadcast { conversation_id: "g:1".into(), index: Some(members.clone()), ..Broadcast::default() });
        index.take_up("g:1", &members);
        let last = MemberIndex::default();
        assert!(matches!(index.admit(Broadcast { index: Some(last.clone()), ..broadcast(1) }), Admitted::Now(_)));
        index.take_up("g:1", &last);
        let Admitted::Now(next) = index.admit(broadcast(5)) else { panic!("all members are known") };
        assert_eq!(sent(&index, &next.entries[0]), [7], "8 is not connected here");
        // What was missed between the parts may have been members.
        let index = self::index();
        index.admit(Broadcast { conversation_id: "g:1".into(), index: Some(members.clone()), ..Broadcast::default() });
        index.take_up("g:1", &members);
        index.doubt();
        index.take_up("g:1", &last);
        assert!(matches!(index.admit(broadcast(5)), Admitted::Load));
    }

    #[test]
    fn r05_a_repeated_join_does_not_bring_back_who_was_removed() {
        let index = index();
        index.enter(7);
        // As the hello loads it: joined with 6, removed with 20.
        index.merge("g:1", 7, Interval::from(6).until(20));
        let joined = entry(6, Some(Kind::Joined(Joined { user_ids: vec![7] })));
        assert_eq!(sent(&index, &joined), [7]);
        assert!(sent(&index, &entry(21, None)).is_empty());
    }

    #[test]
    fn r14_members_come_and_go_with_the_entries_and_with_their_connections() {
        let index = index();
        index.enter(7);
        index.enter(8);
        index.enter(8);
        let joined = entry(3, Some(Kind::Joined(Joined { user_ids: vec![7, 8, 9] })));
        assert_eq!(sent(&index, &joined), [7, 8], "9 is not connected here");
        let removed = entry(4, Some(Kind::Removed(Removed { user_id: 7 })));
        assert_eq!(sent(&index, &removed), [7, 8]);
        assert_eq!(sent(&index, &entry(5, None)), [8]);
        index.leave(8);
        assert_eq!(sent(&index, &entry(6, None)), [8], "on another device still");
        index.leave(8);
        assert!(sent(&index, &entry(7, None)).is_empty());
        index.enter(8);
        assert!(sent(&index, &entry(8, None)).is_empty(), "until the places are loaded");
        index.merge("g:1", 8, Interval::from(3));
        assert_eq!(sent(&index, &entry(9, None)), [8]);
    }

    #[test]
    fn what_waits_and_what_is_remembered_is_bounded() {
        let index = index();
        assert!(matches!(index.admit(broadcast(1)), Admitted::Load));
        assert!(matches!(index.admit(broadcast(2)), Admitted::Waits));
        assert!(matches!(index.admit(broadcast(3)), Admitted::GivenUp));
        assert!(matches!(index.admit(broadcast(4)), Admitted::Waits));
        assert!(matches!(index.next_waiting("g:1"), Next::LoadAgain), "what was given up may have told of members");
        assert_eq!(waiting(&index).len(), 1);
        assert!(matches!(index.next_waiting("g:1"), Next::Done));
        for number in 0..10 {
            let id = format!("g:{number}");
            for more in [true, false] {
                let nobody = MemberIndex { more, ..MemberIndex::default() };
                let index_of_nobody = Some(nobody.clone());
                index.admit(Broadcast { conversation_id: id.clone(), index: index_of_nobody, ..Broadcast::default() });
                index.take_up(&id, &nobody);
            }
        }
        assert!(index.len() <= 3, "{}", index.len());
    }
}
