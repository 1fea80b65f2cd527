//! A conversation's messages: history by cursor, and sending.

use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode};
use im_infra::ids::ConversationId;
use proto::{
    ErrorCode,
    message::{Content, Entry, RangeRequest},
    mq,
};
use serde::Deserialize;

use super::{
    body::{Body, Page, Path, Query, limit},
    caller::{Caller, Key},
    outcome::{Stored, decide},
};
use crate::{error::Problem, shared::Shared};

#[derive(Deserialize)]
pub(super) struct Before {
    /// Entries below this seq; none: the newest.
    before: Option<i64>,
    limit: Option<u32>,
}

/// Ascending; `next_cursor` is the `before` of the page with older ones.
pub(super) async fn history(
    State(shared): State<Arc<Shared>>,
    Caller(caller): Caller,
    Path(conversation_id): Path<String>,
    Query(query): Query<Before>,
) -> Result<Json<Page<Entry>>, Problem> {
    if query.before.is_some_and(|before| before <= 1) {
        return Ok(Json(Page { items: Vec::new(), next_cursor: None }));
    }
    let range = RangeRequest {
        user_id: caller.user_id,
        conversation_id,
        from_seq: 0,
        to_seq: query.before.map_or(0, |before| before - 1),
        limit: limit(query.limit)?,
        newest: true,
    };
    let answer = shared.logic.messages().range(range).await?.into_inner();
    let oldest = answer.entries.first().map(|entry| entry.seq).filter(|&seq| seq > answer.visible_from.max(1));
    Ok(Json(Page { items: answer.entries, next_cursor: oldest.map(|seq| seq.to_string()) }))
}

#[derive(Deserialize)]
pub(super) struct Message {
    content: Option<Content>,
}

pub(super) async fn send(
    State(shared): State<Arc<Shared>>,
    Caller(caller): Caller,
    Path(conversation_id): Path<String>,
    key: Key,
    Body(message): Body<Message>,
) -> Result<(StatusCode, Json<Stored>), Problem> {
    let conversation: ConversationId = conversation_id.parse()?;
    let content = message.content.ok_or(ErrorCode::BodyEmpty)?;
    let stored = decide(&shared, &caller, (conversation, key), mq::upstream::Command::Send(content)).await?;
    Ok((StatusCode::CREATED, Json(stored)))
}
