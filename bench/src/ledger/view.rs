//! A history, sorted for the checks.

use std::{
    collections::{BTreeMap, HashMap},
    ops::RangeInclusive,
};

use super::{
    entry::{Entry, User},
    event::{Client, Event},
};

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

/// An entry that a connection was pushed.
#[derive(Clone, Copy)]
pub(super) struct Push {
    pub(super) at_us: u64,
    pub(super) seq: i64,
    pub(super) message_id: i64,
}

/// When a connection's client read nothing, and for how many messages there is room meanwhile.
#[derive(Clone, Copy)]
pub(super) struct Deaf {
    pub(super) from_us: u64,
    pub(super) to_us: u64,
    pub(super) client: Client,
    pub(super) room: u64,
}

/// What a device was told of a conversation.
#[derive(Clone, Copy)]
pub(super) struct Told {
    pub(super) device: u64,
    pub(super) unread: i64,
    pub(super) read_seq: i64,
}

/// Everything, by what it is about.
#[derive(Default)]
pub(super) struct View<'a> {
    /// Whether this is the whole history, so that what is not in it did not happen.
    pub(super) complete: bool,
    /// First send of each command: when and by which connection.
    pub(super) sent: HashMap<Key<'a>, (u64, Client)>,
    /// Its last send.
    pub(super) sent_last: HashMap<Key<'a>, u64>,
    pub(super) acks: BTreeMap<Key<'a>, Vec<Ack>>,
    /// By what codes, in the order of arrival.
    pub(super) rejected: BTreeMap<Key<'a>, Vec<&'a str>>,
    /// When that was told first.
    pub(super) rejected_us: HashMap<Key<'a>, u64>,
    pub(super) logs: BTreeMap<&'a str, &'a [Entry]>,
    pub(super) lives: BTreeMap<Client, Life>,
    /// By connection and conversation, in the order of arrival.
    pub(super) pushed: BTreeMap<(Client, &'a str), Vec<Push>>,
    pub(super) seen: BTreeMap<(User, &'a str), &'a [(i64, i64)]>,
    pub(super) unread: BTreeMap<(User, &'a str), Vec<Told>>,
    /// Whose connections they are, as far as that was told.
    pub(super) devices: HashMap<Client, u64>,
    /// When a connection was told that pushes to it may have been lost.
    pub(super) resynced: HashMap<Client, Vec<u64>>,
    pub(super) deaf: Vec<Deaf>,
    /// The most that each process took, and what it may take.
    pub(super) memory: BTreeMap<&'a str, (u64, u64)>,
    /// By user: connected, online.
    pub(super) presence: BTreeMap<User, (bool, bool)>,
    /// The first fault.
    pub(super) struck_us: Option<u64>,
    pub(super) healed_us: Option<u64>,
    pub(super) ended_us: Option<u64>,
}

impl<'a> View<'a> {
    pub(super) fn of(events: &'a [Event], complete: bool) -> Self {
        let mut view = Self { complete, ..Self::default() };
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
                self.sent_last.insert((conversation, *user, command), *at_us);
            }
            Event::Stored { at_us, client, user, conversation, command, seq, message_id } => {
                let ack = Ack { at_us: *at_us, client: *client, seq: *seq, message_id: *message_id };
                self.acks.entry((conversation, *user, command)).or_default().push(ack);
            }
            Event::Rejected { at_us, user, conversation, command, code } => {
                self.rejected_us.entry((conversation, *user, command)).or_insert(*at_us);
                self.rejected.entry((conversation, *user, command)).or_default().push(code);
            }
            Event::Pushed { at_us, client, conversation, seq, message_id, .. } => {
                let push = Push { at_us: *at_us, seq: *seq, message_id: *message_id };
                self.pushed.entry((*client, conversation)).or_default().push(push);
            }
            Event::Seen { user, conversation, entries } => {
                self.seen.insert((*user, conversation), entries);
            }
            Event::Unread { user, device, conversation, unread, read_seq } => {
                let told = Told { device: *device, unread: *unread, read_seq: *read_seq };
                self.unread.entry((*user, conversation)).or_default().push(told);
            }
            Event::Device { client, device } => {
                self.devices.insert(*client, *device);
            }
            Event::Resynced { at_us, client } => {
                self.resynced.entry(*client).or_default().push(*at_us);
            }
            Event::Deaf { from_us, to_us, client, room } => {
                self.deaf.push(Deaf { from_us: *from_us, to_us: *to_us, client: *client, room: *room });
            }
            Event::Memory { process, bytes, bytes_max, .. } => {
                let most = self.memory.entry(process).or_default();
                *most = (*most).max((*bytes, *bytes_max));
            }
            Event::Struck { at_us, .. } => {
                self.struck_us.get_or_insert(*at_us);
            }
            Event::Healed { at_us } => self.healed_us = Some(*at_us),
            Event::Ended { at_us } => self.ended_us = Some(*at_us),
            Event::Presence { user, connected, online } => {
                self.presence.insert(*user, (*connected, *online));
            }
            Event::Log { conversation, entries } => {
                self.logs.insert(conversation, entries);
            }
        }
    }

    /// Whether anything can be said of a conversation: of one whose log was cut off, nothing that needs it.
    pub(super) fn is_known(&self, conversation: &str) -> bool {
        self.complete || self.logs.contains_key(conversation)
    }

    /// Until when each entry of the conversations was stored at the latest, as far as clients can tell: the first acknowledgement
    /// of it, or the first push of it to anybody.
    pub(super) fn known_us(&self) -> HashMap<(&'a str, i64), u64> {
        let acked = self
            .acks
            .iter()
            .flat_map(|((conversation, ..), acks)| acks.iter().map(move |ack| ((*conversation, ack.seq), ack.at_us)));
        let pushed = self.pushed.iter().flat_map(|((_, conversation), pushes)| {
            pushes.iter().map(move |push| ((*conversation, push.seq), push.at_us))
        });
        let mut known: HashMap<(&str, i64), u64> = HashMap::new();
        for (place, at_us) in acked.chain(pushed) {
            let first_us = known.entry(place).or_insert(at_us);
            *first_us = at_us.min(*first_us);
        }
        known
    }

    /// A user's places in a conversation, ascending, as its log tells of them: the first and the last entry of each. The removed
    /// sees the removal.
    pub(super) fn places(&self, user: User, conversation: &str) -> Vec<RangeInclusive<i64>> {
        let mut places: Vec<RangeInclusive<i64>> = Vec::new();
        for entry in self.logs.get(conversation).into_iter().copied().flatten() {
            if entry.members.contains(&user) {
                places.push(entry.seq..=i64::MAX);
            }
            if entry.left.contains(&user)
                && let Some(last) = places.last_mut().filter(|last| *last.end() == i64::MAX)
            {
                *last = *last.start()..=entry.seq;
            }
        }
        places
    }

    /// The entries of a log that a user may see: who rejoins has only the last place.
    pub(super) fn visible(&self, user: User, conversation: &str) -> Vec<&'a Entry> {
        let (Some(log), Some(place)) = (self.logs.get(conversation), self.places(user, conversation).pop()) else {
            return Vec::new();
        };
        log.iter().filter(|entry| place.contains(&entry.seq)).collect()
    }
}
