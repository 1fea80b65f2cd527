//! What can happen next.

use std::sync::Arc;

use im_infra::{ids::UserId, session_store::Route};
use proto::{
    common,
    conversation::{Known, SyncItem},
    message::Entry,
    mq::Receipt,
    repo::{AppendGroup, GroupOutcome, PutCursor, State, StateQuery},
};

use crate::actors::Sent;

/// One step of the simulation.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    /// A client does something.
    Act(usize),
    /// A client connects.
    Connect(usize),
    /// A client looks whether a hole has closed.
    HoleCheck(usize, u64, String),
    /// A client sends again what was refused for now.
    Resend(usize, u64, String),
    /// A client asks for a sync again.
    SyncAgain(usize, u64),
    /// A frame arrives at the gateway.
    Up(u64, Up),
    /// A frame arrives at the client.
    Down(u64, Down),
    /// A client learns that its connection is gone.
    ClientLost(u64),
    /// A gateway learns it.
    GatewayLost(u64),
    /// A process is started.
    Start(Process),
    /// Of a gateway with that start.
    Gateway(usize, u64, GatewayEvent),
    /// Of a worker of im-logic.
    Logic(Address, LogicEvent),
    /// A call arrives at the store; somebody may wait for the answer.
    Store(StoreCall, Option<Address>),
    /// Of im-task with that start: a partition goes on.
    Task(u64, u32, TaskEvent),
    /// Partitions are given out anew.
    Rebalance,
    /// The session store is back.
    RoutesUp,
    /// Routes of a gateway that died run out.
    RoutesExpire(Arc<(String, u32, Vec<Route>)>),
    /// Something goes wrong.
    Fault,
}

/// What dies and is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Process {
    Gateway(usize),
    Logic(usize),
    Task,
}

/// A worker's call: answers to older ones are for nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) logic: usize,
    pub(crate) epoch: u64,
    pub(crate) partition: u32,
    pub(crate) generation: u64,
    pub(crate) call: u64,
}

/// A client's frame.
#[derive(Clone, Debug)]
pub(crate) enum Up {
    Hello(Option<(u32, u64)>),
    Command(Arc<Sent>),
    /// Conversation and command: what was refused for now is not sent again.
    Abandon(String, String),
    Read(String, i64),
    Sync(Vec<Known>),
    Fetch(String, i64, i64),
}

/// A gateway's frame.
#[derive(Clone, Debug)]
pub(crate) enum Down {
    Welcome {
        resumed: bool,
    },
    Ack {
        conversation: String,
        command: String,
        seq: i64,
    },
    Error {
        conversation: String,
        command: String,
        error: common::Error,
    },
    Entry(Arc<Entry>),
    Entries {
        conversation: String,
        entries: Vec<Entry>,
        visible_from: i64,
        /// The last one that may be seen; 0 for a member.
        visible_to: i64,
    },
    SyncPage {
        items: Vec<SyncItem>,
        gone: Vec<String>,
        done: bool,
    },
    /// A sync or fetch could not be answered for now.
    ReadFailed,
    Receipt(Receipt),
    Resync,
}

/// What a gateway does next.
#[derive(Clone, Debug)]
pub(crate) enum GatewayEvent {
    Read,
    Produce,
    Tick,
    Route(u64, Option<(u32, u64)>),
    Large(u64, Option<(u32, u64)>),
    Digest(u64, Option<(u32, u64)>),
    /// The digest was read along with the places: of nobody in a large conversation.
    Welcome(u64, bool),
    Unroute(Route),
    Sync(u64, Vec<Known>),
    SyncItems(u64, Vec<Known>, String),
    Fetch(u64, String, i64, i64),
    LoadRead(String, Vec<UserId>),
    LoadMerge(String, Vec<(UserId, i64, i64)>),
    PassPut(Vec<Route>),
    PassMark,
}

/// What a worker of im-logic does next.
#[derive(Clone, Debug)]
pub(crate) enum LogicEvent {
    Poll,
    Next,
    Answer(Option<StoreAnswer>),
}

/// A call of the store.
#[derive(Clone, Debug)]
pub(crate) enum StoreCall {
    Cursors(Vec<PutCursor>),
    States(Vec<StateQuery>),
    Append(Arc<Vec<AppendGroup>>),
}

/// Its answer.
#[derive(Clone, Debug)]
pub(crate) enum StoreAnswer {
    Moved(Vec<PutCursor>),
    States(Vec<State>),
    Appended(Vec<GroupOutcome>),
}

/// What im-task does next.
#[derive(Clone, Debug)]
pub(crate) enum TaskEvent {
    Poll,
    Live,
    Members(i64),
    Send,
    Commit,
}

impl Event {
    /// What tells it from others in the hash of a trace.
    pub(crate) fn mark(&self) -> (u64, u64) {
        match self {
            Self::Act(client) => (1, *client as u64),
            Self::Connect(client) => (2, *client as u64),
            Self::HoleCheck(client, link, _) => (3, *client as u64 ^ (link << 8)),
            Self::Resend(client, link, _) => (4, *client as u64 ^ (link << 8)),
            Self::SyncAgain(client, link) => (5, *client as u64 ^ (link << 8)),
            Self::Up(link, _) => (6, *link),
            Self::Down(link, down) => (7, (link << 20) ^ down.mark()),
            Self::ClientLost(link) => (8, *link),
            Self::GatewayLost(link) => (9, *link),
            Self::Start(Process::Gateway(at) | Process::Logic(at)) => (10, *at as u64),
            Self::Start(Process::Task) => (11, 0),
            Self::Gateway(at, epoch, _) => (12, *at as u64 ^ (epoch << 8)),
            Self::Logic(address, _) => {
                (13, (address.call << 20) ^ (u64::from(address.partition) << 8) ^ address.logic as u64)
            }
            Self::Store(call, _) => (14, call.mark()),
            Self::Task(epoch, partition, _) => (15, u64::from(*partition) ^ (epoch << 8)),
            Self::Rebalance => (16, 0),
            Self::RoutesUp => (17, 0),
            Self::RoutesExpire(gone) => (18, u64::from(gone.1)),
            Self::Fault => (19, 0),
        }
    }
}

impl Down {
    const fn mark(&self) -> u64 {
        match self {
            Self::Welcome { resumed } => 1 + *resumed as u64,
            Self::Ack { seq, .. } => (seq.cast_unsigned() << 4) ^ 3,
            Self::Error { .. } => 4,
            Self::Entry(_) => 5,
            Self::Entries { .. } => 6,
            Self::SyncPage { .. } => 7,
            Self::ReadFailed => 8,
            Self::Receipt(_) => 9,
            Self::Resync => 10,
        }
    }
}

impl StoreCall {
    fn mark(&self) -> u64 {
        match self {
            Self::Cursors(cursors) => cursors.len() as u64,
            Self::States(queries) => (1 << 8) ^ queries.len() as u64,
            Self::Append(groups) => groups.iter().fold(2 << 8, |sum, group| sum + group.decisions.len() as u64),
        }
    }
}
