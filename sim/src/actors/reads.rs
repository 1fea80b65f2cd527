//! Syncs and fetches, as im-logic answers them: cut by its own view of what a member may see.

use std::collections::HashMap;

use im_infra::ids::UserId;
use im_logic::domain::view;
use proto::{
    conversation::{Conversation, Known, SyncItem},
    repo::PutCursor,
};

use crate::{
    bug::Bug,
    event::{Down, GatewayEvent},
    world::World,
};

/// Conversations of one page, entries of one item and of one fetch: few, so that there are pages and gaps.
const PAGE_CONVERSATIONS: usize = 3;
const ITEM_ENTRIES: usize = 4;
const FETCH_ENTRIES: usize = 8;

impl World {
    /// All of a user's conversations as that user sees them, ascending, those left too.
    pub(crate) fn conversations(&self, user: UserId) -> Vec<Conversation> {
        let memberships = self.store.memberships(user).into_iter();
        let seen = memberships.filter_map(|membership| {
            let head = self.store.head(&membership.conversation_id)?;
            Some(view::conversation(head, &membership))
        });
        seen.collect()
    }

    /// The device's cursors first: one that was lost on its way comes again.
    pub(crate) fn sync(&mut self, at: usize, link: u64, known: Vec<Known>) {
        let Some(user_id) = self.user_at(at, link) else { return };
        if self.read_fails() {
            return self.push(at, link, Down::ReadFailed);
        }
        let cursor = |known: &Known| {
            let (conversation_id, read_seq) = (known.conversation_id.clone(), known.read_seq);
            PutCursor { user_id, conversation_id, read_seq }
        };
        let cursors: Vec<PutCursor> = known.iter().filter(|known| known.read_seq > 0).map(cursor).collect();
        self.put_cursors(&cursors);
        self.hop(at, GatewayEvent::SyncItems(link, known, String::new()));
    }

    /// Moves cursors, and judges where they are then.
    pub(crate) fn put_cursors(&mut self, cursors: &[PutCursor]) -> Vec<PutCursor> {
        let moved = self.store.put_cursors(cursors, self.options.bug);
        for cursor in &moved {
            let read_seq = self.store.cursor(&cursor.conversation_id, cursor.user_id);
            let judged = self.oracle.cursor(&cursor.conversation_id, cursor.user_id, read_seq);
            self.judge(judged);
        }
        moved
    }

    pub(crate) fn sync_items(&mut self, at: usize, link: u64, known: Vec<Known>, after: &str) {
        let Some(user) = self.user_at(at, link) else { return };
        if self.read_fails() {
            return self.push(at, link, Down::ReadFailed);
        }
        let all = self.conversations(user).into_iter().filter(|one| &*one.conversation_id > after);
        let mut page: Vec<Conversation> = all.take(PAGE_CONVERSATIONS + 1).collect();
        let more = page.len() > PAGE_CONVERSATIONS;
        page.truncate(PAGE_CONVERSATIONS);
        let next = page.last().filter(|_| more).map(|last| last.conversation_id.clone());
        let mut has: HashMap<&str, &Known> = known
            .iter()
            .map(|known| (&*known.conversation_id, known))
            .filter(|(id, _)| *id > after && next.as_ref().is_none_or(|next| *id <= &**next))
            .collect();
        let mut items = Vec::new();
        for conversation in page {
            let has = has.remove(&*conversation.conversation_id);
            if view::is_owed(&conversation, has) {
                items.push(self.item(user, conversation, has));
            }
        }
        let mut gone: Vec<String> = has.into_keys().map(str::to_owned).collect();
        gone.sort_unstable();
        self.push(at, link, Down::SyncPage { items, gone, done: next.is_none() });
        if let Some(after) = next {
            self.hop(at, GatewayEvent::SyncItems(link, known, after));
        }
    }

    fn item(&mut self, user: UserId, conversation: Conversation, has: Option<&Known>) -> SyncItem {
        let lacked = view::first_lacked(&conversation, has);
        let lacked = if self.has(Bug::PageNotCut) { lacked.map(|_| has.map_or(1, |has| has.seq + 1)) } else { lacked };
        let Some(from) = lacked else { return SyncItem { conversation: Some(conversation), ..SyncItem::default() } };
        let to = conversation.last_seq;
        let entries = self.store.range(&conversation.conversation_id, (from, to), ITEM_ENTRIES, true);
        let judged = self.oracle.paged(user, &entries);
        self.judge(judged);
        let first = entries.first().map_or(to + 1, |entry| entry.seq);
        let (gap_from, gap_to) = if first > from { (from, first - 1) } else { (0, 0) };
        SyncItem { conversation: Some(conversation), entries, gap_from, gap_to }
    }

    pub(crate) fn fetch(&mut self, at: usize, link: u64, conversation: String, (from, to): (i64, i64)) {
        let Some(user) = self.user_at(at, link) else { return };
        if self.read_fails() {
            return self.push(at, link, Down::ReadFailed);
        }
        let Some(member) = self.store.membership(user, &conversation).and_then(|found| found.member) else { return };
        let (from, to) = if self.has(Bug::PageNotCut) { (from, to) } else { view::range(&member, from, to) };
        let entries = self.store.range(&conversation, (from, to), FETCH_ENTRIES, false);
        let judged = self.oracle.paged(user, &entries);
        self.judge(judged);
        let visible_to = if member.left_seq == 0 { 0 } else { view::visible_to(&member) };
        self.push(at, link, Down::Entries { conversation, entries, visible_from: member.visible_from, visible_to });
    }
}
