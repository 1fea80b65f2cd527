//! Direct conversations: two users; the first append makes them.

use proto::{
    ErrorCode,
    common::{ConversationKind, Role},
    message::{Content, Created, entry_body},
    repo::state_change::Change,
};

use super::{Case, Decided, create as create_conversation, entry, put, send as content_rules};

pub(super) fn send(case: &Case<'_>, content: &Content) -> Decided {
    content_rules::check(content, case.limits)?;
    let changes = if case.state.kind.is_none() { make(case)? } else { check_member(case)? };
    Ok(entry(entry_body::Kind::Message(content.clone()), changes))
}

pub(super) fn create(case: &Case<'_>) -> Decided {
    if case.state.kind.is_some() {
        check_member(case)?;
        return Err(ErrorCode::AlreadyAMember.into());
    }
    let changes = make(case)?;
    let peer = case.command.conversation.peer_of(case.command.sender).ok_or(ErrorCode::NotAMember)?;
    let member_ids = vec![case.command.sender, peer];
    let created = Created { kind: ConversationKind::Direct.into(), title: String::new(), member_ids };
    Ok(entry(entry_body::Kind::Created(created), changes))
}

fn make(case: &Case<'_>) -> Result<Vec<Change>, proto::Error> {
    let sender = case.command.sender;
    let peer = case.command.conversation.peer_of(sender).ok_or(ErrorCode::NotAMember)?;
    if !case.users.contains(&peer) {
        return Err(ErrorCode::UnknownUser.into());
    }
    Ok(vec![
        create_conversation(ConversationKind::Direct, "", false),
        put(sender, Role::Member),
        put(peer, Role::Member),
    ])
}

fn check_member(case: &Case<'_>) -> Result<Vec<Change>, proto::Error> {
    case.state.role(case.command.sender).map(|_| Vec::new()).ok_or_else(|| ErrorCode::NotAMember.into())
}
