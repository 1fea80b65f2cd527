//! Members, by conversation and by user. Their rows are read from the database each time: they say who may see what (R5), and
//! nothing that may be outdated says that. Only cursors come from the cache.

use std::collections::HashMap;

use im_infra::ids::{ConversationId, UserId};
use proto::{
    Error,
    repo::{ListOfRequest, ListOfResponse, Member, MembersRequest, MembersResponse, Membership},
};
use sea_orm::{DbErr, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _};

use super::{IDS_MAX, Store, entity::member, lengths::padded};
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

/// Rows of the lists of several users.
const LISTS_ROWS_MAX: usize = 10_000;

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
        Ok(ListOfResponse { memberships: self.memberships(rows).await?, more })
    }

    /// The same of several users, each named once, in their order, from the beginning; of those who do not fit into the answer not
    /// all.
    ///
    /// # Errors
    /// `invalid_argument` if there are too many users; `unavailable` if the database is away.
    pub async fn lists_of(&self, user_ids: Vec<UserId>) -> Result<Vec<ListOfResponse>, Error> {
        if user_ids.len() > IDS_MAX {
            return Err(Error::invalid("user_ids", format_args!("at most {IDS_MAX}")));
        }
        self.try_lists_of(user_ids).await.map_err(|error| to_error(&error))
    }

    async fn try_lists_of(&self, user_ids: Vec<UserId>) -> Result<Vec<ListOfResponse>, DbErr> {
        let mut rows = member::Entity::find()
            .filter(member::COLUMN.user_id.is_in(padded(user_ids.clone())))
            .order_by_asc(member::Column::UserId)
            .order_by_asc(member::Column::ConversationId)
            .limit(LISTS_ROWS_MAX as u64 + 1)
            .all(self.database.reader())
            .await?;
        // Of the one who has the first row that does not fit not all are there, and nobody behind has any.
        let cut_from = rows.get(LISTS_ROWS_MAX).map(|row| row.user_id);
        rows.truncate(LISTS_ROWS_MAX);
        Ok(lists(user_ids, self.memberships(rows).await?, cut_from))
    }

    /// Rows of members with what they have read, in their order.
    async fn memberships(&self, rows: Vec<member::Model>) -> Result<Vec<Membership>, DbErr> {
        // Both sides of direct conversations at once.
        let peer = |row: &member::Model| row.conversation_id.parse::<ConversationId>().ok()?.peer_of(row.user_id);
        let peers = rows.iter().filter_map(|row| Some(cursor_key(&row.conversation_id, peer(row)?)));
        let own = rows.iter().map(|row| cursor_key(&row.conversation_id, row.user_id));
        let keys = peers.chain(own).collect();
        let read = self.cursors(keys).await?;
        let read = |id: &str, user_id: UserId| read.get(&cursor_key(id, user_id)).copied().unwrap_or_default();
        let memberships = rows.into_iter().map(|row| {
            let own = read(&row.conversation_id, row.user_id);
            let peer = peer(&row).map(|peer| read(&row.conversation_id, peer)).unwrap_or_default();
            Membership {
                conversation_id: row.conversation_id.clone(),
                member: Some(to_proto(row, own.read_seq)),
                read_msg_no: own.read_msg_no,
                peer_read_seq: peer.read_seq,
            }
        });
        Ok(memberships.collect())
    }
}

/// Whose memberships they are, in the order of the users; from one of them on not all are there.
fn lists(user_ids: Vec<UserId>, memberships: Vec<Membership>, cut_from: Option<UserId>) -> Vec<ListOfResponse> {
    let mut of_each: HashMap<UserId, Vec<Membership>> = HashMap::with_capacity(user_ids.len());
    for membership in memberships {
        of_each.entry(membership.member.unwrap_or_default().user_id).or_default().push(membership);
    }
    let list = |user_id: UserId| ListOfResponse {
        memberships: of_each.remove(&user_id).unwrap_or_default(),
        more: cut_from.is_some_and(|from| user_id >= from),
    };
    user_ids.into_iter().map(list).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_user_has_a_list_and_from_the_cut_on_there_is_more() {
        let membership = |user_id, id: &str| Membership {
            conversation_id: id.to_owned(),
            member: Some(Member { user_id, ..Member::default() }),
            ..Membership::default()
        };
        let memberships = vec![membership(1, "d:1:2"), membership(1, "d:1:3"), membership(3, "d:1:3")];
        let told = |cut_from| {
            lists(vec![3, 1, 2, 7], memberships.clone(), cut_from)
                .into_iter()
                .map(|list| (list.memberships.len(), list.more))
                .collect::<Vec<_>>()
        };
        assert_eq!(told(None), [(1, false), (2, false), (0, false), (0, false)]);
        assert_eq!(told(Some(3)), [(1, true), (2, false), (0, false), (0, true)]);
    }
}
