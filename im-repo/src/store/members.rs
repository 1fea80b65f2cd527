//! Members, by conversation and by user. Their rows are read from the database each time: they say who may see what (R5), and
//! nothing that may be outdated says that. Only cursors come from the cache.

use im_infra::ids::{ConversationId, UserId};
use proto::{
    Error,
    repo::{ListOfRequest, ListOfResponse, Member, MembersRequest, MembersResponse, Membership},
};
use sea_orm::{DbErr, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _};

use super::{IDS_MAX, Store, entity::member};
use crate::{cache::CursorKey, error::to_error};

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

fn cursor_key(conversation_id: &str, user_id: UserId) -> CursorKey {
    CursorKey { conversation_id: conversation_id.to_owned(), user_id }
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
        let keys = rows.iter().map(|row| cursor_key(&row.conversation_id, row.user_id)).collect();
        let read = self.cursors(keys).await?;
        let members = rows.into_iter().map(|row| {
            let cursor = read.get(&cursor_key(&row.conversation_id, row.user_id)).copied().unwrap_or_default();
            to_proto(row, cursor.read_seq)
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
        // Both sides of direct conversations at once.
        let peer = |id: &str| id.parse::<ConversationId>().ok()?.peer_of(query.user_id);
        let peers = rows.iter().filter_map(|row| Some(cursor_key(&row.conversation_id, peer(&row.conversation_id)?)));
        let own = rows.iter().map(|row| cursor_key(&row.conversation_id, query.user_id));
        let keys = peers.chain(own).collect();
        let read = self.cursors(keys).await?;
        let read = |id: &str, user_id: UserId| read.get(&cursor_key(id, user_id)).copied().unwrap_or_default();
        let memberships = rows.into_iter().map(|row| {
            let own = read(&row.conversation_id, query.user_id);
            let peer = peer(&row.conversation_id).map(|peer| read(&row.conversation_id, peer)).unwrap_or_default();
            Membership {
                conversation_id: row.conversation_id.clone(),
                member: Some(to_proto(row, own.read_seq)),
                read_msg_no: own.read_msg_no,
                peer_read_seq: peer.read_seq,
            }
        });
        Ok(ListOfResponse { memberships: memberships.collect(), more })
    }
}
