//! Who asks, and what the command is known by.

use std::sync::Arc;

use axum::{extract::FromRequestParts, http::request::Parts};
use im_infra::ids::CommandId;

use super::request_id;
use crate::{error::Problem, shared::Shared, tokens, ws};

/// The user of a bearer token.
pub(super) struct Caller(pub(super) tokens::Caller);

impl FromRequestParts<Arc<Shared>> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, shared: &Arc<Shared>) -> Result<Self, Problem> {
        let token = ws::bearer(&parts.headers).unwrap_or_default();
        Ok(Self(shared.tokens.check(token).await?))
    }
}

/// What a command is known by: the Idempotency-Key header is its id, and the request's id goes with it.
pub(super) struct Key {
    pub(super) command_id: CommandId,
    /// Ends in im-logic's span, so that one id leads through the logs of both.
    pub(super) request_id: String,
}

impl<S: Send + Sync> FromRequestParts<S> for Key {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let text = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let command_id = CommandId::from_client(text("idempotency-key"))?;
        Ok(Self { command_id, request_id: text(request_id::HEADER).to_owned() })
    }
}
