//! A history, sorted for the checks.

use std::collections::{BTreeMap, HashMap};

use super::event::{Client, Entry, Event, User};

/// A command's identity.
pub(super) type Key<'a> = (&'a str, User, &'a str);

/// An acknowledgement.
pub(super) struct Ack {
    pub(super) at_us: u64,
    pub(super) client: Client,
    pub(super) seq: i64,
    pub(super) message_id: i64,
}

/// A connection's life.
pub(super) struct Life {
    pub(super) user: User,
    pub(super) from_us: u64,
    pub(super) to_us: u64,
}

/// Everything, by what it is about.
#[derive(Default)]
pub(super) struct View<'a> {
    /// First send of each command: when and by which connection.
    pub(super) sent: HashMap<Key<'a>, (u64, Client)>,
    pub(super) acks: BTreeMap<Key<'a>, Vec<Ack>>,
    pub(super) rejected: HashMap<Key<'a>, &'a str>,
    pub(super) logs: BTreeMap<&'a str, &'a [Entry]>,
    pub(super) lives: BTreeMap<Client, Life>,
    /// By connection and conversation: seq and id, in the order of arrival.
    pub(super) pushed: BTreeMap<(Client, &'a str), Vec<(i64, i64)>>,
    pub(super) seen: BTreeMap<(User, &'a str), &'a [(i64, i64)]>,
    pub(super) unread: BTreeMap<(User, &'a str), (i64, i64)>,
}

impl<'a> View<'a> {
    pub(super) fn of(events: &'a [Event]) -> Self {
        let mut view = Self::default();
        for event in events {
            view.add(event);
        }
        view
    }

    fn add(&mut self, event: &'a Event) {
        match event {
            Event::Connected { at_us, client, user } => {
                self.lives.insert(*client, Life { user: *user, from_us: *at_us, to_us: u64::MAX });
            }
            Event::Disconnected { at_us, client } => {
                if let Some(life) = self.lives.get_mut(client) {
                    life.to_us = *at_us;
                }
            }
            Event::Sent { at_us, client, user, conversation, command } => {
                self.sent.entry((conversation, *user, command)).or_insert((*at_us, *client));
            }
            Event::Stored { at_us, client, user, conversation, command, seq, message_id } => {
                let ack = Ack { at_us: *at_us, client: *client, seq: *seq, message_id: *message_id };
                self.acks.entry((conversation, *user, command)).or_default().push(ack);
            }
            Event::Rejected { user, conversation, command, code, .. } => {
                self.rejected.insert((conversation, *user, command), code);
            }
            Event::Pushed { client, conversation, seq, message_id, .. } => {
                self.pushed.entry((*client, conversation)).or_default().push((*seq, *message_id));
            }
            Event::Seen { user, conversation, entries } => {
                self.seen.insert((*user, conversation), entries);
            }
            Event::Unread { user, conversation, unread, read_seq } => {
                self.unread.insert((*user, conversation), (*unread, *read_seq));
            }
            Event::Log { conversation, entries } => {
                self.logs.insert(conversation, entries);
            }
        }
    }

    /// The entries of a log that a user may see, by all the intervals the log tells of: who rejoins has only the last one.
    pub(super) fn visible(&self, user: User, conversation: &str) -> Vec<&'a Entry> {
        let Some(log) = self.logs.get(conversation) else { return Vec::new() };
        let (mut from, mut left) = (None, None);
        for entry in *log {
            if entry.members.contains(&user) {
                (from, left) = (Some(entry.seq), None);
            }
            if entry.left.contains(&user) {
                left = Some(entry.seq + 1);
            }
        }
        let Some(from) = from else { return Vec::new() };
        log.iter().filter(|entry| from <= entry.seq && left.is_none_or(|left| entry.seq < left)).collect()
    }

    /// Whether a user was a member when an entry was stored: what a push of it is judged by.
    pub(super) fn was_member(&self, user: User, conversation: &str, seq: i64) -> bool {
        let Some(log) = self.logs.get(conversation) else { return false };
        let mut member = false;
        for entry in log.iter().take_while(|entry| entry.seq <= seq) {
            member |= entry.members.contains(&user);
            // The removed sees the removal.
            if entry.left.contains(&user) && entry.seq < seq {
                member = false;
            }
        }
        member
    }
}
