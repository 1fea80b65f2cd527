//! The gRPC services: each takes a call, asks the store, answers.

mod conversations;
mod dead_letters;
mod messages;
mod users;

use std::sync::Arc;

use proto::repo::{
    conversation_repo_server::ConversationRepoServer, dead_letter_repo_server::DeadLetterRepoServer,
    group_repo_server::GroupRepoServer, message_repo_server::MessageRepoServer, session_repo_server::SessionRepoServer,
    user_repo_server::UserRepoServer,
};
use tonic::service::Routes;

use crate::store::Store;

/// Bytes of one call: a batch of appends with full bodies.
const MESSAGE_BYTES_MAX: usize = 64 << 20;

/// Answers calls out of the store. Clones share.
#[derive(Clone)]
pub(crate) struct RepoRpc {
    pub(crate) store: Store,
    /// The store's epoch, read at start.
    pub(crate) epoch: Arc<str>,
}

/// All services of im-repo.
pub(crate) fn routes(store: Store, epoch: &str) -> Routes {
    let rpc = RepoRpc { store, epoch: epoch.into() };
    Routes::new(MessageRepoServer::new(rpc.clone()).max_decoding_message_size(MESSAGE_BYTES_MAX))
        .add_service(ConversationRepoServer::new(rpc.clone()))
        .add_service(GroupRepoServer::new(rpc.clone()))
        .add_service(UserRepoServer::new(rpc.clone()))
        .add_service(SessionRepoServer::new(rpc.clone()))
        .add_service(DeadLetterRepoServer::new(rpc))
}
