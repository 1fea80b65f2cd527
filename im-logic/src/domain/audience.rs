//! Who may see an entry: `visible_from <= seq < left_seq`, whatever pushes, repeats or pages it.

use std::collections::BTreeMap;

use im_infra::ids::UserId;
use proto::repo::{self, state_change::Change};

/// The members' intervals while a batch's outcomes are walked in order.
#[derive(Clone, Debug, Default)]
pub struct Audience {
    /// First entry seen, first entry not seen any more (0: none).
    intervals: BTreeMap<UserId, (i64, i64)>,
}

impl Audience {
    /// As im-repo told before the append.
    pub fn of(members: &[repo::Member]) -> Self {
        Self {
            intervals: members.iter().map(|member| (member.user_id, (member.visible_from, member.left_seq))).collect(),
        }
    }

    /// An entry with these changes was stored at `seq`.
    pub fn apply(&mut self, seq: i64, changes: &[repo::StateChange]) {
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
        let mut audience = Audience::of(&[member(1, 1, 0), member(2, 5, 0), member(3, 1, 4)]);
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
    }
}
