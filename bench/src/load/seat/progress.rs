//! How far a load is that many connections share: what is not answered yet, and what has not come to everybody yet.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::{Duration, Instant},
};

use tokio::time::{sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::{load::pace::GRACE, measure::Window};

/// How soon it is noticed that all is there.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Counts over all connections.
#[derive(Default)]
pub(crate) struct Progress {
    senders: AtomicU64,
    unanswered: AtomicU64,
    due: AtomicU64,
    come: AtomicU64,
    /// Cancelled when nobody has to wait any longer.
    pub(crate) over: CancellationToken,
}

impl Progress {
    /// With so many who send.
    pub(crate) fn of(senders: u64) -> Self {
        Self { senders: AtomicU64::new(senders), ..Self::default() }
    }

    /// One of those who send does so no more.
    pub(crate) fn sender_ended(&self) {
        self.senders.fetch_sub(1, Relaxed);
    }

    /// So much was asked of the server.
    pub(crate) fn asked(&self, count: u64) {
        self.unanswered.fetch_add(count, Relaxed);
    }

    /// And so much of it was answered.
    pub(crate) fn answered(&self, count: u64) {
        self.unanswered.fetch_sub(count, Relaxed);
    }

    /// A message is stored that comes to so many.
    pub(crate) fn stored(&self, members: u64) {
        self.due.fetch_add(members, Relaxed);
    }

    /// A message came to one of them.
    pub(crate) fn delivered(&self, count: u64) {
        self.come.fetch_add(count, Relaxed);
    }

    /// Messages that came to somebody.
    pub(crate) const fn pushes(&self) -> &AtomicU64 {
        &self.come
    }

    /// Answers and deliveries that are missing.
    pub(crate) fn missing(&self) -> u64 {
        self.unanswered.load(Relaxed) + self.due.load(Relaxed).saturating_sub(self.come.load(Relaxed))
    }

    /// Waits for the window's end or the stop, then until nothing is missing, or nothing has come for a while; then it is
    /// over.
    pub(crate) async fn settle(&self, window: Window, stop: &CancellationToken) {
        tokio::select! {
            () = sleep_until(window.to.into()) => {}
            () = stop.cancelled() => {}
        }
        let limit = Instant::now() + GRACE * 2;
        let (mut before, mut moved) = (self.state(), Instant::now());
        while self.senders.load(Relaxed) + self.missing() > 0 && moved.elapsed() < GRACE && Instant::now() < limit {
            sleep(LOOK_AGAIN).await;
            let state = self.state();
            if state != before {
                (before, moved) = (state, Instant::now());
            }
        }
        self.over.cancel();
    }

    fn state(&self) -> [u64; 4] {
        [&self.senders, &self.unanswered, &self.due, &self.come].map(|count| count.load(Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::Length;

    #[tokio::test]
    async fn it_is_over_when_all_has_come_and_not_before() {
        let progress = Progress::of(1);
        let stop = CancellationToken::new();
        stop.cancel();
        let window = Window::starting_now(Length { seconds: 60, warm_up_seconds: 0 });
        progress.asked(1);
        progress.stored(2);
        progress.delivered(1);
        progress.sender_ended();
        let last = async {
            assert!(!progress.over.is_cancelled());
            progress.answered(1);
            assert_eq!(progress.missing(), 1);
            progress.delivered(1);
        };
        tokio::join!(progress.settle(window, &stop), last);
        assert!(progress.over.is_cancelled() && progress.missing() == 0);
    }
}
