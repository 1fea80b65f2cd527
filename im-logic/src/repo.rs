//! The way to im-repo.

use im_infra::rpc::Channel;
use proto::repo::{
    conversation_repo_client::ConversationRepoClient, group_repo_client::GroupRepoClient,
    message_repo_client::MessageRepoClient, session_repo_client::SessionRepoClient, user_repo_client::UserRepoClient,
};

/// Bytes of one answer: a page of full bodies.
const MESSAGE_BYTES_MAX: usize = 64 << 20;

/// im-repo's services; each call takes a fresh handle.
#[derive(Clone)]
pub(crate) struct Repo {
    channel: Channel,
}

impl Repo {
    pub(crate) const fn new(channel: Channel) -> Self {
        Self { channel }
    }

    pub(crate) fn messages(&self) -> MessageRepoClient<Channel> {
        MessageRepoClient::new(self.channel.clone()).max_decoding_message_size(MESSAGE_BYTES_MAX)
    }

    pub(crate) fn conversations(&self) -> ConversationRepoClient<Channel> {
        ConversationRepoClient::new(self.channel.clone()).max_decoding_message_size(MESSAGE_BYTES_MAX)
    }

    pub(crate) fn groups(&self) -> GroupRepoClient<Channel> {
        GroupRepoClient::new(self.channel.clone())
    }

    pub(crate) fn users(&self) -> UserRepoClient<Channel> {
        UserRepoClient::new(self.channel.clone())
    }

    pub(crate) fn sessions(&self) -> SessionRepoClient<Channel> {
        SessionRepoClient::new(self.channel.clone())
    }
}
