//! All live connections of this process, by user.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use dashmap::DashMap;
use im_infra::ids::UserId;
use smallvec::SmallVec;

use super::{Connection, Frame, Pushes};

/// A user's connections. Most users have one, which then lies in the table itself.
type Held = SmallVec<[Arc<Connection>; 1]>;

/// The table.
#[derive(Default)]
pub(crate) struct Connections {
    by_user: DashMap<UserId, Held>,
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

    /// Gives back what was needed when there were many more; from a timer.
    pub(crate) fn tidy(&self) {
        if is_roomy(self.by_user.len(), self.by_user.capacity()) {
            self.by_user.shrink_to_fit();
        }
    }

    /// Gives a frame to every connection of these users; answers how many.
    pub(crate) fn push(&self, users: &[UserId], frame: &Frame, pushes: &mut Pushes) -> u64 {
        let mut sent = 0;
        for user in users {
            if let Some(held) = self.by_user.get(user) {
                for connection in held.iter() {
                    pushes.add(connection, frame);
                    sent += 1;
                }
            }
        }
        sent
    }

    /// A user's connections.
    pub(crate) fn of(&self, user: UserId) -> Vec<Arc<Connection>> {
        self.by_user.get(&user).map(|held| held.to_vec()).unwrap_or_default()
    }

    /// Whether a user's connection of that number is there.
    pub(crate) fn has(&self, user: UserId, connection_id: u64) -> bool {
        let held = self.by_user.get(&user);
        held.is_some_and(|held| held.iter().any(|one| one.identity.connection_id == connection_id))
    }

    /// Every connection, as of now.
    pub(crate) fn all(&self) -> Vec<Arc<Connection>> {
        self.by_user.iter().flat_map(|held| held.value().clone()).collect()
    }
}

/// Whether a table has so much more room than entries that it pays to move them.
pub(crate) const fn is_roomy(entries: usize, capacity: usize) -> bool {
    /// A table doubles when it grows: less than this comes and goes with a few entries.
    const TIMES: usize = 4;
    capacity > entries * TIMES
}

#[cfg(test)]
mod tests {
    use std::sync::Weak;

    use super::{
        super::{Format, Identity, Outgoing},
        *,
    };
    use crate::tokens::Caller;

    fn connection(connections: &Connections, user_id: UserId) -> Arc<Connection> {
        let caller =
            Caller { user_id, session_id: "s".into(), device_id: "d".into(), platform: "web".into(), expires_at_ms: 1 };
        let identity = Identity { connection_id: connections.next_id(), caller, format: Format::Json };
        Arc::new(Connection::new(identity, Outgoing::new(8, 1_000, Weak::new())))
    }

    #[test]
    fn a_table_that_was_full_is_small_again_when_all_have_gone() {
        let connections = Connections::default();
        let all: Vec<_> = (0..10_000).map(|user_id| connection(&connections, user_id)).collect();
        all.iter().for_each(|one| connections.insert(one.clone()));
        connections.tidy();
        assert_eq!((connections.all().len(), connections.of(7).len()), (10_000, 1));
        all.iter().skip(100).for_each(|one| connections.remove(one));
        connections.tidy();
        assert!(connections.by_user.capacity() < 1_000, "{}", connections.by_user.capacity());
        assert_eq!((connections.all().len(), connections.of(7).len()), (100, 1));
    }
}
