//! What users may read: each answer is checked against membership and interval here, nowhere else.

mod conversations;
mod messages;
mod places;
mod read_seqs;
mod sync;
mod users;

use std::sync::Arc;

use im_infra::{clock::Clock, mq::Queue, session_store::SessionStore};
use proto::{
    Error, ErrorCode,
    repo::{ListOfRequest, ListOfResponse, Membership, StoreEpochRequest},
};

use crate::repo::Repo;

/// Conversations of one answer of the store, where all of a user's are looked at.
const PAGE: u32 = 1_000;

/// Reads for users. Clones share.
#[derive(Clone)]
pub(crate) struct Reads {
    repo: Repo,
    routes: Arc<dyn SessionStore>,
    queue: Queue,
    clock: Clock,
}

impl Reads {
    pub(crate) fn new(repo: Repo, routes: Arc<dyn SessionStore>, queue: Queue, clock: Clock) -> Self {
        Self { repo, routes, queue, clock }
    }

    /// What the store is.
    pub(crate) async fn epoch(&self) -> Result<String, Error> {
        Ok(self.repo.conversations().store_epoch(StoreEpochRequest {}).await?.into_inner().epoch)
    }

    /// A user's memberships behind a conversation id.
    async fn page(&self, user_id: i64, after: &str, limit: u32) -> Result<ListOfResponse, Error> {
        let query = ListOfRequest { user_id, after: after.to_owned(), limit, ..Default::default() };
        Ok(self.repo.conversations().list_of(query).await?.into_inner())
    }

    /// A user's place in a conversation, also after leaving it.
    async fn membership(&self, user_id: i64, conversation_id: &str) -> Result<Membership, Error> {
        let query =
            ListOfRequest { user_id, conversation_id: conversation_id.to_owned(), limit: 1, ..Default::default() };
        let found = self.repo.conversations().list_of(query).await?.into_inner().memberships;
        found.into_iter().next().ok_or_else(|| ErrorCode::UnknownConversation.into())
    }
}
