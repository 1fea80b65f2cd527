//! An entry of the store, and what of it the checks look at.

use proto::message::{self, entry_body::Kind};
use serde::{Deserialize, Serialize};

/// A user's number.
pub type User = i64;

/// An entry of the store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its place.
    pub seq: i64,
    /// Its id.
    pub message_id: i64,
    /// Whose command it came of.
    pub sender: User,
    /// Which.
    pub command: String,
    /// Countable entries so far.
    pub msg_no: i64,
    /// Who became a member by it.
    pub members: Vec<User>,
    /// Who ceased to be one by it.
    pub left: Vec<User>,
    /// Whether it counts as unread.
    pub countable: bool,
}

impl From<message::Entry> for Entry {
    fn from(entry: message::Entry) -> Self {
        let (mut members, mut left) = (Vec::new(), Vec::new());
        let kind = entry.body.and_then(|body| body.kind);
        let countable = matches!(kind, Some(Kind::Message(_)));
        match kind {
            Some(Kind::Created(created)) => members = created.member_ids,
            Some(Kind::Joined(joined)) => members = joined.user_ids,
            Some(Kind::Left(gone)) => left.push(gone.user_id),
            Some(Kind::Removed(gone)) => left.push(gone.user_id),
            // The first message of a direct conversation makes its members.
            Some(Kind::Message(_)) if entry.seq == 1 => {
                members = entry.conversation_id.split(':').skip(1).filter_map(|part| part.parse().ok()).collect();
            }
            _ => {}
        }
        let (seq, message_id, sender, command) = (entry.seq, entry.message_id, entry.sender_id, entry.command_id);
        Self { seq, message_id, sender, command, msg_no: entry.msg_no, members, left, countable }
    }
}

#[cfg(test)]
mod tests {
    use proto::message::{Content, Created, EntryBody, Joined};

    use super::*;

    fn entry(conversation: &str, seq: i64, kind: Kind) -> Entry {
        let (conversation_id, body) = (conversation.to_owned(), Some(EntryBody { kind: Some(kind) }));
        message::Entry { conversation_id, seq, body, ..message::Entry::default() }.into()
    }

    #[test]
    fn the_first_message_of_a_direct_conversation_makes_its_members() {
        assert_eq!(entry("d:3:9", 1, Kind::Message(Content::default())).members, [3, 9]);
        assert!(entry("d:3:9", 2, Kind::Message(Content::default())).members.is_empty());
    }

    #[test]
    fn a_group_has_those_it_was_made_with_and_those_who_joined() {
        let made = entry("g:1", 1, Kind::Created(Created { member_ids: vec![1, 2], ..Created::default() }));
        let joined = entry("g:1", 2, Kind::Joined(Joined { user_ids: vec![3] }));
        assert_eq!((made.members, joined.members, joined.countable), (vec![1, 2], vec![3], false));
    }
}
