//! A conversation as the rules see it, and how an accepted command changes what the next one sees.

use std::collections::BTreeMap;

use im_infra::ids::UserId;
use proto::{
    common::{ConversationKind, FanOutMode, Role},
    repo::{self, state_change::Change},
};

/// What the rules know of a conversation.
#[derive(Clone, Debug, Default)]
pub struct State {
    /// What decisions upon this rest on.
    pub version: i64,
    /// None: it does not exist yet.
    pub kind: Option<ConversationKind>,
    /// Whether anyone may join.
    pub open: bool,
    /// How its entries reach the members.
    pub fan_out: FanOutMode,
    /// Members present.
    pub member_count: u32,
    /// Members asked for, those who left too: all of them, unless it is large.
    pub members: BTreeMap<UserId, MemberState>,
}

/// A member's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemberState {
    /// What they may do.
    pub role: Role,
    /// The first entry they may see.
    pub visible_from: i64,
    /// The first they may not; 0: present.
    pub left_seq: i64,
}

impl State {
    /// Of im-repo's answer.
    pub fn of(state: &repo::State) -> Self {
        let member = |member: &repo::Member| {
            let state =
                MemberState { role: member.role(), visible_from: member.visible_from, left_seq: member.left_seq };
            (member.user_id, state)
        };
        Self {
            version: state.state_version,
            kind: Some(state.kind()).filter(|&kind| kind != ConversationKind::Unspecified),
            open: state.open,
            fan_out: state.fan_out(),
            member_count: state.member_count,
            members: state.members.iter().map(member).collect(),
        }
    }

    /// A user's role, if present.
    pub fn role(&self, user: UserId) -> Option<Role> {
        self.members.get(&user).filter(|member| member.left_seq == 0).map(|member| member.role)
    }

    /// What a later command of the same batch sees. Seqs are not known yet and do not matter to the rules.
    pub fn apply(&mut self, changes: &[repo::StateChange]) {
        for change in changes.iter().filter_map(|change| change.change.as_ref()) {
            match change {
                Change::Create(create) => {
                    self.kind = Some(create.kind());
                    self.open = create.open;
                    self.fan_out = FanOutMode::Small;
                }
                Change::PutMember(put) => {
                    let joined = MemberState { role: put.role(), visible_from: i64::MAX, left_seq: 0 };
                    self.members.insert(put.user_id, joined);
                    self.member_count += 1;
                }
                Change::EndMember(end) => {
                    if let Some(member) = self.members.get_mut(&end.user_id) {
                        member.left_seq = i64::MAX;
                        self.member_count = self.member_count.saturating_sub(1);
                    }
                }
                Change::SetFanOut(mode) => self.fan_out = FanOutMode::try_from(*mode).unwrap_or_default(),
                Change::SetDisplayName(_) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_as_it_was_read_and_then_as_the_changes_make_it() {
        let member = |user_id, left_seq| repo::Member { user_id, role: 1, visible_from: 1, left_seq, read_seq: 0 };
        let read = repo::State {
            state_version: 7,
            kind: ConversationKind::Group.into(),
            open: true,
            fan_out: FanOutMode::Small.into(),
            member_count: 1,
            members: vec![member(1, 0), member(2, 9)],
            ..repo::State::default()
        };
        let mut state = State::of(&read);
        assert_eq!((state.version, state.kind, state.open), (7, Some(ConversationKind::Group), true));
        assert_eq!((state.role(1), state.role(2), state.role(3)), (Some(Role::Member), None, None));
        assert_eq!(State::of(&repo::State::default()).kind, None, "there is no such conversation");
        let change = |change| repo::StateChange { change: Some(change) };
        state.apply(&[
            change(Change::PutMember(repo::PutMember { user_id: 2, role: Role::Admin.into() })),
            change(Change::EndMember(repo::EndMember { user_id: 1 })),
            change(Change::EndMember(repo::EndMember { user_id: 99 })),
            change(Change::SetDisplayName(repo::SetDisplayName { user_id: 1, display_name: "x".into() })),
            change(Change::SetFanOut(FanOutMode::Large.into())),
        ]);
        assert_eq!((state.role(1), state.role(2), state.member_count), (None, Some(Role::Admin), 1));
        assert_eq!(state.fan_out, FanOutMode::Large);
        let create = repo::CreateConversation { kind: ConversationKind::Direct.into(), ..Default::default() };
        state.apply(&[change(Change::Create(create))]);
        assert_eq!((state.kind, state.fan_out), (Some(ConversationKind::Direct), FanOutMode::Small));
    }
}
