//! What must hold when everything works again and had time.

use crate::world::World;

impl World {
    /// Everybody is there, every command has its outcome, and everybody has every entry without having come again.
    pub(crate) fn check_pushed(&mut self) {
        let judged = (0..self.clients.len()).try_for_each(|at| {
            self.has_everything(at)?;
            self.was_pushed(at)
        });
        self.judge(judged);
        let backlog = self.backlog();
        if backlog > 0 {
            self.judge(Err(format!("liveness: {backlog} records are not handled")));
        }
    }

    fn has_everything(&self, at: usize) -> Result<(), String> {
        let client = &self.clients[at];
        if !client.is_greeted {
            return Err(format!("liveness: client {at} does not come back"));
        }
        if let Some(waiting) = client.waiting.first() {
            let sent = &waiting.sent;
            return Err(format!("liveness: {} in {} has no outcome", sent.command_id, sent.id));
        }
        let present = self.oracle.present(client.user);
        for id in &present {
            let upto = client.following.get(*id).map_or(0, |following| following.upto);
            let last = self.oracle.last_seq(id);
            if upto != last {
                return Err(format!("missed: client {at} of {} has {id} up to {upto} of {last}", client.user));
            }
        }
        let still = client.following.iter().find(|(id, following)| !following.has_left && !present.contains(&***id));
        match still {
            Some((id, _)) => Err(format!("missed: client {at} of {} believes to be in {id}", client.user)),
            None => Ok(()),
        }
    }

    /// Not found by a hole and fetched: what is stored after the digest of a hello was read is pushed, unless the client was
    /// told to sync after that.
    fn was_pushed(&self, at: usize) -> Result<(), String> {
        let client = &self.clients[at];
        let since = client.link.and_then(|link| self.link(link)?.owed_since);
        let owed = since.map(|since| self.oracle.owed(client.user, since)).unwrap_or_default();
        let was = |id: &str, seq: i64| client.pushed.get(id).is_some_and(|pushed| pushed.contains(&seq));
        match owed.into_iter().find(|(id, seq)| !was(id, *seq)) {
            Some((id, seq)) => Err(format!("not pushed: {id}/{seq} to client {at} of {}", client.user)),
            None => Ok(()),
        }
    }

    /// All connections are cut.
    pub(crate) fn reconnect_all(&mut self) {
        let links: Vec<u64> = self.clients.iter().filter_map(|client| client.link).collect();
        links.into_iter().for_each(|link| self.cut(link));
    }

    /// All devices and the store agree on entries, cursors, counts and digests.
    pub(crate) fn check_settled(&mut self) {
        let judged = (0..self.clients.len()).try_for_each(|at| {
            self.has_everything(at)?;
            self.agrees(at)
        });
        self.judge(judged);
    }

    fn agrees(&self, at: usize) -> Result<(), String> {
        let client = &self.clients[at];
        for conversation in self.conversations(client.user).iter().filter(|one| one.left_seq == 0) {
            let id = &conversation.conversation_id;
            let Some(following) = client.following.get(id) else { return Err(format!("missed: {id} by client {at}")) };
            let read_seq = self.store.cursor(id, client.user);
            if following.read_seq != read_seq {
                return Err(format!("cursor: client {at} has {id} read up to {}, not {read_seq}", following.read_seq));
            }
            let unread = self.oracle.unread(id, read_seq);
            if conversation.unread != unread {
                return Err(format!("unread: {id} has {} for {}, not {unread}", conversation.unread, client.user));
            }
            if following.my_rev() != conversation.my_rev {
                return Err(format!("digest: client {at} has another revision of {id}"));
            }
        }
        let (ours, theirs) = (client.digest().unwrap_or_default(), self.digest_of(client.user));
        if ours == theirs { Ok(()) } else { Err(format!("digest: client {at} has {ours:?}, the store {theirs:?}")) }
    }
}
