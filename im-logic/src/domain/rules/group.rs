//! Groups: an owner, admins, members.

use std::collections::BTreeSet;

use im_infra::{
    ids::{ConversationId, UserId},
    planted::{self, Bug},
};
use proto::{
    Error, ErrorCode,
    common::{ConversationKind, FanOutMode, Role},
    group::CreateGroup,
    message::{Content, Created, FanOutChanged, Joined, Left, Removed, entry_body},
    repo::{EndMember, state_change::Change},
};

use super::{Case, Decided, create as create_conversation, entry, put, send as content_rules};

pub(super) fn send(case: &Case<'_>, content: &Content) -> Decided {
    content_rules::check(content, case.limits)?;
    role_of_sender(case)?;
    Ok(entry(entry_body::Kind::Message(content.clone()), Vec::new()))
}

pub(super) fn create(case: &Case<'_>, group: &CreateGroup) -> Decided {
    let (sender, limits) = (case.command.sender, case.limits);
    if case.command.conversation != ConversationId::group(sender, case.command.id.as_str()) {
        return Err(Error::invalid("conversation_id", "the hash of its creator and command"));
    }
    if case.state.kind.is_some() {
        return Err(ErrorCode::Conflict.into());
    }
    let title = group.title.trim();
    if title.is_empty() || title.chars().count() > limits.title_chars_max {
        return Err(Error::invalid("title", format_args!("1 to {} characters", limits.title_chars_max)));
    }
    let others = named(case, &group.member_ids)?;
    if others.len() + 1 > limits.members_max as usize {
        return Err(ErrorCode::GroupFull.into());
    }
    let mut changes = vec![create_conversation(ConversationKind::Group, title, group.open), put(sender, Role::Owner)];
    changes.extend(others.iter().map(|&user| put(user, Role::Member)));
    let member_ids = std::iter::once(sender).chain(others).collect();
    let created = Created { kind: ConversationKind::Group.into(), title: title.to_owned(), member_ids };
    Ok(entry(entry_body::Kind::Created(created), changes))
}

pub(super) fn invite(case: &Case<'_>, users: &[UserId]) -> Decided {
    let role = role_of_sender(case)?;
    if role < Role::Admin && !case.state.open {
        return Err(ErrorCode::Forbidden.into());
    }
    let others: Vec<UserId> = named(case, users)?.into_iter().filter(|&user| case.state.role(user).is_none()).collect();
    if others.is_empty() {
        return Err(ErrorCode::AlreadyAMember.into());
    }
    if case.state.member_count as usize + others.len() > case.limits.members_max as usize {
        return Err(ErrorCode::GroupFull.into());
    }
    let changes = others.iter().map(|&user| put(user, Role::Member)).collect();
    Ok(entry(entry_body::Kind::Joined(Joined { user_ids: others }), changes))
}

pub(super) fn join(case: &Case<'_>) -> Decided {
    let sender = case.command.sender;
    exists(case)?;
    if case.state.role(sender).is_some() {
        return Err(ErrorCode::AlreadyAMember.into());
    }
    if !case.state.open {
        return Err(ErrorCode::Forbidden.into());
    }
    if case.state.member_count >= case.limits.members_max {
        return Err(ErrorCode::GroupFull.into());
    }
    Ok(entry(entry_body::Kind::Joined(Joined { user_ids: vec![sender] }), vec![put(sender, Role::Member)]))
}

pub(super) fn leave(case: &Case<'_>) -> Decided {
    role_of_sender(case)?;
    let user_id = case.command.sender;
    Ok(entry(entry_body::Kind::Left(Left { user_id }), vec![end(user_id)]))
}

pub(super) fn remove(case: &Case<'_>, user_id: UserId) -> Decided {
    let role = role_of_sender(case)?;
    let theirs = case.state.role(user_id).ok_or(ErrorCode::UnknownUser)?;
    if role < Role::Admin || theirs >= role {
        return Err(ErrorCode::Forbidden.into());
    }
    Ok(entry(entry_body::Kind::Removed(Removed { user_id }), vec![end(user_id)]))
}

/// From small to large once it has that many members; the way back is not open yet.
pub(super) fn change_fan_out(case: &Case<'_>, mode: FanOutMode) -> Decided {
    exists(case)?;
    let grown = case.state.fan_out == FanOutMode::Small && case.state.member_count >= case.limits.large_from;
    if mode != FanOutMode::Large || !grown {
        return Err(ErrorCode::Conflict.into());
    }
    Ok(entry(
        entry_body::Kind::FanOutChanged(FanOutChanged { mode: mode.into() }),
        vec![Change::SetFanOut(mode.into())],
    ))
}

const fn end(user_id: UserId) -> Change {
    Change::EndMember(EndMember { user_id })
}

fn exists(case: &Case<'_>) -> Result<(), Error> {
    case.state.kind.map(drop).ok_or_else(|| ErrorCode::UnknownConversation.into())
}

fn role_of_sender(case: &Case<'_>) -> Result<Role, Error> {
    exists(case)?;
    let unasked = planted::is(Bug::MembersNotAsked).then_some(Role::Member);
    case.state.role(case.command.sender).or(unasked).ok_or_else(|| ErrorCode::NotAMember.into())
}

/// The users a command names, once each, without its sender; all must exist.
fn named(case: &Case<'_>, users: &[UserId]) -> Result<BTreeSet<UserId>, Error> {
    if users.len() > case.limits.invited_max {
        return Err(Error::invalid("user_ids", format_args!("at most {}", case.limits.invited_max)));
    }
    let users: BTreeSet<UserId> = users.iter().copied().filter(|&user| user != case.command.sender).collect();
    match users.iter().find(|user| !case.users.contains(user)) {
        Some(user) => Err(Error::new(ErrorCode::UnknownUser).with("user_id", user)),
        None => Ok(users),
    }
}
