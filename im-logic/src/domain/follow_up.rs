//! What follows from an entry: a command of the server's own, with an id made of the entry's place, so that however often the
//! entry is met again it follows once.

use bytes::Bytes;
use proto::{
    common::FanOutMode,
    message::{Entry, entry_body::Kind},
    mq::{self, upstream::Command},
};

use super::{Limits, State};

/// Instead of a hash of a client's payload: there is one spelling only.
const PAYLOAD_HASH: &[u8] = b"large";

/// Members came, and now there are so many that the conversation is to be large.
pub fn of(entry: &Entry, state: &State, limits: &Limits, now_ms: i64) -> Option<mq::Upstream> {
    let came = matches!(entry.body.as_ref()?.kind, Some(Kind::Created(_) | Kind::Joined(_)));
    if !came || state.fan_out != FanOutMode::Small || state.member_count < limits.large_from {
        return None;
    }
    let change = mq::ChangeFanOut { mode: FanOutMode::Large.into() };
    Some(mq::Upstream {
        caller: None,
        origin: None,
        conversation_id: entry.conversation_id.clone(),
        command_id: format!("~{}:{}:large", entry.conversation_id, entry.seq),
        payload_hash: Bytes::from_static(PAYLOAD_HASH),
        received_at_ms: now_ms,
        request_id: String::new(),
        command: Some(Command::ChangeFanOut(change)),
    })
}

#[cfg(test)]
mod tests {
    use im_infra::ids::{CommandId, ConversationId};
    use proto::message::{EntryBody, Joined, Left};

    use super::*;
    use crate::domain::{Command as Parsed, Kind as Parts};

    #[test]
    fn r14_the_entry_that_makes_a_group_large_is_followed_by_the_flip_however_often_it_is_met() {
        let limits = Limits { body_bytes_max: 1, members_max: 9, invited_max: 9, title_chars_max: 9, large_from: 3 };
        let conversation_id = ConversationId::group(1, "g").to_string();
        let entry = |kind| Entry {
            conversation_id: conversation_id.clone(),
            seq: i64::MAX,
            body: Some(EntryBody { kind: Some(kind) }),
            ..Entry::default()
        };
        let joined = entry(Kind::Joined(Joined { user_ids: vec![3] }));
        let state = |fan_out, member_count| State { fan_out, member_count, ..State::default() };
        let (small, grown) = (state(FanOutMode::Small, 2), state(FanOutMode::Small, 3));
        let first = of(&joined, &grown, &limits, 1).unwrap();
        assert_eq!(first, of(&joined, &grown, &limits, 1).unwrap());
        assert!(first.command_id.parse::<CommandId>().unwrap().is_servers_own(), "the longest id there can be");
        assert!(matches!(Parsed::parse(&first).unwrap().kind, Parts::ChangeFanOut(_)));
        assert_eq!(of(&joined, &small, &limits, 1), None);
        assert_eq!(of(&joined, &state(FanOutMode::Large, 3), &limits, 1), None);
        assert_eq!(of(&entry(Kind::Left(Left { user_id: 3 })), &grown, &limits, 1), None);
    }
}
