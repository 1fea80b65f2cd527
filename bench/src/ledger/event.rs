//! What can be seen from outside, one event a line when it is saved.

use serde::{Deserialize, Serialize};

use super::entry::{Entry, User};

/// A client's connection; a new number each time it connects.
pub type Client = u64;

/// Something that happened, as the driver of the clients saw it. Times are microseconds of the driver's own clock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A connection got its welcome (and finished its sync).
    Connected {
        /// When.
        at_us: u64,
        /// Which connection.
        client: Client,
        /// Whose.
        user: User,
    },
    /// A connection ended, by whoever's will.
    Disconnected {
        /// When.
        at_us: u64,
        /// Which connection.
        client: Client,
    },
    /// A command left a client. A resend is sent again.
    Sent {
        /// When.
        at_us: u64,
        /// By which connection.
        client: Client,
        /// By whom.
        user: User,
        /// To what.
        conversation: String,
        /// Its id.
        command: String,
    },
    /// A command was acknowledged.
    Stored {
        /// When.
        at_us: u64,
        /// To which connection.
        client: Client,
        /// To whom.
        user: User,
        /// Where.
        conversation: String,
        /// Which.
        command: String,
        /// Its place.
        seq: i64,
        /// Its id.
        message_id: i64,
    },
    /// A command was rejected for good. Refusals for now, and unknown outcomes, are no outcome.
    Rejected {
        /// When.
        at_us: u64,
        /// To whom.
        user: User,
        /// Where.
        conversation: String,
        /// Which.
        command: String,
        /// Why.
        code: String,
    },
    /// A live connection was given an entry, without asking.
    Pushed {
        /// When.
        at_us: u64,
        /// To which connection.
        client: Client,
        /// To whom.
        user: User,
        /// Where.
        conversation: String,
        /// Its place.
        seq: i64,
        /// Its id.
        message_id: i64,
        /// The command it came of.
        command: String,
    },
    /// In the end: what a user sees of a conversation, by history.
    Seen {
        /// Who.
        user: User,
        /// Of what.
        conversation: String,
        /// Place and id, ascending.
        entries: Vec<(i64, i64)>,
    },
    /// A connection is one of a device's: what the device sends is in order over all of its connections.
    Device {
        /// Which connection.
        client: Client,
        /// Whose it is; a number that no other device has.
        device: u64,
    },
    /// A connection was told that pushes to it may have been lost.
    Resynced {
        /// When.
        at_us: u64,
        /// Which connection.
        client: Client,
    },
    /// A connection's client read nothing for a while.
    Deaf {
        /// From when on.
        from_us: u64,
        /// Until when.
        to_us: u64,
        /// Which connection.
        client: Client,
        /// Messages for which there is room between it and its gateway, at most.
        room: u64,
    },
    /// What a process of ours takes.
    Memory {
        /// When.
        at_us: u64,
        /// Which.
        process: String,
        /// Private memory that was written to.
        bytes: u64,
        /// What it may take.
        bytes_max: u64,
    },
    /// Something was done to the system.
    Struck {
        /// When it took effect.
        at_us: u64,
        /// What.
        fault: String,
        /// Commands without an outcome at that moment.
        in_flight: u64,
    },
    /// From here on nothing was done to the system any more, and all of it runs.
    Healed {
        /// When.
        at_us: u64,
    },
    /// No outcome was waited for any longer.
    Ended {
        /// When.
        at_us: u64,
    },
    /// In the end: whether a user is said to be online.
    Presence {
        /// Who.
        user: User,
        /// Whether the user has a connection.
        connected: bool,
        /// What the server says, once it had the time to notice.
        online: bool,
    },
    /// In the end: what a user is told to be unread, and how far the user has read.
    Unread {
        /// Who.
        user: User,
        /// On which device; all of a user's must be told the same.
        #[serde(default)]
        device: u64,
        /// Of what.
        conversation: String,
        /// What the server says.
        unread: i64,
        /// The read cursor.
        read_seq: i64,
    },
    /// In the end: the log as the store has it.
    Log {
        /// Which.
        conversation: String,
        /// Ascending.
        entries: Vec<Entry>,
    },
}
