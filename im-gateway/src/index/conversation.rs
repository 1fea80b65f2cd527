//! One large conversation as this gateway knows it.

use std::collections::{HashMap, VecDeque};

use im_infra::{ids::UserId, interval::Interval};
use proto::mq::Broadcast;

use super::changes::Change;

/// How much is known of it.
#[derive(Debug, Default)]
pub(super) enum Known {
    /// Perhaps not every member who is connected here.
    #[default]
    Partly,
    /// Those who are here are being told, part by part, before the entry that made it large.
    Told,
    /// The members are being loaded.
    Loading(Loading),
    /// Every member who is connected here.
    Fully,
}

/// What happens while the members are being loaded.
#[derive(Debug)]
pub(super) struct Loading {
    /// What came meanwhile, in order.
    pub(super) waiting: VecDeque<Broadcast>,
    /// Nothing was missed since the load began.
    pub(super) is_whole: bool,
}

/// A large conversation: the members connected here, and what waits to be fanned out.
#[derive(Debug, Default)]
pub(super) struct Conversation {
    pub(super) known: Known,
    pub(super) members: HashMap<UserId, Interval>,
}

impl Conversation {
    /// Something was missed that may have told of members.
    pub(super) fn doubt(&mut self) {
        match &mut self.known {
            Known::Loading(loading) => loading.is_whole = false,
            known => *known = Known::Partly,
        }
    }

    /// A place as the store or im-task told it: the later change holds.
    pub(super) fn merge(&mut self, user: UserId, place: Interval) {
        let held = self.members.entry(user).or_insert(place);
        if place.changed_at() >= held.changed_at() {
            *held = place;
        }
    }

    /// A place as the entry at `seq` changes it.
    pub(super) fn change(&mut self, user: UserId, change: Change, seq: i64) {
        let from_here = Interval::from(seq);
        match change {
            Change::Came => self.merge(user, from_here),
            Change::Went => {
                // Of one whose place is not known yet, only the end is.
                let held = self.members.entry(user).or_insert(from_here);
                if held.is_present() && held.changed_at() <= seq {
                    *held = held.until(seq);
                }
            }
        }
    }

    /// Who may see the entry at `seq`.
    pub(super) fn recipients(&self, seq: i64) -> impl Iterator<Item = UserId> {
        self.members.iter().filter(move |(_, place)| place.sees(seq)).map(|(user, _)| *user)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sees(conversation: &Conversation, seq: i64) -> Vec<UserId> {
        let mut users: Vec<UserId> = conversation.recipients(seq).collect();
        users.sort_unstable();
        users
    }

    #[test]
    fn r14_places_merge_by_the_highest_seq_in_whatever_order_they_come() {
        let steps: [&dyn Fn(&mut Conversation); 4] = [
            &|one| one.change(1, Change::Came, 5),
            &|one| one.change(1, Change::Went, 9),
            &|one| one.change(1, Change::Came, 12),
            // What a load read before the last of them.
            &|one| one.merge(1, Interval { visible_from: 5, left_seq: 10 }),
        ];
        for first in 0..4 {
            let mut conversation = Conversation::default();
            for step in 0..4 {
                steps[(first + step) % 4](&mut conversation);
            }
            let held = conversation.members[&1];
            assert_eq!(held, Interval::from(12), "beginning with step {first}");
        }
    }

    #[test]
    fn r05_in_a_large_conversation_too_the_removed_sees_the_removal_and_nothing_after() {
        let mut conversation = Conversation::default();
        conversation.merge(1, Interval::from(1));
        conversation.merge(2, Interval::from(1));
        conversation.change(2, Change::Went, 7);
        assert_eq!((sees(&conversation, 7), sees(&conversation, 8)), (vec![1, 2], vec![1]));
        conversation.change(3, Change::Went, 9);
        assert_eq!(
            (sees(&conversation, 8), sees(&conversation, 9)),
            (vec![1], vec![1, 3]),
            "not known but for the end"
        );
        conversation.merge(3, Interval::from(4));
        assert_eq!(sees(&conversation, 10), [1], "an older place does not come back");
    }
}
