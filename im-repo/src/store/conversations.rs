//! What the rules and the readers need to know of conversations.

use std::collections::HashMap;

use proto::{
    Error,
    common::FanOutMode,
    repo::{Head, HeadsRequest, State, StateQuery},
};
use sea_orm::{Condition, DbErr, EntityTrait as _, QueryFilter as _};

use super::{
    Store,
    entity::{conversation, member},
    members,
};
use crate::error::to_error;

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
        let ids: Vec<&str> = query.conversation_ids.iter().map(String::as_str).collect();
        let rows = self.conversations(&ids).await?;
        let mut entries = HashMap::new();
        if query.last_entry {
            let places: Vec<(String, i64)> =
                rows.values().map(|row| (row.conversation_id.clone(), row.last_seq)).collect();
            for entry in self.entries_at(&places).await? {
                entries.insert(entry.conversation_id.clone(), entry);
            }
        }
        let head = |row: conversation::Model| Head {
            last_entry: entries.remove(&row.conversation_id),
            conversation_id: row.conversation_id,
            kind: row.kind,
            title: row.title,
            last_seq: row.last_seq,
            last_msg_no: row.last_msg_no,
            first_seq: row.first_seq,
            member_count: u32::try_from(row.member_count).unwrap_or(0),
            fan_out: row.fan_out,
        };
        Ok(rows.into_values().filter(|row| row.last_seq > 0).map(head).collect())
    }

    async fn conversations(&self, ids: &[&str]) -> Result<HashMap<String, conversation::Model>, DbErr> {
        let rows = conversation::Entity::find()
            .filter(conversation::COLUMN.conversation_id.is_in(ids.iter().copied()))
            .all(self.database.reader())
            .await?;
        Ok(rows.into_iter().map(|row| (row.conversation_id.clone(), row)).collect())
    }
}
