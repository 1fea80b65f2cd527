//! What the rules need to know, fetched for a whole batch at once.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use im_infra::ids::UserId;
use moka::future::Cache;
use proto::{
    Error,
    repo::{GetUsersRequest, GroupOutcome, Row, State, StateQuery, StatesRequest, StoreEpochRequest},
};

use tokio_util::sync::CancellationToken;

use super::batch::Arrival;
use crate::{
    config::RememberOptions,
    domain::remembered::{keep_members, tells_of},
    repo::Repo,
};

/// How often the store is asked for its epoch.
const EPOCH_EVERY: Duration = Duration::from_secs(1);

/// Reads states, and remembers those that are asked for with every command.
pub(super) struct States {
    repo: Repo,
    /// Users whose existence is known; they never cease to exist.
    users: Cache<UserId, ()>,
    /// Conversations with all their members, large ones with some. What is remembered may be outdated: the append compares its
    /// version, and what was decided upon an outdated state is decided again.
    conversations: Cache<String, Arc<State>>,
    /// Where logs stood after the last append; the append finds out whether they still do.
    rows: Cache<String, Row>,
}

/// The states that a round rests upon.
#[derive(Default)]
pub(super) struct Read {
    states: HashMap<String, Arc<State>>,
}

impl Read {
    pub(super) fn get(&self, conversation_id: &str) -> Option<&State> {
        self.states.get(conversation_id).map(|state| &**state)
    }
}

impl States {
    pub(super) fn new(repo: Repo, options: &RememberOptions) -> Self {
        let weight = |_: &String, state: &Arc<State>| u32::try_from(state.members.len()).unwrap_or(u32::MAX).max(1);
        let conversations = Cache::builder().max_capacity(options.members_max).weigher(weight).build();
        let rows = Cache::new(options.rows_max);
        Self { repo, users: Cache::new(options.users_max), conversations, rows }
    }

    /// The conversations of these commands; of large ones the members that the commands concern, and maybe others.
    pub(super) async fn of(&self, arrivals: &[&Arrival]) -> Result<Read, Error> {
        let mut concerned: HashMap<String, HashSet<UserId>> = HashMap::new();
        for arrival in arrivals {
            let users = concerned.entry(arrival.command.conversation.to_string()).or_default();
            users.extend(arrival.command.concerned());
        }
        let (mut read, mut unknown) = (Read::default(), HashMap::new());
        for (id, users) in concerned {
            match self.conversations.get(&id).await.filter(|state| tells_of(state, users.iter().copied())) {
                Some(state) => drop(read.states.insert(id, state)),
                None => drop(unknown.insert(id, users)),
            }
        }
        for (id, mut state) in self.read(unknown).await? {
            if let Some(before) = self.conversations.get(&id).await {
                keep_members(&mut state, &before);
            }
            let state = Arc::new(state);
            // What does not exist yet is about to.
            if state.state_version > 0 {
                self.conversations.insert(id.clone(), state.clone()).await;
            }
            read.states.insert(id, state);
        }
        Ok(read)
    }

    /// Forgets everything whenever the store was restored, until `stopping`.
    pub(super) async fn follow_epoch(&self, stopping: CancellationToken) {
        let mut known = None;
        while stopping.run_until_cancelled(tokio::time::sleep(EPOCH_EVERY)).await.is_some() {
            let Ok(answer) = self.repo.conversations().store_epoch(StoreEpochRequest {}).await else { continue };
            let epoch = answer.into_inner().epoch;
            if known.as_ref().is_some_and(|known| *known != epoch) {
                tracing::warn!(epoch, "the store was restored, states are read anew");
                self.conversations.invalidate_all();
                self.rows.invalidate_all();
                self.users.invalidate_all();
            }
            known = Some(epoch);
        }
    }

    /// Where a log stood after the last append, if that is remembered.
    pub(super) async fn row(&self, conversation_id: &str) -> Option<Row> {
        self.rows.get(conversation_id).await
    }

    /// Where a log stands after an append.
    pub(super) async fn stands(&self, outcome: &GroupOutcome) {
        match &outcome.row {
            Some(row) => self.rows.insert(outcome.conversation_id.clone(), row.clone()).await,
            None => self.rows.invalidate(&outcome.conversation_id).await,
        }
    }

    /// A conversation's state has moved: it is read when it is needed again.
    pub(super) async fn forget(&self, conversation_id: &str) {
        self.conversations.invalidate(conversation_id).await;
    }

    /// Conversations as they are now, with these users' places in them; of those that are not large all members.
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
