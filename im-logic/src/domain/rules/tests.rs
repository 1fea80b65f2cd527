//! The rules as a table: who may do what to which conversation.

use bytes::Bytes;
use im_infra::ids::ConversationId;
use proptest::prelude::*;
use proto::{group::CreateGroup, message::Text, message::content};

use super::{super::MemberState, *};

const LIMITS: Limits = Limits { body_bytes_max: 32, members_max: 4, invited_max: 3, title_chars_max: 8, large_from: 3 };

fn group_id() -> ConversationId {
    ConversationId::group(1, "make")
}

fn text(text: &str) -> Kind {
    Kind::Send(proto::message::Content { kind: Some(content::Kind::Text(Text { text: text.into() })) })
}

fn command(sender: i64, conversation: ConversationId, kind: Kind) -> Command {
    let id = if matches!(kind, Kind::CreateGroup(_)) { "make" } else { "c" };
    Command { sender, conversation, id: id.parse().unwrap(), payload_hash: Bytes::new(), kind }
}

fn group(open: bool, members: &[(i64, Role)]) -> State {
    let member = |&(user, role): &(i64, Role)| (user, MemberState { role, visible_from: 1, left_seq: 0 });
    State {
        version: 3,
        kind: Some(ConversationKind::Group),
        open,
        fan_out: proto::common::FanOutMode::Small,
        member_count: u32::try_from(members.len()).unwrap(),
        members: members.iter().map(member).collect(),
    }
}

fn verdict(command: &Command, state: &State) -> Result<Accepted, String> {
    let users = HashSet::from([1, 2, 3, 4, 5]);
    match decide(command, state, &users, &LIMITS, 77) {
        Verdict::Accepted(accepted) => Ok(accepted),
        Verdict::Rejected(error) => Err(error.code),
    }
}

#[test]
fn the_first_message_makes_a_direct_conversation_and_its_two_members() {
    let direct = ConversationId::direct(1, 2).unwrap();
    let accepted = verdict(&command(2, direct, text("hi")), &State::default()).unwrap();
    assert_eq!((accepted.changes.len(), accepted.countable, accepted.message_id), (3, true, 77));
    let mut state = State::default();
    state.apply(&accepted.changes);
    assert!(verdict(&command(1, direct, text("hello")), &state).unwrap().changes.is_empty());
    assert_eq!(verdict(&command(3, direct, text("me too")), &state).unwrap_err(), "not_a_member");
    assert_eq!(verdict(&command(3, direct, text("me too")), &State::default()).unwrap_err(), "not_a_member");
    let stranger = ConversationId::direct(1, 99).unwrap();
    assert_eq!(verdict(&command(1, stranger, text("hi")), &State::default()).unwrap_err(), "unknown_user");
}

#[test]
fn what_is_said_has_bounds() {
    let direct = ConversationId::direct(1, 2).unwrap();
    assert_eq!(verdict(&command(1, direct, text(" \n")), &State::default()).unwrap_err(), "body_empty");
    assert_eq!(verdict(&command(1, direct, text(&"x".repeat(33))), &State::default()).unwrap_err(), "body_too_big");
    let nothing = Kind::Send(proto::message::Content::default());
    assert_eq!(verdict(&command(1, direct, nothing), &State::default()).unwrap_err(), "body_empty");
}

#[test]
fn a_group_is_made_by_its_creator_with_users_that_exist() {
    let make = |title: &str, members: &[i64]| {
        let create = CreateGroup { title: title.into(), member_ids: members.to_vec(), open: false };
        verdict(&command(1, group_id(), Kind::CreateGroup(create)), &State::default())
    };
    let accepted = make(" team ", &[2, 3, 1]).unwrap();
    assert_eq!(accepted.changes.len(), 4, "created, owner and two members");
    for (title, members, code) in [
        ("", vec![2], "invalid_argument"),
        ("longer than it may", vec![2], "invalid_argument"),
        ("t", vec![99], "unknown_user"),
        ("t", vec![2, 3, 4, 5], "invalid_argument"),
    ] {
        assert_eq!(make(title, &members).unwrap_err(), code, "{title} {members:?}");
    }
    let create = Kind::CreateGroup(CreateGroup { title: "t".into(), ..Default::default() });
    assert_eq!(
        verdict(&command(2, group_id(), create), &State::default()).unwrap_err(),
        "invalid_argument",
        "not its id"
    );
}

#[test]
fn roles_say_who_invites_and_removes() {
    let state = group(false, &[(1, Role::Owner), (2, Role::Admin), (3, Role::Member)]);
    let say = |sender, kind| verdict(&command(sender, group_id(), kind), &state).map(drop);
    assert_eq!(say(3, Kind::Invite(vec![4])).unwrap_err(), "forbidden");
    assert!(say(2, Kind::Invite(vec![4])).is_ok());
    assert_eq!(say(2, Kind::Invite(vec![3])).unwrap_err(), "already_a_member");
    assert_eq!(say(2, Kind::Invite(vec![4, 5])).unwrap_err(), "group_full");
    assert_eq!(say(3, Kind::Remove(2)).unwrap_err(), "forbidden");
    assert_eq!(say(2, Kind::Remove(1)).unwrap_err(), "forbidden");
    assert!(say(2, Kind::Remove(3)).is_ok());
    assert_eq!(say(2, Kind::Remove(5)).unwrap_err(), "unknown_user");
    assert_eq!(say(4, text("hi")).unwrap_err(), "not_a_member");
    assert_eq!(say(4, Kind::Join).unwrap_err(), "forbidden");
    assert_eq!(say(4, Kind::Leave).unwrap_err(), "not_a_member");
    assert!(say(3, Kind::Leave).is_ok());
    assert_eq!(verdict(&command(1, group_id(), text("hi")), &State::default()).unwrap_err(), "unknown_conversation");
}

