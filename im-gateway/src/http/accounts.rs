//! Accounts and sessions.

use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode};
use proto::{
    ErrorCode,
    auth::{
        GuestRequest, ListSessionsRequest, LoginRequest, LogoutRequest, RefreshRequest, RegisterRequest, RevokeRequest,
        Session, TokenPair,
    },
};

use super::{
    body::{Body, Page, Path},
    caller::Caller,
};
use crate::{error::Problem, shared::Shared};

type Tokens = Result<Json<TokenPair>, Problem>;

pub(super) async fn register(State(shared): State<Arc<Shared>>, Body(request): Body<RegisterRequest>) -> Tokens {
    Ok(Json(shared.logic.auth().register(request).await?.into_inner()))
}

pub(super) async fn guest(State(shared): State<Arc<Shared>>, Body(request): Body<GuestRequest>) -> Tokens {
    Ok(Json(shared.logic.auth().guest(request).await?.into_inner()))
}

pub(super) async fn login(State(shared): State<Arc<Shared>>, Body(request): Body<LoginRequest>) -> Tokens {
    Ok(Json(shared.logic.auth().login(request).await?.into_inner()))
}

pub(super) async fn refresh(State(shared): State<Arc<Shared>>, Body(request): Body<RefreshRequest>) -> Tokens {
    Ok(Json(shared.logic.auth().refresh(request).await?.into_inner()))
}

pub(super) async fn logout(State(shared): State<Arc<Shared>>, Caller(caller): Caller) -> Result<StatusCode, Problem> {
    let logout = LogoutRequest { user_id: caller.user_id, session_id: caller.session_id };
    shared.logic.auth().logout(logout).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn sessions(
    State(shared): State<Arc<Shared>>,
    Caller(caller): Caller,
) -> Result<Json<Page<Session>>, Problem> {
    let list = ListSessionsRequest { user_id: caller.user_id, current_session_id: caller.session_id };
    let items = shared.logic.auth().list_sessions(list).await?.into_inner().sessions;
    Ok(Json(Page { items, next_cursor: None }))
}

pub(super) async fn revoke(
    State(shared): State<Arc<Shared>>,
    Caller(caller): Caller,
    Path(session_id): Path<String>,
) -> Result<StatusCode, Problem> {
    let revoke = RevokeRequest { user_id: caller.user_id, session_id };
    match shared.logic.auth().revoke(revoke).await?.into_inner().revoked {
        0 => Err(ErrorCode::NotFound.into()),
        _ => Ok(StatusCode::NO_CONTENT),
    }
}

/// Ends all sessions of the caller, this one too.
pub(super) async fn revoke_all(
    State(shared): State<Arc<Shared>>,
    Caller(caller): Caller,
) -> Result<StatusCode, Problem> {
    shared.logic.auth().revoke(RevokeRequest { user_id: caller.user_id, session_id: String::new() }).await?;
    Ok(StatusCode::NO_CONTENT)
}
