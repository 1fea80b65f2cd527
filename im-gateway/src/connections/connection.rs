//! One live connection.

use std::{
    future::Future,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicI64, AtomicUsize, Ordering},
    },
};

use proto::{Error, ErrorCode, client::server_frame};

use super::{Format, Frame, Held, Outgoing};
use crate::tokens::Caller;

/// Who is at the other end.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    pub(crate) connection_id: u64,
    pub(crate) caller: Caller,
    pub(crate) format: Format,
}

/// A connection after its hello.
pub(crate) struct Connection {
    pub(crate) identity: Identity,
    pub(crate) outgoing: Outgoing,
    /// Syncs and fetches that wait or are being answered, and the turn of the one that is.
    reads: AtomicUsize,
    turn: tokio::sync::Mutex<()>,
    /// When its token ends; moved by `auth`.
    expires_at_ms: AtomicI64,
    held: Mutex<Held>,
}

impl Connection {
    pub(crate) fn new(identity: Identity, outgoing: Outgoing) -> Self {
        let expires_at_ms = AtomicI64::new(identity.caller.expires_at_ms);
        Self {
            identity,
            outgoing,
            reads: AtomicUsize::new(0),
            turn: tokio::sync::Mutex::default(),
            expires_at_ms,
            held: Mutex::default(),
        }
    }

    /// Queues a frame; true: the caller has to have it written.
    pub(super) fn push(&self, frame: &Frame) -> bool {
        self.outgoing.push(frame.wire(self.identity.format))
    }

    /// Writes a frame, as far as the socket takes it.
    pub(crate) fn send(&self, frame: &Frame) {
        if self.push(frame) {
            self.outgoing.write_out();
        }
    }

    pub(crate) fn send_new(&self, frame: server_frame::Frame) {
        self.send(&Frame::new(frame));
    }

    /// Takes a place of so many for a sync or fetch, or refuses it for now.
    pub(crate) fn begin_read(&self, reads_max: usize) -> Result<(), Error> {
        if self.reads.fetch_add(1, Ordering::Relaxed) >= reads_max {
            self.reads.fetch_sub(1, Ordering::Relaxed);
            return Err(Error::new(ErrorCode::Overloaded).with("limit", "reads").retry_after_ms(500));
        }
        Ok(())
    }

    /// Answers a sync or fetch when its turn comes: one at a time, so that their frames wait for the client, not in memory.
    pub(crate) async fn read<T>(&self, answer: impl Future<Output = T>) -> T {
        let turn = self.turn.lock().await;
        let answered = answer.await;
        drop(turn);
        self.reads.fetch_sub(1, Ordering::Relaxed);
        answered
    }

    pub(crate) fn expires_at_ms(&self) -> i64 {
        self.expires_at_ms.load(Ordering::Relaxed)
    }

    pub(crate) fn renew(&self, expires_at_ms: i64) {
        self.expires_at_ms.store(expires_at_ms, Ordering::Relaxed);
    }

    /// Whether a command may go ahead: not behind another one that was refused for now.
    pub(crate) fn check_order(&self, conversation_id: &str, command_id: &str) -> Result<(), Error> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).check(conversation_id, command_id)
    }

    /// A command was refused for now: later ones of the conversation wait for it.
    pub(crate) fn hold(&self, conversation_id: &str, command_id: &str) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if !held.hold(conversation_id, command_id) {
            // A client that ignores every refusal: it has to start over.
            self.outgoing.close(ErrorCode::OutOfStep);
        }
    }

    /// The client gives the refused command up.
    pub(crate) fn abandon(&self, conversation_id: &str, command_id: &str) {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).abandon(conversation_id, command_id);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Weak;

    use super::*;

    fn connection() -> Connection {
        let caller = Caller {
            user_id: 1,
            session_id: "s".into(),
            device_id: "d".into(),
            platform: "web".into(),
            expires_at_ms: 1,
        };
        Connection::new(
            Identity { connection_id: 1, caller, format: Format::Json },
            Outgoing::new(8, 1_000, Weak::new()),
        )
    }

    #[test]
    fn r02_after_a_refusal_for_now_later_commands_wait_until_it_comes_again_or_is_abandoned() {
        let connection = connection();
        connection.hold("d:1:2", "a");
        assert_eq!(connection.check_order("d:1:2", "b").unwrap_err().code(), ErrorCode::RetryInOrder);
        assert!(connection.check_order("d:1:3", "b").is_ok(), "other conversations go on");
        assert!(connection.check_order("d:1:2", "a").is_ok());
        assert!(connection.check_order("d:1:2", "b").is_ok());
        connection.hold("d:1:2", "c");
        connection.abandon("d:1:2", "other");
        assert!(connection.check_order("d:1:2", "d").is_err());
        connection.abandon("d:1:2", "c");
        assert!(connection.check_order("d:1:2", "d").is_ok(), "the first that is held now");
        assert!(connection.check_order("d:1:2", "e").is_ok());
    }

    #[tokio::test]
    async fn p8_so_many_reads_may_be_open_and_one_more_is_refused_for_now() {
        let connection = connection();
        assert!(connection.begin_read(2).is_ok() && connection.begin_read(2).is_ok());
        let refused = connection.begin_read(2).unwrap_err();
        assert!(refused.code() == ErrorCode::Overloaded && refused.retry_after() > 0, "{refused}");
        connection.read(async {}).await;
        assert!(connection.begin_read(2).is_ok(), "one is done");
    }
}
