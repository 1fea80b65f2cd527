//! The caller's conversations and who is in them.

use std::sync::Arc;

use axum::{Json, extract::State};
use proto::{
    Error,
    conversation::{Conversation, GetRequest, ListRequest, Member, MembersRequest},
};

use super::{
    body::{Page, PageQuery, Path, Query, limit},
    caller::Caller,
};
use crate::{error::Problem, shared::Shared};

pub(super) async fn list(
    State(shared): State<Arc<Shared>>,
    Caller(caller): Caller,
    Query(page): Query<PageQuery>,
) -> Result<Json<Page<Conversation>>, Problem> {
    let list =
        ListRequest { user_id: caller.user_id, after: page.cursor.unwrap_or_default(), limit: limit(page.limit)? };
    let answer = shared.logic.conversations().list(list).await?.into_inner();
    let last = answer.conversations.last().map(|conversation| conversation.conversation_id.clone());
    // Those the caller left are known to sync, not to the list.
    let items = answer.conversations.into_iter().filter(|conversation| conversation.left_seq == 0).collect();
    Ok(Json(Page { items, next_cursor: last.filter(|_| answer.more) }))
}

pub(super) async fn get(
    State(shared): State<Arc<Shared>>,
    Caller(caller): Caller,
    Path(conversation_id): Path<String>,
) -> Result<Json<Conversation>, Problem> {
    let get = GetRequest { user_id: caller.user_id, conversation_id };
    Ok(Json(shared.logic.conversations().get(get).await?.into_inner()))
}

pub(super) async fn members(
    State(shared): State<Arc<Shared>>,
    Caller(caller): Caller,
    Path(conversation_id): Path<String>,
    Query(page): Query<PageQuery>,
) -> Result<Json<Page<Member>>, Problem> {
    let after =
        page.cursor.as_deref().unwrap_or("0").parse().map_err(|_| Error::invalid("cursor", "what a page gave"))?;
    let query = MembersRequest { user_id: caller.user_id, conversation_id, after, limit: limit(page.limit)? };
    let answer = shared.logic.conversations().members(query).await?.into_inner();
    let last = answer.members.last().and_then(|member| member.user.as_ref()).map(|user| user.user_id.to_string());
    Ok(Json(Page { items: answer.members, next_cursor: last.filter(|_| answer.more) }))
}