#[test]
fn a_later_command_sees_the_earlier_ones_effect() {
    let mut state = group(true, &[(1, Role::Owner)]);
    let joined = verdict(&command(2, group_id(), Kind::Join), &state).unwrap();
    state.apply(&joined.changes);
    assert!(verdict(&command(2, group_id(), text("hi")), &state).is_ok());
    let removed = verdict(&command(1, group_id(), Kind::Remove(2)), &state).unwrap();
    state.apply(&removed.changes);
    assert_eq!(verdict(&command(2, group_id(), text("hi")), &state).unwrap_err(), "not_a_member");
    assert!(verdict(&command(2, group_id(), Kind::Join), &state).is_ok(), "and may come again");
    assert_eq!(state.member_count, 1);
}

#[test]
fn a_personal_log_takes_its_owners_profile_changes_and_nothing_else() {
    let mine = ConversationId::Personal(1);
    let rename = |sender| command(sender, mine, Kind::ChangeProfile(" Ann ".into()));
    assert_eq!(verdict(&rename(1), &State::default()).unwrap().changes.len(), 3);
    assert_eq!(verdict(&rename(2), &State::default()).unwrap_err(), "forbidden");
    for kind in [text("hi"), Kind::Join, Kind::CreateDirect, Kind::Unknown] {
        assert_eq!(verdict(&command(1, mine, kind), &State::default()).unwrap_err(), "unsupported");
    }
    let direct = ConversationId::direct(1, 2).unwrap();
    assert_eq!(verdict(&command(1, direct, Kind::Unknown), &State::default()).unwrap_err(), "unsupported");
}

proptest! {
    /// Whatever is asked of whatever state, a rule answers, and an accepted command never makes a group too big.
    #[test]
    fn every_command_is_answered(
        sender in 1_i64..7, roles in proptest::collection::vec(1_i32..4, 0..5), open: bool, which in 0..8, users in proptest::collection::vec(1_i64..8, 0..5)
    ) {
        let members: Vec<_> = (1..).zip(roles.iter().map(|&role| Role::try_from(role).unwrap())).collect();
        let mut state = if members.is_empty() { State::default() } else { group(open, &members) };
        let user = users.first().copied().unwrap_or(1);
        let kind = match which {
            0 => text("x"),
            1 => Kind::CreateGroup(CreateGroup { title: "t".into(), member_ids: users, open }),
            2 => Kind::Invite(users),
            3 => Kind::Join,
            4 => Kind::Leave,
            5 => Kind::Remove(user),
            6 => Kind::ChangeProfile("x".into()),
            _ => Kind::Unknown,
        };
        if let Ok(accepted) = verdict(&command(sender, group_id(), kind), &state) {
            let before = state.member_count;
            state.apply(&accepted.changes);
            prop_assert!(state.member_count <= LIMITS.members_max.max(before));
            let present = state.members.values().filter(|member| member.left_seq == 0).count();
            prop_assert_eq!(present, state.member_count as usize);
        }
    }
}

#[test]
fn r14_a_group_becomes_large_once_and_only_when_it_is() {
    use proto::common::FanOutMode;
    let flip = |mode| command(0, group_id(), Kind::ChangeFanOut(mode));
    let mut state = group(true, &[(1, Role::Owner), (2, Role::Member)]);
    assert_eq!(verdict(&flip(FanOutMode::Large), &state).unwrap_err(), "conflict", "too few members");
    state.member_count = 3;
    assert_eq!(verdict(&flip(FanOutMode::Small), &state).unwrap_err(), "conflict", "the way back is not open");
    let accepted = verdict(&flip(FanOutMode::Large), &state).unwrap();
    assert!(!accepted.countable, "nobody has to read it");
    state.apply(&accepted.changes);
    assert_eq!(state.fan_out, FanOutMode::Large);
    assert_eq!(verdict(&flip(FanOutMode::Large), &state).unwrap_err(), "conflict", "another member came meanwhile");
    assert_eq!(verdict(&flip(FanOutMode::Large), &State::default()).unwrap_err(), "unknown_conversation");
}

#[test]
fn a_direct_conversation_begins_without_a_message_once() {
    let direct = ConversationId::direct(1, 2).unwrap();
    let begin = |sender| command(sender, direct, Kind::CreateDirect);
    let accepted = verdict(&begin(1), &State::default()).unwrap();
    assert!(!accepted.countable);
    let mut state = State::default();
    state.apply(&accepted.changes);
    assert_eq!((state.role(1), state.role(2)), (Some(Role::Member), Some(Role::Member)));
    assert!(verdict(&begin(2), &state).is_err(), "it is there");
    assert_eq!(verdict(&begin(3), &State::default()).unwrap_err(), "not_a_member");
    let stranger = command(1, ConversationId::direct(1, 99).unwrap(), Kind::CreateDirect);
    assert_eq!(verdict(&stranger, &State::default()).unwrap_err(), "unknown_user");
}
