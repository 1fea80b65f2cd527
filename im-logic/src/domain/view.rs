//! What a member may see of a conversation, and what a device lacks of it. Whatever is read for users is cut here.

use im_infra::{
    interval::Interval,
    planted::{self, Bug},
};
use proto::{
    conversation::{Conversation, Known},
    repo::{Head, Member, Membership},
};

use super::digest::my_rev;

/// What a member sees of a conversation; who left sees it as it was then. Who the peer is, others know.
pub fn conversation(head: Head, membership: &Membership) -> Conversation {
    let member = membership.member.unwrap_or_default();
    let left = member.left_seq != 0;
    let interval = Interval { visible_from: member.visible_from, left_seq: member.left_seq };
    let unread = if planted::is(Bug::UnreadByCounting) {
        head.last_seq - member.read_seq
    } else {
        head.last_msg_no - membership.read_msg_no
    };
    Conversation {
        kind: head.kind,
        title: head.title,
        last_seq: if left { head.last_seq.min(member.left_seq - 1) } else { head.last_seq },
        last_msg_no: if left { 0 } else { head.last_msg_no },
        first_seq: head.first_seq,
        member_count: if left { 0 } else { head.member_count },
        role: member.role,
        visible_from: member.visible_from,
        left_seq: member.left_seq,
        read_seq: member.read_seq,
        unread: if left { 0 } else { unread.max(0) },
        peer_read_seq: membership.peer_read_seq,
        peer: None,
        last_entry: head.last_entry.filter(|entry| interval.sees(entry.seq)),
        my_rev: my_rev(member.read_seq, membership.peer_read_seq, member.visible_from),
        conversation_id: head.conversation_id,
    }
}

/// The entries of a range that a member may see, first and last; nothing if the first is behind the last. `to_seq` 0: to the
/// newest.
pub fn range(member: &Member, from_seq: i64, to_seq: i64) -> (i64, i64) {
    let visible_from = if planted::is(Bug::PageNotCut) { 1 } else { member.visible_from };
    let from = from_seq.max(visible_from).max(1);
    (from, if to_seq <= 0 { visible_to(member) } else { to_seq.min(visible_to(member)) })
}

/// The last entry that a member may see; of who is present whatever comes.
pub const fn visible_to(member: &Member) -> i64 {
    if member.left_seq == 0 { i64::MAX } else { member.left_seq - 1 }
}

/// Whether a sync tells a device of a conversation. One that was left is told once to a device that still has it: with the
/// removal itself, and as what it is now.
pub fn is_owed(conversation: &Conversation, has: Option<&Known>) -> bool {
    if conversation.left_seq != 0 {
        return has.is_some_and(|has| has.seq < conversation.last_seq);
    }
    has.is_none_or(|has| has.seq != conversation.last_seq || has.my_rev != conversation.my_rev)
}

/// The first entry of a conversation that a device lacks and may see; none if it has them all.
pub fn first_lacked(conversation: &Conversation, has: Option<&Known>) -> Option<i64> {
    let from_seq = has.map_or(0, |has| has.seq).saturating_add(1).max(conversation.visible_from).max(1);
    (from_seq <= conversation.last_seq).then_some(from_seq)
}

#[cfg(test)]
mod tests {
    use proto::message::Entry;

    use super::*;

    fn member(visible_from: i64, left_seq: i64) -> Member {
        Member { user_id: 7, visible_from, left_seq, read_seq: 5, ..Member::default() }
    }

    fn seen(left_seq: i64) -> Conversation {
        let last_entry = Some(Entry { seq: 9, ..Entry::default() });
        let head = Head { last_seq: 9, last_msg_no: 8, member_count: 3, last_entry, ..Head::default() };
        let membership = Membership {
            conversation_id: "d:7:8".into(),
            member: Some(member(2, left_seq)),
            read_msg_no: 5,
            peer_read_seq: 4,
        };
        conversation(head, &membership)
    }

    #[test]
    fn r05_a_page_holds_nothing_outside_the_members_interval() {
        assert_eq!(range(&member(4, 0), 0, 0), (4, i64::MAX));
        assert_eq!(range(&member(4, 9), 0, 0), (4, 8), "the removal itself is the last");
        assert_eq!(range(&member(4, 9), 6, 20), (6, 8));
        assert_eq!(range(&member(0, 0), -3, 2), (1, 2));
        let (from, to) = range(&member(4, 9), 9, 12);
        assert!(from > to, "nothing");
    }

    #[test]
    fn r05_who_left_sees_the_conversation_as_it_was_then() {
        let (present, left) = (seen(0), seen(7));
        assert_eq!((present.last_seq, present.unread, present.my_rev, present.member_count), (9, 3, 11, 3));
        assert_eq!((left.last_seq, left.unread, left.last_msg_no, left.member_count), (6, 0, 0, 0));
        assert!(present.last_entry.is_some() && left.last_entry.is_none());
    }

    #[test]
    fn a_device_is_told_what_differs_from_what_it_has() {
        let has = |seq, my_rev| Known { seq, my_rev, ..Known::default() };
        let (present, left) = (seen(0), seen(7));
        assert!(!is_owed(&present, Some(&has(9, 11))));
        assert!(
            is_owed(&present, None) && is_owed(&present, Some(&has(8, 11))) && is_owed(&present, Some(&has(9, 10)))
        );
        assert!(is_owed(&left, Some(&has(3, 11))) && !is_owed(&left, Some(&has(6, 11))) && !is_owed(&left, None));
        assert_eq!(first_lacked(&present, None), Some(2), "not what was before the join");
        assert_eq!(
            (first_lacked(&present, Some(&has(5, 1))), first_lacked(&present, Some(&has(9, 1)))),
            (Some(6), None)
        );
    }
}
