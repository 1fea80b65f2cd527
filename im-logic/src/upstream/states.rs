//! What the rules need to know, fetched for a whole batch at once.

use std::collections::{HashMap, HashSet};

use im_infra::ids::UserId;
use moka::future::Cache;
use proto::{
    Error,
    repo::{GetUsersRequest, State, StateQuery, StatesRequest},
};

use super::batch::Arrival;
use crate::repo::Repo;

/// Users whose existence is remembered; they never cease to exist.
const USERS_REMEMBERED: u64 = 100_000;

pub(super) struct States {
    repo: Repo,
    users: Cache<UserId, ()>,
}

impl States {
    pub(super) fn new(repo: Repo) -> Self {
        Self { repo, users: Cache::new(USERS_REMEMBERED) }
    }

    /// The conversations of these commands, fresh from the store; of large ones only the members that the commands concern.
    pub(super) async fn of(&self, arrivals: &[&Arrival]) -> Result<HashMap<String, State>, Error> {
        let mut concerned: HashMap<String, HashSet<UserId>> = HashMap::new();
        for arrival in arrivals {
            concerned.entry(arrival.command.conversation.to_string()).or_default().extend(arrival.command.concerned());
        }
        self.read(concerned).await
    }

    /// Conversations, with these users' places in them.
    pub(super) async fn read(&self, users: HashMap<String, HashSet<UserId>>) -> Result<HashMap<String, State>, Error> {
        let query = |(conversation_id, users): (String, HashSet<UserId>)| StateQuery {
            conversation_id,
            user_ids: users.into_iter().collect(),
            all: true,
        };
        let queries: Vec<StateQuery> = users.into_iter().map(query).collect();
        if queries.is_empty() {
            return Ok(HashMap::new());
        }
        let states = self.repo.conversations().states(StatesRequest { queries }).await?.into_inner().states;
        Ok(states.into_iter().map(|state| (state.conversation_id.clone(), state)).collect())
    }

    /// Which of the users that these commands name exist.
    pub(super) async fn users(&self, arrivals: &[&Arrival]) -> Result<HashSet<UserId>, Error> {
        let named: HashSet<UserId> = arrivals.iter().flat_map(|arrival| arrival.command.named_users()).collect();
        let (mut known, mut unknown) = (HashSet::new(), Vec::new());
        for user in named {
            if self.users.get(&user).await.is_some() {
                known.insert(user);
            } else {
                unknown.push(user);
            }
        }
        // The store takes so many at once.
        for user_ids in unknown.chunks(500) {
            let query = GetUsersRequest { user_ids: user_ids.to_vec(), name_keys: Vec::new() };
            for user in self.repo.users().get(query).await?.into_inner().users {
                self.users.insert(user.user_id, ()).await;
                known.insert(user.user_id);
            }
        }
        Ok(known)
    }
}
