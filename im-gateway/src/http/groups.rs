//! Making groups and changing who is in them: commands like any other, so they wait for their outcome.

use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode};
use im_infra::ids::{ConversationId, UserId};
use proto::{
    ErrorCode,
    group::{CreateDirect, CreateGroup, Invite, Join, Leave, Remove},
    mq::upstream::Command,
};

use super::{
    body::{Body, Path},
    caller::{Caller, Key},
    outcome::{Stored, decide},
};
use crate::{error::Problem, shared::Shared};

type Done = Result<(StatusCode, Json<Stored>), Problem>;

pub(super) async fn create(
    State(shared): State<Arc<Shared>>,
    Caller(caller): Caller,
    key: Key,
    Body(group): Body<CreateGroup>,
) -> Done {
    let conversation = ConversationId::group(caller.user_id, key.command_id.as_str());
    let stored = decide(&shared, &caller, (conversation, key), Command::CreateGroup(group)).await?;
    Ok((StatusCode::CREATED, Json(stored)))
}

pub(super) async fn create_direct(
    State(shared): State<Arc<Shared>>,
    Caller(caller): Caller,
    key: Key,
    Body(direct): Body<CreateDirect>,
) -> Done {
    let conversation = ConversationId::direct(caller.user_id, direct.peer_id).ok_or(ErrorCode::UnknownUser)?;
    let stored = decide(&shared, &caller, (conversation, key), Command::CreateDirect(direct)).await?;
    Ok((StatusCode::CREATED, Json(stored)))
}

pub(super) async fn invite(
    State(shared): State<Arc<Shared>>,
    Caller(caller): Caller,
    Path(conversation_id): Path<String>,
    key: Key,
    Body(invite): Body<Invite>,
) -> Done {
    let stored = decide(&shared, &caller, (conversation_id.parse()?, key), Command::Invite(invite)).await?;
    Ok((StatusCode::CREATED, Json(stored)))
}

pub(super) async fn join(
    State(shared): State<Arc<Shared>>,
    Caller(caller): Caller,
    Path(conversation_id): Path<String>,
    key: Key,
) -> Done {
    let stored = decide(&shared, &caller, (conversation_id.parse()?, key), Command::Join(Join {})).await?;
    Ok((StatusCode::CREATED, Json(stored)))
}

pub(super) async fn leave(
    State(shared): State<Arc<Shared>>,
    Caller(caller): Caller,
    Path(conversation_id): Path<String>,
    key: Key,
) -> Done {
    let stored = decide(&shared, &caller, (conversation_id.parse()?, key), Command::Leave(Leave {})).await?;
    Ok((StatusCode::OK, Json(stored)))
}

pub(super) async fn remove(
    State(shared): State<Arc<Shared>>,
    Caller(caller): Caller,
    Path((conversation_id, user_id)): Path<(String, UserId)>,
    key: Key,
) -> Done {
    let command = Command::Remove(Remove { user_id });
    let stored = decide(&shared, &caller, (conversation_id.parse()?, key), command).await?;
    Ok((StatusCode::OK, Json(stored)))
}
