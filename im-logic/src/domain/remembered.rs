//! What of a conversation is remembered from one command to the next. It may be outdated: what is decided upon it is decided
//! again if the append finds another version.

use std::collections::HashSet;

use im_infra::ids::UserId;
use proto::{common::FanOutMode, repo::State};

/// Members of a large conversation up to which those who are read are added to those who were: not every command has to read
/// its sender.
const LARGE_MEMBERS_MAX: usize = 256;

/// Whether a state has the places of these users: of a conversation that is not large it has all members.
pub fn tells_of(state: &State, users: impl IntoIterator<Item = UserId>) -> bool {
    state.fan_out() == FanOutMode::Small
        || users.into_iter().all(|user| state.members.iter().any(|member| member.user_id == user))
}

/// Adds the members of a large conversation who were read before, while nothing has changed; of too many none.
pub fn keep_members(state: &mut State, before: &State) {
    let few = before.members.len() + state.members.len() <= LARGE_MEMBERS_MAX;
    if state.fan_out() != FanOutMode::Large || state.state_version != before.state_version || !few {
        return;
    }
    let read: HashSet<UserId> = state.members.iter().map(|member| member.user_id).collect();
    state.members.extend(before.members.iter().filter(|member| !read.contains(&member.user_id)).copied());
}

#[cfg(test)]
mod tests {
    use proto::repo::Member;

    use super::*;

    fn state(fan_out: FanOutMode, state_version: i64, users: impl IntoIterator<Item = UserId>) -> State {
        let members = users.into_iter().map(|user_id| Member { user_id, ..Member::default() }).collect();
        State { fan_out: fan_out.into(), state_version, members, ..State::default() }
    }

    fn users(state: &State) -> Vec<UserId> {
        state.members.iter().map(|member| member.user_id).collect()
    }

    #[test]
    fn a_large_conversation_is_known_to_those_who_were_read_and_a_small_one_to_all() {
        let asked = [1, 2];
        assert!(tells_of(&state(FanOutMode::Small, 1, [1]), asked), "2 is no member");
        assert!(tells_of(&state(FanOutMode::Large, 1, [3, 2, 1]), asked));
        assert!(!tells_of(&state(FanOutMode::Large, 1, [3, 1]), asked), "2 may be a member");
    }

    #[test]
    fn members_who_were_read_before_are_kept_until_something_changes_and_while_they_are_few() {
        let large = |state_version, users: Vec<UserId>| state(FanOutMode::Large, state_version, users);
        let kept = |mut now: State, before: State| {
            keep_members(&mut now, &before);
            users(&now)
        };
        assert_eq!(kept(large(7, vec![2]), large(7, vec![1, 2, 3])), [2, 1, 3]);
        assert_eq!(kept(large(8, vec![2]), large(7, vec![1, 2, 3])), [2]);
        let many: Vec<UserId> = (10..).take(LARGE_MEMBERS_MAX).collect();
        assert_eq!(kept(large(7, vec![2]), large(7, many)), [2]);
    }
}
