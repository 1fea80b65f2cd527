//! What waits to be written to one client: bounded by count and bytes, allocated when first used. A client that reads too
//! slowly is closed and comes back; nobody else waits for it.

use std::{
    collections::VecDeque,
    future::poll_fn,
    sync::{Mutex, MutexGuard, PoisonError},
    task::Poll,
};

use futures_util::task::AtomicWaker;
use im_infra::planted::{self, Bug};
use proto::ErrorCode;
use tokio::sync::Notify;

use super::Wire;

/// Frames on their way to a socket.
pub(crate) struct Outgoing {
    state: Mutex<State>,
    waker: AtomicWaker,
    /// Told when the writer has taken everything.
    taken: Notify,
    frames_max: usize,
    bytes_max: usize,
}

#[derive(Default)]
struct State {
    frames: VecDeque<Wire>,
    bytes: usize,
    closing: Option<ErrorCode>,
}

/// What the writer gets.
pub(crate) enum Pulled {
    /// Everything that waited.
    Frames(VecDeque<Wire>),
    /// Close with this code, after the frames that were given before.
    Close(ErrorCode),
}

impl Outgoing {
    pub(crate) fn new(frames_max: usize, bytes_max: usize) -> Self {
        Self { state: Mutex::default(), waker: AtomicWaker::new(), taken: Notify::new(), frames_max, bytes_max }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a frame; one too many closes the connection instead.
    pub(crate) fn push(&self, wire: Wire) {
        let mut state = self.lock();
        if state.closing.is_some() {
            return;
        }
        // One frame always fits: what is asked for is cut to size before it comes here.
        let full = state.frames.len() >= self.frames_max || state.bytes + wire.len() > self.bytes_max;
        if full && planted::is(Bug::DropWithoutResync) {
            return;
        }
        if full && !state.frames.is_empty() {
            state.frames = VecDeque::new();
            state.closing = Some(ErrorCode::TooSlow);
            self.taken.notify_waiters();
        } else {
            state.bytes += wire.len();
            state.frames.push_back(wire);
        }
        drop(state);
        self.waker.wake();
    }

    /// Waits until nothing waits, for answers that are larger than what may wait; answers whether the connection goes on.
    pub(crate) async fn drained(&self) -> bool {
        loop {
            let taken = self.taken.notified();
            {
                let state = self.lock();
                if state.frames.is_empty() || state.closing.is_some() {
                    return state.closing.is_none();
                }
            }
            taken.await;
        }
    }

    /// Closes after what waits now; the first reason stands.
    pub(crate) fn close(&self, code: ErrorCode) {
        self.lock().closing.get_or_insert(code);
        self.taken.notify_waiters();
        self.waker.wake();
    }

    /// Waits for frames or a reason to close; takes all frames at once, so that they share a write.
    pub(crate) async fn pull(&self) -> Pulled {
        poll_fn(|cx| {
            self.waker.register(cx.waker());
            let mut state = self.lock();
            if !state.frames.is_empty() {
                state.bytes = 0;
                self.taken.notify_waiters();
                return Poll::Ready(Pulled::Frames(std::mem::take(&mut state.frames)));
            }
            state.closing.map_or(Poll::Pending, |code| Poll::Ready(Pulled::Close(code)))
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wire(text: &str) -> Wire {
        Wire::Text(text.into())
    }

    #[tokio::test]
    async fn what_waits_is_taken_at_once_and_then_the_close() {
        let outgoing = Outgoing::new(8, 100);
        outgoing.push(wire("a"));
        outgoing.push(wire("b"));
        outgoing.close(ErrorCode::GoingAway);
        outgoing.push(wire("too late"));
        assert!(matches!(outgoing.pull().await, Pulled::Frames(frames) if frames.len() == 2));
        assert!(matches!(outgoing.pull().await, Pulled::Close(ErrorCode::GoingAway)));
    }

    #[tokio::test]
    async fn who_waits_for_room_goes_on_when_it_is_taken_and_gives_up_when_it_closes() {
        let outgoing = Outgoing::new(8, 100);
        assert!(outgoing.drained().await);
        outgoing.push(wire("a"));
        let (goes_on, _) = tokio::join!(outgoing.drained(), outgoing.pull());
        assert!(goes_on);
        outgoing.push(wire("b"));
        let (goes_on, ()) = tokio::join!(outgoing.drained(), async { outgoing.close(ErrorCode::GoingAway) });
        assert!(!goes_on, "though nobody takes what waits");
    }

    #[tokio::test]
    async fn r18_a_slow_client_is_closed_with_resume_by_count_and_by_bytes() {
        for (frames_max, bytes_max) in [(2, 1_000), (1_000, 2)] {
            let outgoing = Outgoing::new(frames_max, bytes_max);
            for _ in 0..3 {
                outgoing.push(wire("x"));
            }
            assert!(matches!(outgoing.pull().await, Pulled::Close(ErrorCode::TooSlow)), "nothing old is kept");
        }
    }
}
