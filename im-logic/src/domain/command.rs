//! A command, parsed once at the edge of logic.

use bytes::Bytes;
use im_infra::ids::{CommandId, ConversationId, UserId};
use proto::{Error, common::FanOutMode, group, message::Content, mq};

/// What a user wants to happen to a conversation.
#[derive(Clone, Debug)]
pub struct Command {
    /// Who.
    pub sender: UserId,
    /// To what.
    pub conversation: ConversationId,
    /// Unique per sender and conversation.
    pub id: CommandId,
    /// Of the command as it came.
    pub payload_hash: Bytes,
    /// What.
    pub kind: Kind,
}

/// The kinds of commands.
#[derive(Clone, Debug)]
pub enum Kind {
    /// Say something.
    Send(Content),
    /// Begin a direct conversation without saying something.
    CreateDirect,
    /// Make a group.
    CreateGroup(group::CreateGroup),
    /// Bring users in.
    Invite(Vec<UserId>),
    /// Come in.
    Join,
    /// Go.
    Leave,
    /// Put a user out.
    Remove(UserId),
    /// Be called otherwise.
    ChangeProfile(String),
    /// Reach the members otherwise: the server's own, a consequence of an entry that made the conversation so large.
    ChangeFanOut(FanOutMode),
    /// A kind of a newer version.
    Unknown,
}

impl Command {
    /// Parses a record's payload; cursors are no commands.
    ///
    /// # Errors
    /// If an id in it is not one, which no gateway lets through.
    pub fn parse(record: &mq::Upstream) -> Result<Self, Error> {
        use mq::upstream::Command as Wire;
        let sender = record.caller.as_ref().map_or(0, |caller| caller.user_id);
        let id: CommandId = record.command_id.parse()?;
        if sender < 0 || (sender == 0) != id.is_servers_own() {
            return Err(Error::invalid("caller.user_id", "a positive number, or none of the server's own commands"));
        }
        let kind = match record.command.clone() {
            Some(Wire::Send(content)) => Kind::Send(content),
            Some(Wire::CreateDirect(_)) => Kind::CreateDirect,
            Some(Wire::CreateGroup(create)) => Kind::CreateGroup(create),
            Some(Wire::Invite(invite)) => Kind::Invite(invite.user_ids),
            Some(Wire::Join(_)) => Kind::Join,
            Some(Wire::Leave(_)) => Kind::Leave,
            Some(Wire::Remove(remove)) => Kind::Remove(remove.user_id),
            Some(Wire::ChangeProfile(change)) => Kind::ChangeProfile(change.display_name),
            Some(Wire::ChangeFanOut(change)) if id.is_servers_own() => Kind::ChangeFanOut(change.mode()),
            Some(Wire::ReadCursors(_) | Wire::ChangeFanOut(_)) | None => Kind::Unknown,
        };
        Ok(Self {
            sender,
            conversation: record.conversation_id.parse()?,
            id,
            payload_hash: record.payload_hash.clone(),
            kind,
        })
    }

    /// Users the rules must know the existence of.
    pub fn named_users(&self) -> Vec<UserId> {
        match &self.kind {
            Kind::Send(_) | Kind::CreateDirect => self.conversation.peer_of(self.sender).into_iter().collect(),
            Kind::CreateGroup(create) => create.member_ids.clone(),
            Kind::Invite(users) => users.clone(),
            Kind::Join
            | Kind::Leave
            | Kind::Remove(_)
            | Kind::ChangeProfile(_)
            | Kind::ChangeFanOut(_)
            | Kind::Unknown => Vec::new(),
        }
    }

    /// Users whose place in the conversation the rules must know: of a large one nobody else's is read.
    pub fn concerned(&self) -> Vec<UserId> {
        let mut users = self.named_users();
        users.push(self.sender);
        if let Kind::Remove(user) = self.kind {
            users.push(user);
        }
        users
    }
}

#[cfg(test)]
mod tests {
    use proto::{
        ErrorCode,
        mq::{Caller, Upstream, upstream::Command as Wire},
    };

    use super::*;

    fn record(user_id: i64, conversation_id: &str, command_id: &str, command: Option<Wire>) -> Upstream {
        Upstream {
            caller: Some(Caller { user_id, ..Caller::default() }),
            conversation_id: conversation_id.into(),
            command_id: command_id.into(),
            command,
            ..Upstream::default()
        }
    }

    #[test]
    fn every_kind_names_the_users_that_the_rules_must_know() {
        let create = group::CreateGroup { member_ids: vec![3, 4], ..Default::default() };
        let group_id = ConversationId::group(1, "g").to_string();
        let cases = [
            ("d:1:2", Wire::Send(Content::default()), vec![2]),
            ("d:1:2", Wire::CreateDirect(group::CreateDirect { peer_id: 2 }), vec![2]),
            (&group_id, Wire::CreateGroup(create), vec![3, 4]),
            (&group_id, Wire::Invite(group::Invite { user_ids: vec![5] }), vec![5]),
            (&group_id, Wire::Join(group::Join {}), vec![]),
            (&group_id, Wire::Leave(group::Leave {}), vec![]),
            (&group_id, Wire::Remove(group::Remove { user_id: 6 }), vec![]),
            ("u:1", Wire::ChangeProfile(mq::ChangeProfile { display_name: "Al".into() }), vec![]),
        ];
        for (conversation_id, wire, named) in cases {
            let removed = matches!(wire, Wire::Remove(_));
            let command = Command::parse(&record(1, conversation_id, "c", Some(wire.clone()))).unwrap();
            assert!(!matches!(command.kind, Kind::Unknown), "{wire:?}");
            assert_eq!(command.named_users(), named, "{wire:?}");
            let concerned = command.concerned();
            assert!(concerned.contains(&1) && named.iter().all(|user| concerned.contains(user)), "{wire:?}");
            assert_eq!(concerned.contains(&6), removed, "{wire:?}");
        }
        let newer = Command::parse(&record(1, "d:1:2", "c", None)).unwrap();
        assert!(matches!(newer.kind, Kind::Unknown) && newer.named_users().is_empty());
    }

    #[test]
    fn the_servers_own_commands_have_no_sender_and_nobody_elses_are_like_them() {
        let flip = Some(Wire::ChangeFanOut(mq::ChangeFanOut { mode: FanOutMode::Large.into() }));
        let id = ConversationId::group(1, "g").to_string();
        let own = Command::parse(&record(0, &id, "~g:large", flip.clone())).unwrap();
        assert!(matches!(own.kind, Kind::ChangeFanOut(FanOutMode::Large)));
        assert_eq!(own.concerned(), [0]);
        for (sender, command_id) in [(1, "~g:large"), (0, "c"), (-1, "c")] {
            let refused = Command::parse(&record(sender, &id, command_id, flip.clone())).unwrap_err();
            assert_eq!(refused.code(), ErrorCode::InvalidArgument, "{sender} {command_id}");
        }
        let sneaked = Command::parse(&record(1, &id, "c", flip)).unwrap();
        assert!(matches!(sneaked.kind, Kind::Unknown), "a client cannot flip");
    }
}
