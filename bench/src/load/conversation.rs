//! Conversations: direct ones, which their first message makes, and groups, which are made over HTTP before the load.

use anyhow::Context as _;
use im_bench::ledger::{Client, Event};
use serde_json::json;

use super::{
    account::{Accounts, Guest},
    seat::{Run, Witness},
};

/// Users that one command may name, unless an operator allows more.
const NAMED_MAX: usize = 200;
/// The ledger's number of what speaks HTTP: it is never connected.
const OVER_HTTP: Client = Client::MAX;

/// Where messages go.
#[derive(Debug)]
pub(crate) struct Conversation {
    pub(crate) id: String,
    /// To how many connections a message comes, its sender's too.
    pub(crate) members: u64,
}

impl Conversation {
    /// Of two users.
    pub(super) fn direct(one: i64, other: i64) -> Self {
        Self { id: format!("d:{}:{}", one.min(other), one.max(other)), members: 2 }
    }
}

/// Makes a group of which the first one is the owner, and brings the others in. Answers what happened to it so far, too.
pub(super) async fn make_group(
    accounts: &Accounts,
    run: &Run,
    members: &[Guest],
) -> anyhow::Result<(Conversation, Vec<Event>)> {
    let (owner, others) = members.split_first().context("a group has a member")?;
    let mut parts = others.chunks(NAMED_MAX);
    let ids = |guests: &[Guest]| guests.iter().map(|guest| guest.user.to_string()).collect::<Vec<_>>();
    let key = format!("make-{run}-{}", owner.user);
    let body = json!({"title": "load", "member_ids": ids(parts.next().unwrap_or_default())});
    let made = accounts.command(owner, "/v1/groups", &key, &body).await?;
    let group = Conversation { id: made.conversation_id.clone(), members: members.len() as u64 };
    let witness = Witness { client: OVER_HTTP, user: owner.user };
    let mut events = vec![witness.sent(0, &group.id, &key), witness.stored(0, made)];
    let path = format!("/v1/conversations/{}/members", group.id);
    for (number, part) in parts.enumerate() {
        let key = format!("join-{run}-{number}");
        let joined = accounts.command(owner, &path, &key, &json!({"user_ids": ids(part)})).await?;
        events.extend([witness.sent(0, &group.id, &key), witness.stored(0, joined)]);
    }
    Ok((group, events))
}

/// Begins a direct conversation with a message. Answers what happened to it so far, too.
pub(super) async fn begin_direct(
    accounts: &Accounts,
    run: &Run,
    (sender, other): (&Guest, &Guest),
) -> anyhow::Result<(Conversation, Vec<Event>)> {
    let conversation = Conversation::direct(sender.user, other.user);
    let (key, path) = (format!("make-{run}"), format!("/v1/conversations/{}/messages", conversation.id));
    let stored = accounts.command(sender, &path, &key, &json!({"content": {"text": {"text": "hello"}}})).await?;
    let witness = Witness { client: OVER_HTTP, user: sender.user };
    let events = vec![witness.sent(0, &conversation.id, &key), witness.stored(0, stored)];
    Ok((conversation, events))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_direct_conversation_has_one_spelling() {
        assert_eq!(Conversation::direct(9, 4).id, "d:4:9");
        assert_eq!(Conversation::direct(4, 9).id, "d:4:9");
    }
}
