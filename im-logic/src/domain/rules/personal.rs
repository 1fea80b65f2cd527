//! A user's personal log: only its owner writes to it, and only what is listed in [`super::decide`].

use im_infra::ids::ConversationId;
use proto::{
    ErrorCode,
    common::{ConversationKind, Role},
    message::{ProfileChanged, entry_body},
    repo::{SetDisplayName, state_change::Change},
};

use super::{super::display_name, Case, Decided, create, entry, put};

pub(super) fn change_profile(case: &Case<'_>, name: &str) -> Decided {
    let user_id = case.command.sender;
    if case.command.conversation != ConversationId::Personal(user_id) {
        return Err(ErrorCode::Forbidden.into());
    }
    let display_name = display_name(name, case.limits.title_chars_max)?;
    let mut changes = Vec::new();
    if case.state.kind.is_none() {
        changes = vec![create(ConversationKind::Personal, "", false), put(user_id, Role::Owner)];
    }
    changes.push(Change::SetDisplayName(SetDisplayName { user_id, display_name: display_name.clone() }));
    Ok(entry(entry_body::Kind::ProfileChanged(ProfileChanged { display_name }), changes))
}
