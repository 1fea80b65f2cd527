//! Who may see an entry: `visible_from <= seq < left_seq`, whatever pushes, repeats or pages it.

use std::collections::BTreeMap;

use im_infra::{
    ids::UserId,
    interval::Interval,
    planted::{self, Bug},
};
use proto::{
    common::FanOutMode,
    repo::{self, state_change::Change},
};

/// The members' intervals while a batch's outcomes are walked in order.
#[derive(Clone, Debug, Default)]
pub struct Audience {
    intervals: BTreeMap<UserId, Interval>,
    /// Its members are not known here, and nobody asks for them here.
    is_large: bool,
    /// Changes of entries up to this one are in the above.
    upto_seq: i64,
}

/// Whom an entry is pushed to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    /// To these users, by the gateways that hold them.
    Users(Vec<UserId>),
    /// To a large conversation: every gateway finds the members that it holds.
    Conversation,
}

impl Audience {
    /// As im-repo told before the append.
    pub fn of(state: &repo::State) -> Self {
        let interval = |member: &repo::Member| {
            (member.user_id, Interval { visible_from: member.visible_from, left_seq: member.left_seq })
        };
        Self {
            intervals: state.members.iter().map(interval).collect(),
            is_large: state.fan_out() == FanOutMode::Large,
            upto_seq: state.last_seq,
        }
    }

    /// An entry with these changes lies at `seq`, stored now or, unseen by what was read, before.
    pub fn apply(&mut self, seq: i64, changes: &[repo::StateChange]) {
        if seq <= self.upto_seq {
            return;
        }
        self.upto_seq = seq;
        for change in changes.iter().filter_map(|change| change.change.as_ref()) {
            match change {
                Change::PutMember(put) => {
                    self.intervals.insert(put.user_id, Interval::from(seq));
                }
                Change::EndMember(end) => {
                    if let Some(interval) = self.intervals.get_mut(&end.user_id) {
                        *interval = interval.until(seq);
                    }
                }
                Change::SetFanOut(mode) => self.is_large = *mode == FanOutMode::Large as i32,
                Change::Create(_) | Change::SetDisplayName(_) => {}
            }
        }
    }

    /// Whom the entry at `seq` is pushed to.
    pub fn reach(&self, seq: i64) -> Reach {
        if self.is_large {
            return Reach::Conversation;
        }
        let sees = |interval: &Interval| interval.sees(seq) || planted::is(Bug::DeliverToRemoved);
        Reach::Users(self.intervals.iter().filter(|(_, interval)| sees(interval)).map(|(&user, _)| user).collect())
    }

    /// Who is there now, in a conversation that is not large.
    pub fn present(&self) -> Vec<UserId> {
        if self.is_large {
            return Vec::new();
        }
        self.intervals.iter().filter(|(_, interval)| interval.is_present()).map(|(&user, _)| user).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(change: Change) -> repo::StateChange {
        repo::StateChange { change: Some(change) }
    }

    fn users<const N: usize>(users: [UserId; N]) -> Reach {
        Reach::Users(users.into())
    }

    #[test]
    fn r05_a_push_is_filtered_by_the_members_intervals() {
        let member =
            |user_id, visible_from, left_seq| repo::Member { user_id, visible_from, left_seq, ..Default::default() };
        let members = vec![member(1, 1, 0), member(2, 5, 0), member(3, 1, 4)];
        let mut audience = Audience::of(&repo::State { members, last_seq: 5, ..Default::default() });
        assert_eq!(audience.reach(3), users([1, 3]));
        assert_eq!(audience.reach(4), users([1]));
        assert_eq!(audience.reach(5), users([1, 2]));
        audience.apply(6, &[change(Change::EndMember(repo::EndMember { user_id: 2 }))]);
        assert_eq!(
            (audience.reach(6), audience.reach(7)),
            (users([1, 2]), users([1])),
            "the removed sees the removal, nothing after"
        );
        audience.apply(9, &[change(Change::PutMember(repo::PutMember { user_id: 3, role: 1 }))]);
        assert_eq!(
            (audience.reach(3), audience.reach(9)),
            (users([1]), users([1, 3])),
            "joining again replaces the interval"
        );
        assert_eq!(audience.present(), [1, 3]);
        audience.apply(8, &[change(Change::EndMember(repo::EndMember { user_id: 1 }))]);
        assert_eq!(audience.present(), [1, 3], "what is in the intervals already is not applied again");
    }

    #[test]
    fn r14_every_entry_from_the_flip_on_is_for_the_conversation() {
        let members = vec![repo::Member { user_id: 1, visible_from: 1, ..Default::default() }];
        let state = repo::State { members, last_seq: 5, fan_out: FanOutMode::Small.into(), ..Default::default() };
        let mut audience = Audience::of(&state);
        assert_eq!(audience.reach(6), users([1]));
        audience.apply(7, &[change(Change::SetFanOut(FanOutMode::Large.into()))]);
        assert_eq!(audience.reach(7), Reach::Conversation, "the flip itself");
        assert_eq!(Audience::of(&repo::State { fan_out: 2, ..state }).reach(3), Reach::Conversation, "a repetition");
        assert!(audience.present().is_empty(), "no receipts");
    }
}
