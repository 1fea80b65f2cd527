//! Members, by conversation and by user.

use std::collections::HashMap;

use im_infra::ids::ConversationId;
use proto::{
    Error,
    repo::{ListOfRequest, ListOfResponse, Member, MembersRequest, MembersResponse, Membership},
};
use sea_orm::{DbErr, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _};

use super::{IDS_MAX, Store, entity::member};
use crate::error::to_error;

#[allow(clippy::needless_pass_by_value)] // rows are used up where they are turned
pub(super) fn to_proto(model: member::Model, read_seq: i64) -> Member {
    Member {
        user_id: model.user_id,
        role: model.role,
        visible_from: model.visible_from,
        left_seq: model.left_seq,
        read_seq,
    }
}

fn page(limit: u32) -> u64 {
    u64::from(limit.clamp(1, u32::try_from(IDS_MAX).unwrap_or(u32::MAX)))
}

impl Store {
    /// A conversation's members by ascending user id.
    ///
    /// # Errors
    /// `unavailable` if the database is away.
    pub async fn members(&self, query: &MembersRequest) -> Result<MembersResponse, Error> {
        self.try_members(query).await.map_err(|error| to_error(&error))
    }

    async fn try_members(&self, query: &MembersRequest) -> Result<MembersResponse, DbErr> {
        let limit = page(query.limit);
        let mut select = member::Entity::find()
            .filter(member::COLUMN.conversation_id.eq(&*query.conversation_id))
            .filter(member::COLUMN.user_id.gt(query.after))
            .order_by_asc(member::Column::UserId)
            .limit(limit + 1);
        if !query.gone {
            select = select.filter(member::COLUMN.left_seq.eq(0));
        }
        let mut rows = select.all(self.database.reader()).await?;
        let more = rows.len() as u64 > limit;
        rows.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        let keys: Vec<_> = rows.iter().map(|row| (row.conversation_id.clone(), row.user_id)).collect();
        let read: HashMap<i64, i64> =
            self.cursors_of(&keys).await?.into_iter().map(|cursor| (cursor.user_id, cursor.read_seq)).collect();
        let members = rows.into_iter().map(|row| {
            let read_seq = read.get(&row.user_id).copied().unwrap_or(0);
            to_proto(row, read_seq)
        });
        Ok(MembersResponse { members: members.collect(), more })
    }

    /// A user's conversations by ascending id, those left too.
    ///
    /// # Errors
    /// `unavailable` if the database is away.
    pub async fn list_of(&self, query: &ListOfRequest) -> Result<ListOfResponse, Error> {
        self.try_list_of(query).await.map_err(|error| to_error(&error))
    }

    async fn try_list_of(&self, query: &ListOfRequest) -> Result<ListOfResponse, DbErr> {
        let limit = page(query.limit);
        let mut select = member::Entity::find()
            .filter(member::COLUMN.user_id.eq(query.user_id))
            .order_by_asc(member::Column::ConversationId)
            .limit(limit + 1);
        select = if query.conversation_id.is_empty() {
            select.filter(member::COLUMN.conversation_id.gt(&*query.after))
        } else {
            select.filter(member::COLUMN.conversation_id.eq(&*query.conversation_id))
        };
        let mut rows = select.all(self.database.reader()).await?;
        let more = rows.len() as u64 > limit;
        rows.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        let keys: Vec<_> = rows.iter().map(|row| (row.conversation_id.clone(), row.user_id)).collect();
        // Both sides of direct conversations in one statement.
        let peer = |id: &str| id.parse::<ConversationId>().ok()?.peer_of(query.user_id);
        let both = keys.iter().filter_map(|(id, _)| Some((id.clone(), peer(id)?))).chain(keys.iter().cloned());
        let cursors = self.cursors_of(&both.collect::<Vec<_>>()).await?;
        let read: HashMap<(&str, bool), (i64, i64)> = cursors
            .iter()
            .map(|cursor| {
                ((&*cursor.conversation_id, cursor.user_id == query.user_id), (cursor.read_seq, cursor.read_msg_no))
            })
            .collect();
        let memberships = rows.into_iter().map(|row| {
            let (read_seq, read_msg_no) = read.get(&(&*row.conversation_id, true)).copied().unwrap_or_default();
            let (peer_read_seq, _) = read.get(&(&*row.conversation_id, false)).copied().unwrap_or_default();
            Membership {
                conversation_id: row.conversation_id.clone(),
                member: Some(to_proto(row, read_seq)),
                read_msg_no,
                peer_read_seq,
            }
        });
        Ok(ListOfResponse { memberships: memberships.collect(), more })
    }
}
