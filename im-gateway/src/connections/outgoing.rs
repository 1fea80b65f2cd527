//! What waits to be written to one client: bounded by count and bytes, allocated when first used. Whoever pushes writes it,
//! past the connection's task, as long as the socket takes it; then the task goes on. A client that reads too slowly is closed
//! and comes back; nobody else waits for it.

use std::{
    collections::VecDeque,
    future::poll_fn,
    mem,
    sync::{Mutex, MutexGuard, PoisonError, Weak},
    task::Poll,
};

use futures_util::task::AtomicWaker;
use im_infra::planted::{self, Bug};
use proto::ErrorCode;
use tokio::sync::Notify;

use super::{Line, Wire};

/// Frames on their way to a socket.
pub(crate) struct Outgoing {
    state: Mutex<State>,
    waker: AtomicWaker,
    /// Told when everything was taken.
    taken: Notify,
    frames_max: usize,
    bytes_max: usize,
    /// The way past the connection's task. None over TLS.
    line: Weak<Line>,
}

#[derive(Default)]
struct State {
    frames: VecDeque<Wire>,
    bytes: usize,
    closing: Option<ErrorCode>,
    turn: Turn,
}

/// Who writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Turn {
    /// The connection's task: it has frames on their way, or has not asked for any yet, because the client is not welcomed.
    #[default]
    Task,
    /// Whoever pushes: the task waits for frames, and nothing is on its way.
    Pusher,
    /// The task, which was woken: the socket did not take all that was pushed, of the first frame that waits maybe a part.
    Woken,
}

/// What the writer gets.
pub(crate) enum Pulled {
    /// Everything that waited, of the first maybe only the rest.
    Frames(VecDeque<Wire>),
    /// Close with this code, after the frames that were given before.
    Close(ErrorCode),
}

