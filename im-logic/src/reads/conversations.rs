//! A user's conversations as that user sees them.

use std::collections::HashMap;

use im_infra::ids::{ConversationId, UserId};
use proto::{
    Error,
    conversation::{Conversation, ListRequest, ListResponse, Member, MembersRequest, MembersResponse},
    repo::{self, GetUsersRequest, Head, HeadsRequest, Membership},
    user::User,
};

use super::{Reads, users::to_user};
use crate::domain::view;

/// Conversations or members of one answer.
const ITEMS_MAX: u32 = 200;

impl Reads {
    pub(crate) async fn conversation(&self, user_id: UserId, conversation_id: &str) -> Result<Conversation, Error> {
        let membership = self.membership(user_id, conversation_id).await?;
        let mut found = self.describe(user_id, vec![membership]).await?;
        found.pop().ok_or_else(|| proto::ErrorCode::UnknownConversation.into())
    }

    pub(crate) async fn list(&self, query: ListRequest) -> Result<ListResponse, Error> {
        let page = self.page(query.user_id, &query.after, limit(query.limit)?).await?;
        let conversations = self.describe(query.user_id, page.memberships).await?;
        Ok(ListResponse { conversations, more: page.more })
    }

    /// Heads, peers and unread counts of memberships, in their order.
    pub(super) async fn describe(
        &self,
        user_id: UserId,
        memberships: Vec<Membership>,
    ) -> Result<Vec<Conversation>, Error> {
        if memberships.is_empty() {
            return Ok(Vec::new());
        }
        let peer = |id: &str| id.parse::<ConversationId>().ok()?.peer_of(user_id);
        let user_ids: Vec<UserId> =
            memberships.iter().filter_map(|membership| peer(&membership.conversation_id)).collect();
        let mut peers: HashMap<UserId, User> = HashMap::new();
        if !user_ids.is_empty() {
            let found =
                self.repo.users().get(GetUsersRequest { user_ids, name_keys: Vec::new() }).await?.into_inner().users;
            peers.extend(found.into_iter().map(|user| (user.user_id, to_user(user))));
        }
        let mut conversations = self.as_seen(memberships, true).await?;
        for conversation in &mut conversations {
            conversation.peer = peer(&conversation.conversation_id).and_then(|user| peers.get(&user).cloned());
        }
        Ok(conversations)
    }

    /// The same without peers.
    pub(super) async fn as_seen(
        &self,
        memberships: Vec<Membership>,
        last_entry: bool,
    ) -> Result<Vec<Conversation>, Error> {
        let ids = memberships.iter().map(|membership| membership.conversation_id.clone()).collect();
        let mut heads = self.heads(ids, last_entry).await?;
        let seen =
            |membership: Membership| Some(view::conversation(heads.remove(&membership.conversation_id)?, &membership));
        Ok(memberships.into_iter().filter_map(seen).collect())
    }

    /// Where conversations stand; those without an entry are left out.
    pub(super) async fn heads(
        &self,
        conversation_ids: Vec<String>,
        last_entry: bool,
    ) -> Result<HashMap<String, Head>, Error> {
        if conversation_ids.is_empty() {
            return Ok(HashMap::new());
        }
        let heads = HeadsRequest { conversation_ids, last_entry, fresh: false };
        let heads = self.repo.conversations().heads(heads).await?.into_inner().heads;
        Ok(heads.into_iter().map(|head| (head.conversation_id.clone(), head)).collect())
    }

    pub(crate) async fn members(&self, query: MembersRequest) -> Result<MembersResponse, Error> {
        let limit = limit(query.limit)?;
        let mine = self.membership(query.user_id, &query.conversation_id).await?.member.unwrap_or_default();
        if mine.left_seq != 0 {
            return Err(proto::ErrorCode::NotAMember.into());
        }
        let request =
            repo::MembersRequest { conversation_id: query.conversation_id, after: query.after, limit, gone: false };
        let page = self.repo.groups().members(request).await?.into_inner();
        let user_ids: Vec<UserId> = page.members.iter().map(|member| member.user_id).collect();
        // Out of reach: nobody is shown as connected, nothing else suffers.
        let routes = self.routes.look_up(&user_ids).await.unwrap_or_default().routes;
        let users =
            self.repo.users().get(GetUsersRequest { user_ids, name_keys: Vec::new() }).await?.into_inner().users;
        let mut users: HashMap<UserId, User> = users.into_iter().map(|user| (user.user_id, to_user(user))).collect();
        let members = page.members.into_iter().map(|member| Member {
            user: Some(users.remove(&member.user_id).unwrap_or(User { user_id: member.user_id, ..User::default() })),
            role: member.role,
            visible_from: member.visible_from,
            online: routes.iter().any(|route| route.user_id == member.user_id),
            read_seq: member.read_seq,
        });
        Ok(MembersResponse { members: members.collect(), more: page.more })
    }
}

fn limit(limit: u32) -> Result<u32, Error> {
    if (1..=ITEMS_MAX).contains(&limit) {
        Ok(limit)
    } else {
        Err(Error::invalid("limit", format_args!("1 to {ITEMS_MAX}")))
    }
}
