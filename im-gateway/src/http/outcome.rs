//! A command over HTTP waits for its outcome.

use std::time::Duration;

use im_infra::ids::ConversationId;
use proto::{Error, ErrorCode, mq};
use serde::Serialize;
use tokio::sync::oneshot;

use super::caller::Key;
use crate::{
    error::Problem,
    shared::Shared,
    tokens::Caller,
    upstream::{Action, Waiter},
};

/// A stored command, as HTTP tells it.
#[derive(Serialize)]
pub(super) struct Stored {
    conversation_id: String,
    seq: String,
    message_id: String,
    created_at_ms: String,
}

/// Sends a command on its way and waits. Past the deadline the outcome is unknown: the same key asks again.
pub(super) async fn decide(
    shared: &Shared,
    caller: &Caller,
    (conversation, key): (ConversationId, Key),
    command: mq::upstream::Command,
) -> Result<Stored, Problem> {
    let (sender, outcome) = oneshot::channel();
    let Key { command_id, request_id } = key;
    let action = Action { conversation, command_id, command, request_id };
    shared.intake.take(caller, action, Waiter::Request(sender))?;
    let timeout = Duration::from_millis(shared.options.http.outcome_timeout_ms);
    let result = tokio::time::timeout(timeout, outcome).await;
    match result {
        Ok(Ok(mq::outcome::Result::Stored(stored))) => Ok(Stored {
            conversation_id: conversation.to_string(),
            seq: stored.seq.to_string(),
            message_id: stored.message_id.to_string(),
            created_at_ms: stored.created_at_ms.to_string(),
        }),
        Ok(Ok(mq::outcome::Result::Error(error))) => Err(Error::from(error).into()),
        Ok(Err(_)) | Err(_) => Err(ErrorCode::OutcomeUnknown.into()),
    }
}