impl Outgoing {
    pub(crate) fn new(frames_max: usize, bytes_max: usize, line: Weak<Line>) -> Self {
        let (state, waker, taken) = (Mutex::default(), AtomicWaker::new(), Notify::new());
        Self { state, waker, taken, frames_max, bytes_max, line }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a frame; one too many closes the connection instead. True: nobody is about to write it, so the caller calls
    /// [`Self::write_out`], now or when it has added all it has.
    pub(crate) fn push(&self, wire: Wire) -> bool {
        let mut state = self.lock();
        if state.closing.is_some() {
            return false;
        }
        // What was pushed together may be more than what may wait: only what the socket does not take waits for the client.
        if self.is_full(&state, &wire) {
            self.write_through(&mut state);
        }
        // One frame always fits: what is asked for is cut to size before it comes here.
        let full = self.is_full(&state, &wire) && !planted::is(Bug::QueueUnbounded);
        if full && planted::is(Bug::DropWithoutResync) {
            return false;
        }
        if full && !state.frames.is_empty() {
            // What was begun is ended, before the close.
            let kept = usize::from(state.turn == Turn::Woken);
            state.frames.truncate(kept);
            state.closing = Some(ErrorCode::TooSlow);
            self.taken.notify_waiters();
            drop(state);
            self.waker.wake();
            return false;
        }
        state.bytes += wire.len();
        state.frames.push_back(wire);
        if state.turn == Turn::Pusher && self.line.strong_count() == 0 {
            // Nobody but the task can: it begins while more is pushed.
            self.wake(&mut state);
        }
        state.turn == Turn::Pusher && state.frames.len() == 1
    }

    /// Answers a ping, if nothing waits: a client that takes nothing must not fill the memory with pongs.
    pub(crate) fn pong(&self, payload: &[u8]) {
        let idle = self.lock().frames.is_empty();
        if idle && self.push(Wire::pong(payload)) {
            self.write_out();
        }
    }

    fn is_full(&self, state: &State, next: &Wire) -> bool {
        state.frames.len() >= self.frames_max || state.bytes + next.len() > self.bytes_max
    }

    /// Writes what waits, past the connection's task; what the socket does not take the task goes on with.
    pub(crate) fn write_out(&self) {
        let mut state = self.lock();
        // What waits for a close is written by the task, so that nothing comes behind the close.
        if state.closing.is_none() {
            self.write_through(&mut state);
        }
    }

    fn write_through(&self, state: &mut State) {
        if state.turn != Turn::Pusher || state.frames.is_empty() {
            return;
        }
        if self.line.upgrade().is_some_and(|line| line.push(&mut state.frames)) {
            // An idle connection holds no memory for what was.
            state.frames = VecDeque::new();
            state.bytes = 0;
            self.taken.notify_waiters();
        } else {
            state.bytes = state.frames.iter().map(Wire::len).sum();
            self.wake(state);
        }
    }

    fn wake(&self, state: &mut State) {
        state.turn = Turn::Woken;
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

    /// Waits for frames that pushing did not get through, or a reason to close; takes all frames at once, so that they share a
    /// write. Nobody else writes until this is called again.
    pub(crate) async fn pull(&self) -> Pulled {
        poll_fn(|cx| {
            self.waker.register(cx.waker());
            let mut state = self.lock();
            if !state.frames.is_empty() {
                return Poll::Ready(Pulled::Frames(self.take(&mut state)));
            }
            if let Some(code) = state.closing {
                return Poll::Ready(Pulled::Close(code));
            }
            state.turn = Turn::Pusher;
            Poll::Pending
        })
        .await
    }

    /// What came since the last [`Self::pull`], while it is still the task that writes.
    pub(crate) fn more(&self) -> VecDeque<Wire> {
        self.take(&mut self.lock())
    }

    /// After the close: what has to come before anything else of the task, because it may have been begun.
    pub(crate) fn begun(&self) -> Option<Wire> {
        let mut state = self.lock();
        if mem::take(&mut state.turn) == Turn::Woken { state.frames.pop_front() } else { None }
    }

    fn take(&self, state: &mut State) -> VecDeque<Wire> {
        state.turn = Turn::Task;
        state.bytes = 0;
        self.taken.notify_waiters();
        mem::take(&mut state.frames)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use tokio::io::AsyncWriteExt as _;

    use super::{
        super::loopback::{connected, read, wire},
        *,
    };

    /// As over TLS: the connection's task alone writes.
    fn outgoing(frames_max: usize, bytes_max: usize) -> Outgoing {
        Outgoing::new(frames_max, bytes_max, Weak::new())
    }

    #[tokio::test]
    async fn what_waits_is_taken_at_once_and_then_the_close() {
        let outgoing = outgoing(8, 100);
        outgoing.push(wire("a"));
        outgoing.push(wire("b"));
        outgoing.close(ErrorCode::GoingAway);
        outgoing.push(wire("too late"));
        assert!(matches!(outgoing.pull().await, Pulled::Frames(frames) if frames.len() == 2));
        assert!(matches!(outgoing.pull().await, Pulled::Close(ErrorCode::GoingAway)));
    }

    #[tokio::test]
    async fn who_waits_for_room_goes_on_when_it_is_taken_and_gives_up_when_it_closes() {
        let outgoing = outgoing(8, 100);
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
            let outgoing = outgoing(frames_max, bytes_max);
            for _ in 0..3 {
                outgoing.push(wire("x"));
            }
            assert!(matches!(outgoing.pull().await, Pulled::Close(ErrorCode::TooSlow)), "nothing old is kept");
        }
    }

    #[tokio::test]
    async fn p8_pongs_that_nobody_takes_fill_no_memory() {
        let outgoing = outgoing(8, 10_000);
        assert!(outgoing.pull().now_or_never().is_none());
        for _ in 0..100 {
            outgoing.pong(&[b'?'; 125]);
        }
        assert!(matches!(outgoing.pull().now_or_never(), Some(Pulled::Frames(frames)) if frames.len() == 1));
    }

    #[tokio::test]
    async fn behind_the_close_only_what_was_begun_is_left() {
        let (near, mut far) = connected().await;
        let outgoing = Outgoing::new(8, 1 << 30, near.line());
        assert!(outgoing.begun().is_none() && outgoing.pull().now_or_never().is_none());
        let large = wire(&"x".repeat(64 << 20));
        outgoing.push(large.clone());
        outgoing.push(wire("not begun"));
        outgoing.write_out();
        outgoing.close(ErrorCode::GoingAway);
        outgoing.pong(b"too late");
        let begun = outgoing.begun().unwrap();
        assert!(begun.len() < large.len() && large.bytes().ends_with(begun.bytes()));
        assert!(outgoing.begun().is_none());
        let taken = large.len() - begun.len();
        assert!(read(&mut far, taken).await == large.bytes()[..taken]);
        drop(near);
    }

    #[tokio::test]
    async fn frames_are_written_by_who_pushes_them_while_the_task_waits_and_not_before() {
        let (near, mut far) = connected().await;
        let outgoing = Outgoing::new(8, 1_000, near.line());
        assert!(!outgoing.push(wire("held")), "until the task asks, which it does behind the welcome");
        outgoing.write_out();
        assert!(matches!(outgoing.pull().now_or_never(), Some(Pulled::Frames(frames)) if frames.len() == 1));
        assert!(!outgoing.push(wire("behind it")), "the task is writing");
        assert_eq!((outgoing.more().len(), outgoing.more().len()), (1, 0));
        assert!(outgoing.pull().now_or_never().is_none());
        assert!(outgoing.push(wire("a")) && !outgoing.push(wire("b")), "one of them has to call");
        outgoing.write_out();
        assert!(outgoing.drained().await && outgoing.pull().now_or_never().is_none(), "the task has nothing to do");
        let wanted = [wire("a").bytes().to_vec(), wire("b").bytes().to_vec()].concat();
        assert_eq!(read(&mut far, wanted.len()).await, wanted);
    }

    #[tokio::test]
    async fn r18_more_than_may_wait_is_written_while_the_socket_takes_it_and_then_the_client_is_too_slow() {
        let (near, far) = connected().await;
        let outgoing = Outgoing::new(2, 64 << 20, near.line());
        assert!(outgoing.pull().now_or_never().is_none());
        for _ in 0..100 {
            outgoing.push(wire("x"));
        }
        assert!(
            outgoing.pull().now_or_never().is_some_and(|pulled| matches!(pulled, Pulled::Frames(_))),
            "the last ones"
        );
        assert!(outgoing.pull().now_or_never().is_none());
        // Nobody reads at the far end.
        let large = wire(&"x".repeat(8 << 20));
        for _ in 0..16 {
            outgoing.push(large.clone());
        }
        let begun = outgoing.pull().now_or_never();
        assert!(matches!(begun, Some(Pulled::Frames(frames)) if frames.len() == 1), "what was begun is ended");
        assert!(matches!(outgoing.pull().now_or_never(), Some(Pulled::Close(ErrorCode::TooSlow))));
        drop((near, far));
    }

    #[tokio::test]
    async fn the_task_is_woken_for_what_the_socket_does_not_take() {
        let (mut near, mut far) = connected().await;
        let outgoing = Outgoing::new(8, 1 << 30, near.line());
        let large = wire(&"x".repeat(64 << 20));
        let task = async {
            let Pulled::Frames(frames) = outgoing.pull().await else { panic!("nothing closes") };
            assert!(frames.len() == 1 && frames[0].len() < large.len(), "the one there is was begun");
            near.write_all(frames[0].bytes()).await.unwrap();
            assert!(outgoing.drained().await);
        };
        let push = async {
            assert!(outgoing.push(large.clone()));
            outgoing.write_out();
        };
        let ((), (), read) = tokio::join!(biased; task, push, read(&mut far, large.len()));
        assert_eq!(read, *large.bytes());
    }
}
