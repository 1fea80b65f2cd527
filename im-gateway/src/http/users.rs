//! The caller, and others by name or number.

use std::sync::Arc;

use axum::{Json, extract::State};
use im_infra::ids::ConversationId;
use proto::{
    Error, ErrorCode, mq,
    user::{GetUsersRequest, User},
};
use serde::Deserialize;

use super::{
    body::{Body, Page, Query},
    caller::{Caller, Key},
    outcome::{Stored, decide},
};
use crate::{error::Problem, shared::Shared};

pub(super) async fn me(State(shared): State<Arc<Shared>>, Caller(caller): Caller) -> Result<Json<User>, Problem> {
    let query = GetUsersRequest { user_ids: vec![caller.user_id], names: Vec::new() };
    let users = shared.logic.users().get_users(query).await?.into_inner().users;
    Ok(Json(users.into_iter().next().ok_or(ErrorCode::UnknownUser)?))
}

#[derive(Deserialize)]
pub(super) struct ChangeMe {
    display_name: String,
}

pub(super) async fn change_me(
    State(shared): State<Arc<Shared>>,
    Caller(caller): Caller,
    key: Key,
    Body(change): Body<ChangeMe>,
) -> Result<Json<Stored>, Problem> {
    let command = mq::upstream::Command::ChangeProfile(mq::ChangeProfile { display_name: change.display_name });
    Ok(Json(decide(&shared, &caller, (ConversationId::Personal(caller.user_id), key), command).await?))
}

#[derive(Deserialize)]
pub(super) struct Who {
    /// Names, separated by commas.
    name: Option<String>,
    /// Numbers, separated by commas.
    ids: Option<String>,
}

pub(super) async fn find(
    State(shared): State<Arc<Shared>>,
    _: Caller,
    Query(who): Query<Who>,
) -> Result<Json<Page<User>>, Problem> {
    let split = |list: Option<String>| -> Vec<String> {
        list.iter()
            .flat_map(|list| list.split(','))
            .map(str::trim)
            .filter(|one| !one.is_empty())
            .map(str::to_owned)
            .collect()
    };
    let numbers: Result<Vec<i64>, _> = split(who.ids).iter().map(|id| id.parse()).collect();
    let user_ids = numbers.map_err(|_| Error::invalid("ids", "numbers, separated by commas"))?;
    let query = GetUsersRequest { user_ids, names: split(who.name) };
    if query.user_ids.is_empty() && query.names.is_empty() {
        return Err(Error::invalid("name", "names or ids, separated by commas").into());
    }
    let items = shared.logic.users().get_users(query).await?.into_inner().users;
    Ok(Json(Page { items, next_cursor: None }))
}
