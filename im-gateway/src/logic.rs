//! The way to im-logic.

use im_infra::rpc::Channel;
use proto::{
    auth::auth_service_client::AuthServiceClient, conversation::conversation_service_client::ConversationServiceClient,
    message::message_service_client::MessageServiceClient, user::user_service_client::UserServiceClient,
};

/// Bytes of one answer: a page of full bodies.
const MESSAGE_BYTES_MAX: usize = 64 << 20;

/// im-logic's services; each call takes a fresh handle.
#[derive(Clone)]
pub(crate) struct Logic {
    channel: Channel,
}

impl Logic {
    pub(crate) const fn new(channel: Channel) -> Self {
        Self { channel }
    }

    pub(crate) fn auth(&self) -> AuthServiceClient<Channel> {
        AuthServiceClient::new(self.channel.clone())
    }

    pub(crate) fn users(&self) -> UserServiceClient<Channel> {
        UserServiceClient::new(self.channel.clone())
    }

    pub(crate) fn conversations(&self) -> ConversationServiceClient<Channel> {
        ConversationServiceClient::new(self.channel.clone()).max_decoding_message_size(MESSAGE_BYTES_MAX)
    }

    pub(crate) fn messages(&self) -> MessageServiceClient<Channel> {
        MessageServiceClient::new(self.channel.clone()).max_decoding_message_size(MESSAGE_BYTES_MAX)
    }
}
