//! The way to im-repo.

use im_infra::rpc::Channel;
use proto::repo::{dead_letter_repo_client::DeadLetterRepoClient, group_repo_client::GroupRepoClient};

/// Bytes of one answer: a page of records.
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

    pub(crate) fn dead_letters(&self) -> DeadLetterRepoClient<Channel> {
        DeadLetterRepoClient::new(self.channel.clone()).max_decoding_message_size(MESSAGE_BYTES_MAX)
    }

    pub(crate) fn groups(&self) -> GroupRepoClient<Channel> {
        GroupRepoClient::new(self.channel.clone())
    }
}
