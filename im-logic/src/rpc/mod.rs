//! The gRPC services: each takes a call, asks, answers.

mod auth;
mod conversations;
mod messages;
mod users;

use proto::{
    auth::auth_service_server::AuthServiceServer, conversation::conversation_service_server::ConversationServiceServer,
    message::message_service_server::MessageServiceServer, user::user_service_server::UserServiceServer,
};
use tonic::service::Routes;

use crate::{auth::Auth, reads::Reads, upstream::Outbox};

/// Answers calls. Clones share.
#[derive(Clone)]
pub(crate) struct LogicRpc {
    pub(crate) auth: Auth,
    pub(crate) reads: Reads,
    pub(crate) outbox: Outbox,
}

/// All services of im-logic.
pub(crate) fn routes(rpc: LogicRpc) -> Routes {
    Routes::new(AuthServiceServer::new(rpc.clone()))
        .add_service(UserServiceServer::new(rpc.clone()))
        .add_service(ConversationServiceServer::new(rpc.clone()))
        .add_service(MessageServiceServer::new(rpc))
}
