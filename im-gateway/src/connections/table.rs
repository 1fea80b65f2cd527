//! All live connections of this process, by user.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use dashmap::DashMap;
use im_infra::ids::UserId;

use super::{Connection, Frame};

/// The table.
#[derive(Default)]
pub(crate) struct Connections {
    by_user: DashMap<UserId, Vec<Arc<Connection>>>,
    next_id: AtomicU64,
}

impl Connections {
    pub(crate) fn next_id(&self) -> u64 {
        self.next_id.fetch_add(1, Ordering::Relaxed) + 1
    }

    pub(crate) fn insert(&self, connection: Arc<Connection>) {
        self.by_user.entry(connection.identity.caller.user_id).or_default().push(connection);
    }

    pub(crate) fn remove(&self, connection: &Connection) {
        let user_id = connection.identity.caller.user_id;
        if let Some(mut held) = self.by_user.get_mut(&user_id) {
            held.retain(|other| other.identity.connection_id != connection.identity.connection_id);
        }
        self.by_user.remove_if(&user_id, |_, held| held.is_empty());
    }

    /// Queues a frame for every connection of these users; answers how many.
    pub(crate) fn send(&self, users: &[UserId], frame: &Frame) -> u64 {
        let mut sent = 0;
        for user in users {
            if let Some(held) = self.by_user.get(user) {
                for connection in held.iter() {
                    connection.send(frame);
                    sent += 1;
                }
            }
        }
        sent
    }

    /// A user's connections.
    pub(crate) fn of(&self, user: UserId) -> Vec<Arc<Connection>> {
        self.by_user.get(&user).map(|held| held.clone()).unwrap_or_default()
    }

    /// Every connection, as of now.
    pub(crate) fn all(&self) -> Vec<Arc<Connection>> {
        self.by_user.iter().flat_map(|held| held.value().clone()).collect()
    }
}
