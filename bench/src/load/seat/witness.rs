//! A connection as the ledger knows it, and what it did and saw as the ledger's events. Times are microseconds from the
//! start of the window.

use im_bench::ledger::{Client, Event, User};
use proto::client::Ack;

/// Whose events these are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Witness {
    pub(crate) client: Client,
    pub(crate) user: User,
}

impl Witness {
    pub(crate) fn connected(self, at_us: u64) -> Event {
        Event::Connected { at_us, client: self.client, user: self.user }
    }

    pub(crate) fn disconnected(self, at_us: u64) -> Event {
        Event::Disconnected { at_us, client: self.client }
    }

    pub(crate) fn sent(self, at_us: u64, conversation: &str, command: &str) -> Event {
        let Self { client, user } = self;
        Event::Sent { at_us, client, user, conversation: conversation.to_owned(), command: command.to_owned() }
    }

    pub(crate) fn stored(self, at_us: u64, ack: Ack) -> Event {
        let Self { client, user } = self;
        let Ack { conversation_id: conversation, command_id: command, seq, message_id, .. } = ack;
        Event::Stored { at_us, client, user, conversation, command, seq, message_id }
    }

    pub(crate) fn rejected(self, at_us: u64, conversation: &str, command: String, code: String) -> Event {
        Event::Rejected { at_us, user: self.user, conversation: conversation.to_owned(), command, code }
    }
}
