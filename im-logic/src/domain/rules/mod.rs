//! May this happen? One function per kind of command; docs/ARCHITECTURE.md shows where they stand on the road.

mod direct;
mod group;
mod personal;
mod send;

use std::collections::HashSet;

use im_infra::ids::UserId;
use proto::{
    Error, ErrorCode,
    common::{ConversationKind, Role},
    message::{EntryBody, entry_body},
    repo::{Accepted, CreateConversation, PutMember, StateChange, decision::Verdict, state_change::Change},
};

use super::{Command, Kind, State};

/// Bounds that the rules enforce.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Bytes of a message's content, encoded.
    pub body_bytes_max: usize,
    /// Members of a group.
    pub members_max: u32,
    /// Users named by one command.
    pub invited_max: usize,
    /// Characters of a title or display name.
    pub title_chars_max: usize,
    /// Members from which on a group is large.
    pub large_from: u32,
}

/// Everything a decision rests on.
pub(super) struct Case<'a> {
    pub(super) command: &'a Command,
    pub(super) state: &'a State,
    /// Which of the users named by the batch exist.
    pub(super) users: &'a HashSet<UserId>,
    pub(super) limits: &'a Limits,
}

/// Decides a command upon a state. `message_id` is used if it is accepted.
pub fn decide(command: &Command, state: &State, users: &HashSet<UserId>, limits: &Limits, message_id: i64) -> Verdict {
    let case = Case { command, state, users, limits };
    let decided = match (&command.kind, command.conversation.kind()) {
        (Kind::Send(content), ConversationKind::Direct) => direct::send(&case, content),
        (Kind::Send(content), ConversationKind::Group) => group::send(&case, content),
        (Kind::CreateDirect, ConversationKind::Direct) => direct::create(&case),
        (Kind::CreateGroup(create), ConversationKind::Group) => group::create(&case, create),
        (Kind::Invite(users), ConversationKind::Group) => group::invite(&case, users),
        (Kind::Join, ConversationKind::Group) => group::join(&case),
        (Kind::Leave, ConversationKind::Group) => group::leave(&case),
        (Kind::Remove(user), ConversationKind::Group) => group::remove(&case, *user),
        (Kind::ChangeFanOut(mode), ConversationKind::Group) => group::change_fan_out(&case, *mode),
        (Kind::ChangeProfile(name), ConversationKind::Personal) => personal::change_profile(&case, name),
        // The table of allowed commands: what is not above is not allowed there.
        _ => Err(ErrorCode::Unsupported.into()),
    };
    match decided {
        Ok(accepted) => Verdict::Accepted(Accepted { message_id, ..accepted }),
        Err(error) => Verdict::Rejected(error.into()),
    }
}

/// What a rule says: the entry it becomes (without its message id), or why not.
pub(super) type Decided = Result<Accepted, Error>;

pub(super) fn entry(kind: entry_body::Kind, changes: Vec<Change>) -> Accepted {
    let countable = matches!(kind, entry_body::Kind::Message(_));
    Accepted {
        message_id: 0,
        body: Some(EntryBody { kind: Some(kind) }),
        countable,
        changes: changes.into_iter().map(|change| StateChange { change: Some(change) }).collect(),
    }
}

pub(super) fn create(kind: ConversationKind, title: &str, open: bool) -> Change {
    Change::Create(CreateConversation { kind: kind.into(), title: title.to_owned(), open })
}

pub(super) fn put(user_id: UserId, role: Role) -> Change {
    Change::PutMember(PutMember { user_id, role: role.into() })
}

#[cfg(test)]
mod tests;
