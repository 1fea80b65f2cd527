//! Who may see an entry: `visible_from <= seq < left_seq`, whatever pushes, repeats or pages it.

use std::collections::BTreeMap;

use im_infra::ids::UserId;
use proto::repo::{self, state_change::Change};

/// The members' intervals while a batch's outcomes are walked in order.
#[derive(Clone, Debug, Default)]
pub struct Audience {
    /// First entry seen, first entry not seen any more (0: none).
    intervals: BTreeMap<UserId, (i64, i64)>,
    /// Changes of entries up to this one are in the intervals.
    upto_seq: i64,
}

impl Audience {
    /// As im-repo told before the append.
    pub fn of(state: &repo::State) -> Self {
        let interval = |member: &repo::Member| (member.user_id, (member.visible_from, member.left_seq));
        Self { intervals: state.members.iter().map(interval).collect(), upto_seq: state.last_seq }
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
                    self.intervals.insert(put.user_id, (seq, 0));
                }
                Change::EndMember(end) => {
                    if let Some(interval) = self.intervals.get_mut(&end.user_id) {
                        interval.1 = seq + 1;
                    }
                }
                Change::Create(_) | Change::SetDisplayName(_) | Change::SetFanOut(_) => {}
            }
        }
    }

    /// Who may see the entry at `seq`.
    pub fn of_entry(&self, seq: i64) -> Vec<UserId> {
        let sees = |&(from, left): &(i64, i64)| from <= seq && (left == 0 || seq < left);
        self.intervals.iter().filter(|(_, interval)| sees(interval)).map(|(&user, _)| user).collect()
    }

    /// Who is there now.
    pub fn present(&self) -> Vec<UserId> {
        self.intervals.iter().filter(|(_, (_, left))| *left == 0).map(|(&user, _)| user).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r05_a_push_is_filtered_by_the_members_intervals() {
        let member =
            |user_id, visible_from, left_seq| repo::Member { user_id, visible_from, left_seq, ..Default::default() };
        let members = vec![member(1, 1, 0), member(2, 5, 0), member(3, 1, 4)];
        let mut audience = Audience::of(&repo::State { members, last_seq: 5, ..Default::default() });
        assert_eq!(audience.of_entry(3), [1, 3]);
        assert_eq!(audience.of_entry(4), [1]);
        assert_eq!(audience.of_entry(5), [1, 2]);
        let change = |change| repo::StateChange { change: Some(change) };
        audience.apply(6, &[change(Change::EndMember(repo::EndMember { user_id: 2 }))]);
        assert_eq!(
            (audience.of_entry(6), audience.of_entry(7)),
            (vec![1, 2], vec![1]),
            "the removed sees the removal, nothing after"
        );
        audience.apply(9, &[change(Change::PutMember(repo::PutMember { user_id: 3, role: 1 }))]);
        assert_eq!(
            (audience.of_entry(3), audience.of_entry(9)),
            (vec![1], vec![1, 3]),
            "joining again replaces the interval"
        );
        assert_eq!(audience.present(), [1, 3]);
        audience.apply(8, &[change(Change::EndMember(repo::EndMember { user_id: 1 }))]);
        assert_eq!(audience.present(), [1, 3], "what is in the intervals already is not applied again");
    }
}
