//! Bringing a device up to date: what changed since what it has, in the order of conversation ids.

use std::collections::HashMap;

use proto::{
    Error,
    conversation::{Conversation, DigestResponse, Known, SyncItem, SyncRequest, SyncResponse},
    repo::{self, Membership},
};

use super::{PAGE, Reads};
use crate::domain::{digest, view};

/// Conversations looked at for one answer.
const CONVERSATIONS_MAX: u32 = 100;
/// Newest entries of a conversation in one answer.
const ENTRIES_MAX: u32 = 50;

impl Reads {
    /// What the server believes the device should have.
    pub(crate) async fn digest(&self, user_id: i64) -> Result<DigestResponse, Error> {
        let mut digest = DigestResponse::default();
        let mut after = String::new();
        loop {
            let page = self.page(user_id, &after, PAGE).await?;
            after = page.memberships.last().map_or_else(String::new, |last| last.conversation_id.clone());
            self.take_in(&mut digest, page.memberships).await?;
            if !page.more {
                return Ok(digest);
            }
        }
    }

    /// Takes the conversations of memberships into a digest.
    async fn take_in(&self, digest: &mut DigestResponse, memberships: Vec<Membership>) -> Result<(), Error> {
        let conversations = self.as_seen(memberships, false).await?;
        conversations.iter().for_each(|conversation| digest::take_in(digest, conversation));
        Ok(())
    }

    pub(crate) async fn sync(&self, query: SyncRequest) -> Result<SyncResponse, Error> {
        let user_id = query.user_id;
        self.take_read_seqs(user_id, &query.known).await?;
        let page = self.page(user_id, &query.after, query.limit.clamp(1, CONVERSATIONS_MAX)).await?;
        let last = page.memberships.last().map(|membership| membership.conversation_id.clone());
        let next = if page.more { last.unwrap_or_default() } else { String::new() };
        let mut known: HashMap<&str, &Known> = query
            .known
            .iter()
            .map(|known| (&*known.conversation_id, known))
            .filter(|(id, _)| *id > &*query.after && (next.is_empty() || *id <= &*next))
            .collect();
        let mut items = Vec::new();
        for conversation in self.describe(user_id, page.memberships).await? {
            let has = known.remove(&*conversation.conversation_id);
            if view::is_owed(&conversation, has) {
                items.push(self.item(conversation, has, query.entries).await?);
            }
        }
        Ok(SyncResponse { items, gone: known.into_keys().map(str::to_owned).collect(), next })
    }

    async fn item(&self, conversation: Conversation, has: Option<&Known>, entries: u32) -> Result<SyncItem, Error> {
        let Some(from_seq) = view::first_lacked(&conversation, has) else {
            return Ok(SyncItem { conversation: Some(conversation), ..SyncItem::default() });
        };
        let range = repo::RangeRequest {
            conversation_id: conversation.conversation_id.clone(),
            from_seq,
            to_seq: conversation.last_seq,
            limit: entries.clamp(1, ENTRIES_MAX),
            newest: true,
        };
        let entries = self.repo.messages().range(range).await?.into_inner().entries;
        let first = entries.first().map_or(conversation.last_seq + 1, |entry| entry.seq);
        let (gap_from, gap_to) = if first > from_seq { (from_seq, first - 1) } else { (0, 0) };
        Ok(SyncItem { conversation: Some(conversation), entries, gap_from, gap_to })
    }
}
