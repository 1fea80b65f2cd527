//! Who asks, and with which key for repetitions.

use std::sync::Arc;

use axum::{extract::FromRequestParts, http::request::Parts};
use im_infra::ids::CommandId;

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

/// The Idempotency-Key header: the command's id.
pub(super) struct Key(pub(super) CommandId);

impl<S: Send + Sync> FromRequestParts<S> for Key {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let key = parts.headers.get("idempotency-key").and_then(|value| value.to_str().ok()).unwrap_or_default();
        Ok(Self(CommandId::from_client(key)?))
    }
}
