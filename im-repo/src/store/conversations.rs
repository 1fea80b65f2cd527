//! What the rules and the readers need to know of conversations.

use std::collections::HashMap;

use proto::{
    Error,
    common::FanOutMode,
    message::Entry,
    repo::{Head, HeadsRequest, State, StateQuery},
};
use sea_orm::{Condition, DbErr, EntityTrait as _, QueryFilter as _};

use super::{
    IDS_MAX, Store,
    entity::{conversation, member},
    lengths::padded,
    members,
};
use crate::{cache::HeadKey, domain::Row, error::to_error};

impl Store {
    /// The state of conversations, with the members asked for; in the order of the queries. Read before the decisions that
    /// rest upon it; the append refuses them if it has moved since.
    ///
    /// # Errors
    /// `unavailable` if the database is away.
    pub async fn states(&self, queries: Vec<StateQuery>) -> Result<Vec<State>, Error> {
        self.try_states(queries).await.map_err(|error| to_error(&error))
    }

    async fn try_states(&self, queries: Vec<StateQuery>) -> Result<Vec<State>, DbErr> {
        let ids: Vec<&str> = queries.iter().map(|query| &*query.conversation_id).collect();
        // Rows first, members second: members that are newer than the version make the append refuse, older ones cannot be.
        let rows = self.conversations(&ids).await?;
        let mut wanted = Condition::any();
        let mut asked = false;
        for query in queries.iter().filter(|query| query.all || !query.user_ids.is_empty()) {
            asked = true;
            let mut these = Condition::all().add(member::COLUMN.conversation_id.eq(&*query.conversation_id));
            let is_large = rows.get(&query.conversation_id).is_some_and(|row| row.fan_out == FanOutMode::Large as i32);
            if !query.all || is_large {
                these = these.add(member::COLUMN.user_id.is_in(query.user_ids.iter().copied()));
            }
            wanted = wanted.add(these);
        }
        let found =
            if asked { member::Entity::find().filter(wanted).all(self.database.reader()).await? } else { Vec::new() };
        let mut by_conversation: HashMap<String, Vec<member::Model>> = HashMap::new();
        for model in found {
            by_conversation.entry(model.conversation_id.clone()).or_default().push(model);
        }
        let state = |query: StateQuery| {
            let members = by_conversation.remove(&query.conversation_id).unwrap_or_default();
            let row = rows.get(&query.conversation_id);
            State {
                state_version: row.map_or(0, |row| row.state_version),
                kind: row.map_or(0, |row| row.kind),
                open: row.is_some_and(|row| row.open != 0),
                fan_out: row.map_or(0, |row| row.fan_out),
                member_count: row.map_or(0, |row| u32::try_from(row.member_count).unwrap_or(0)),
                last_seq: row.map_or(0, |row| row.last_seq),
                members: members.into_iter().map(|model| members::to_proto(model, 0)).collect(),
                conversation_id: query.conversation_id,
            }
        };
        Ok(queries.into_iter().map(state).collect())
    }

    /// Where conversations stand; those without an entry are left out.
    ///
    /// # Errors
    /// `unavailable` if the database is away.
    pub async fn heads(&self, query: &HeadsRequest) -> Result<Vec<Head>, Error> {
        self.try_heads(query).await.map_err(|error| to_error(&error))
    }

    async fn try_heads(&self, query: &HeadsRequest) -> Result<Vec<Head>, DbErr> {
        let keys = query.conversation_ids.iter().cloned().map(HeadKey).collect();
        if query.fresh && !query.last_entry {
            return self.fresh_heads(&query.conversation_ids).await;
        }
        let heads = if query.fresh {
            self.read_heads(keys).await?.into_iter().collect()
        } else {
            self.aside.get(keys, |missing| self.read_heads(missing)).await?
        };
        let shown = |head: Head| if query.last_entry { head } else { Head { last_entry: None, ..head } };
        Ok(heads.into_values().map(shown).collect())
    }

    /// Where a conversation stands, if it has an entry.
    pub(super) async fn head(&self, conversation_id: &str) -> Result<Option<Head>, DbErr> {
        let keys = vec![HeadKey(conversation_id.to_owned())];
        Ok(self.aside.get(keys, |missing| self.read_heads(missing)).await?.into_values().next())
    }

    /// Rows alone, past the cache.
    async fn fresh_heads(&self, ids: &[String]) -> Result<Vec<Head>, DbErr> {
        let rows = self.conversations(&ids.iter().map(String::as_str).collect::<Vec<_>>()).await?;
        let rows = rows.into_iter().filter(|(_, row)| row.last_seq > 0);
        Ok(rows.map(|(id, row)| to_head(&id, Row::from(row), None)).collect())
    }

    async fn read_heads(&self, keys: Vec<HeadKey>) -> Result<Vec<(HeadKey, Head)>, DbErr> {
        let ids: Vec<&str> = keys.iter().map(|key| &*key.0).collect();
        let mut rows = self.conversations(&ids).await?;
        rows.retain(|_, row| row.last_seq > 0);
        let places: Vec<(String, i64)> = rows.iter().map(|(id, row)| (id.clone(), row.last_seq)).collect();
        let entries = self.entries_at(&places).await?;
        let mut entries: HashMap<String, Entry> =
            entries.into_iter().map(|entry| (entry.conversation_id.clone(), entry)).collect();
        let head = |(id, model): (String, conversation::Model)| {
            let last_entry = entries.remove(&id);
            (HeadKey(id.clone()), to_head(&id, Row::from(model), last_entry))
        };
        Ok(rows.into_iter().map(head).collect())
    }

    async fn conversations(&self, ids: &[&str]) -> Result<HashMap<String, conversation::Model>, DbErr> {
        let mut rows = HashMap::with_capacity(ids.len());
        for some in ids.chunks(IDS_MAX) {
            let these = conversation::COLUMN.conversation_id.is_in(padded(some.to_vec()));
            let found = conversation::Entity::find().filter(these).all(self.database.reader()).await?;
            rows.extend(found.into_iter().map(|row| (row.conversation_id.clone(), row)));
        }
        Ok(rows)
    }
}

/// What is told of a conversation.
pub(super) fn to_head(conversation_id: &str, row: Row, last_entry: Option<Entry>) -> Head {
    Head {
        conversation_id: conversation_id.to_owned(),
        kind: row.kind,
        title: row.title,
        last_seq: row.last_seq,
        last_msg_no: row.last_msg_no,
        first_seq: row.first_seq,
        member_count: u32::try_from(row.member_count).unwrap_or(0),
        fan_out: row.fan_out,
        last_entry,
    }
}

impl From<conversation::Model> for Row {
    fn from(model: conversation::Model) -> Self {
        Self {
            last_seq: model.last_seq,
            last_msg_no: model.last_msg_no,
            first_seq: model.first_seq,
            state_version: model.state_version,
            last_created_at_ms: model.last_created_at_ms,
            member_count: model.member_count,
            kind: model.kind,
            title: model.title,
            open: model.open != 0,
            fan_out: model.fan_out,
            has_rejections: model.has_rejections != 0,
        }
    }
}
