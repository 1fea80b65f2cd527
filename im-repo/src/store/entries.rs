//! Reading the log.

use std::collections::HashMap;

use prost::Message as _;
use proto::{
    Error,
    message::{Entry, EntryBody},
    repo::RangeRequest,
};
use sea_orm::{Condition, DbErr, EntityTrait as _, QueryFilter as _};

use super::{KEYS_AT_ONCE, Store, entity::entry};
use crate::{cache::EntryKey, error::to_error};

/// Entries of one answer.
const ENTRIES_MAX: u32 = 500;

pub(crate) fn to_proto(model: entry::Model) -> Result<Entry, DbErr> {
    let body = EntryBody::decode(&*model.body).map_err(|error| DbErr::Type(error.to_string()))?;
    Ok(Entry {
        conversation_id: model.conversation_id,
        seq: model.seq,
        message_id: model.message_id,
        sender_id: model.sender_id,
        command_id: model.command_id,
        created_at_ms: model.created_at_ms,
        msg_no: model.msg_no,
        body: Some(body),
    })
}

impl Store {
    /// Entries of a range, ascending; the oldest or the newest of them where there are more than `limit`.
    ///
    /// # Errors
    /// `unavailable` if the database is away.
    pub async fn range(&self, query: &RangeRequest) -> Result<Vec<Entry>, Error> {
        self.try_range(query).await.map_err(|error| to_error(&error))
    }

    /// A log has no holes: which seqs to answer is known beforehand.
    async fn try_range(&self, query: &RangeRequest) -> Result<Vec<Entry>, DbErr> {
        let Some(head) = self.head(&query.conversation_id).await? else { return Ok(Vec::new()) };
        let (first, last) = (query.from_seq.max(head.first_seq), query.to_seq.min(head.last_seq));
        let beyond = i64::from(query.limit.clamp(1, ENTRIES_MAX)) - 1;
        let seqs = if query.newest {
            first.max(last.saturating_sub(beyond))..=last
        } else {
            first..=last.min(first.saturating_add(beyond))
        };
        let keys = seqs.map(|seq| EntryKey { conversation_id: query.conversation_id.clone(), seq }).collect();
        let found = self.aside.get(keys, |missing| self.read_entries(missing)).await?;
        let mut entries: Vec<Entry> = found.into_values().collect();
        entries.sort_unstable_by_key(|entry| entry.seq);
        Ok(entries)
    }

    async fn read_entries(&self, keys: Vec<EntryKey>) -> Result<Vec<(EntryKey, Entry)>, DbErr> {
        let places: Vec<(String, i64)> = keys.into_iter().map(|key| (key.conversation_id, key.seq)).collect();
        let key = |entry: &Entry| EntryKey { conversation_id: entry.conversation_id.clone(), seq: entry.seq };
        Ok(self.entries_at(&places).await?.into_iter().map(|entry| (key(&entry), entry)).collect())
    }

    /// The entries at these places, in any order; those that are not there are left out.
    pub(super) async fn entries_at(&self, places: &[(String, i64)]) -> Result<Vec<Entry>, DbErr> {
        let mut found = Vec::with_capacity(places.len());
        for some in places.chunks(KEYS_AT_ONCE) {
            let mut by_conversation: HashMap<&str, Vec<i64>> = HashMap::new();
            for (conversation_id, seq) in some {
                by_conversation.entry(conversation_id).or_default().push(*seq);
            }
            let same = |(conversation_id, seqs): (&str, Vec<i64>)| {
                let conversation = entry::COLUMN.conversation_id.eq(conversation_id);
                Condition::all().add(conversation).add(entry::COLUMN.seq.is_in(seqs))
            };
            let any = by_conversation.into_iter().map(same).fold(Condition::any(), Condition::add);
            for row in entry::Entity::find().filter(any).all(self.database.reader()).await? {
                found.push(to_proto(row)?);
            }
        }
        Ok(found)
    }
}
