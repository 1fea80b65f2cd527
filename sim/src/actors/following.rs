//! A device's view of one conversation, as docs/protocol.md says that a client keeps it.

use std::collections::BTreeSet;

use im_infra::ids::UserId;
use im_logic::domain::digest::my_rev;
use proto::{
    conversation::{Conversation, Known},
    message::{Entry, entry_body::Kind},
};

/// One conversation.
#[derive(Clone, Debug, Default)]
pub(crate) struct Following {
    /// Every entry up to this one is there.
    pub(crate) upto: i64,
    /// Entries behind a hole.
    pub(crate) ahead: BTreeSet<i64>,
    /// Read on this device or on another one.
    pub(crate) read_seq: i64,
    /// Of which the server told that it knows it: what the digest is made of.
    confirmed_seq: i64,
    peer_read_seq: i64,
    visible_from: i64,
    pub(crate) has_left: bool,
    /// The entry with which this user came or went last.
    changed_at: i64,
    /// Whether a look at the hole is planned.
    pub(crate) is_checking: bool,
}

impl Following {
    pub(crate) fn my_rev(&self) -> i64 {
        my_rev(self.confirmed_seq, self.peer_read_seq, self.visible_from)
    }

    pub(crate) fn known(&self, conversation_id: &str) -> Known {
        Known {
            conversation_id: conversation_id.to_owned(),
            seq: self.upto,
            read_seq: self.read_seq,
            my_rev: self.my_rev(),
        }
    }

    pub(crate) fn has_hole(&self) -> bool {
        !self.ahead.is_empty()
    }

    /// An entry came, pushed or asked for, perhaps again.
    pub(crate) fn take(&mut self, user: UserId, entry: &Entry) {
        let is_direct = entry.conversation_id.starts_with("d:");
        match entry.body.as_ref().and_then(|body| body.kind.as_ref()) {
            Some(Kind::Created(created)) if created.member_ids.contains(&user) => self.come(entry.seq),
            Some(Kind::Joined(joined)) if joined.user_ids.contains(&user) => self.come(entry.seq),
            Some(Kind::Left(left)) if left.user_id == user => self.go(entry.seq),
            Some(Kind::Removed(removed)) if removed.user_id == user => self.go(entry.seq),
            Some(Kind::Message(_)) => {
                if is_direct {
                    self.visible_from = 1;
                }
                if entry.sender_id == user {
                    self.read(entry.seq);
                } else if is_direct {
                    self.peer_read(entry.seq);
                }
            }
            _ => {}
        }
        if entry.seq > self.upto {
            self.ahead.insert(entry.seq);
        }
        self.close_up();
    }

    fn come(&mut self, seq: i64) {
        if seq > self.changed_at {
            self.changed_at = seq;
            self.has_left = false;
            self.begin_at(seq);
            self.read(seq - 1);
        }
    }

    /// The user went with this entry.
    pub(crate) fn go(&mut self, seq: i64) {
        if seq > self.changed_at {
            self.changed_at = seq;
            self.has_left = true;
        }
    }

    /// Nothing before this entry may be seen.
    pub(crate) fn begin_at(&mut self, visible_from: i64) {
        self.visible_from = self.visible_from.max(visible_from);
        self.upto = self.upto.max(self.visible_from - 1);
        self.close_up();
    }

    fn close_up(&mut self) {
        self.ahead.retain(|&seq| seq > self.upto);
        while self.ahead.remove(&(self.upto + 1)) {
            self.upto += 1;
        }
    }

    /// The user has read this here.
    pub(crate) fn look_at(&mut self, seq: i64) {
        self.read_seq = self.read_seq.max(seq);
    }

    /// The server knows that the user has read this.
    pub(crate) fn read(&mut self, seq: i64) {
        self.look_at(seq);
        self.confirmed_seq = self.confirmed_seq.max(seq);
    }

    /// What the user has read and the server may not know.
    pub(crate) fn unconfirmed(&self) -> Option<i64> {
        (self.read_seq > self.confirmed_seq && !self.has_left).then_some(self.read_seq)
    }

    pub(crate) fn peer_read(&mut self, seq: i64) {
        self.peer_read_seq = self.peer_read_seq.max(seq);
    }

    /// What a sync told; it may be older than what was pushed meanwhile.
    pub(crate) fn told(&mut self, conversation: &Conversation) {
        self.read(conversation.read_seq);
        self.peer_read(conversation.peer_read_seq);
        if conversation.left_seq != 0 {
            self.go(conversation.left_seq - 1);
        } else if conversation.visible_from >= self.changed_at {
            self.changed_at = conversation.visible_from;
            self.has_left = false;
            self.begin_at(conversation.visible_from);
        }
    }
}
