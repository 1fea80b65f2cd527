//! When things are due, and a thread that says so in time: a timer of the runtime is up to a millisecond late, which is as
//! much as some of what is measured here.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use tokio::sync::mpsc;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::measure::Window;

/// How long answers may take after the last message was sent.
pub(super) const GRACE: Duration = Duration::from_secs(15);
/// Intended times that may wait for a lane that is busy; the pacer waits then, and the times stay what they are.
const LANE_MAX: usize = 1_024;
/// How soon the pacer notices that it should end.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// The intended times, as offsets from the start: one at a random place of each slot, so that the load keeps its rate and
/// does not march in step with anybody's timer.
pub(crate) struct Schedule {
    slot_s: f64,
    random: fastrand::Rng,
    number: u32,
}

impl Schedule {
    /// So many a second.
    pub(crate) fn new(rate: f64, seed: u64) -> Self {
        Self { slot_s: rate.recip(), random: fastrand::Rng::with_seed(seed), number: 0 }
    }
}

impl Iterator for Schedule {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let at = (f64::from(self.number) + self.random.f64()) * self.slot_s;
        self.number = self.number.checked_add(1)?;
        Some(Duration::from_secs_f64(at))
    }
}

/// The thread that says what is due; it ends with this.
pub(crate) struct Pacer {
    _ends: DropGuard,
}

impl Pacer {
    /// Deals the intended times of a window to so many lanes in turn. A lane that is closed at the other end is passed over;
    /// all end with the window, or when `stop` is cancelled.
    pub(crate) fn start(
        schedule: Schedule,
        window: Window,
        lanes: usize,
        stop: &CancellationToken,
    ) -> anyhow::Result<(Self, Vec<mpsc::Receiver<Instant>>)> {
        let (senders, receivers): (Vec<_>, Vec<_>) = (0..lanes).map(|_| mpsc::channel(LANE_MAX)).unzip();
        let stop = stop.child_token();
        let ends = stop.clone().drop_guard();
        let work = move || deal(schedule, window, &senders, &stop);
        thread::Builder::new().name("pacer".into()).spawn(work).context("no thread for the pacer")?;
        Ok((Self { _ends: ends }, receivers))
    }
}

fn deal(schedule: Schedule, window: Window, lanes: &[mpsc::Sender<Instant>], stop: &CancellationToken) {
    for (number, offset) in schedule.enumerate() {
        let due = window.started + offset;
        if due >= window.to || !wait_until(due, stop) {
            return;
        }
        let sent = lanes[number % lanes.len()].blocking_send(due);
        if sent.is_err() && lanes.iter().all(mpsc::Sender::is_closed) {
            return;
        }
    }
}

/// Whether the time came before the stop.
fn wait_until(due: Instant, stop: &CancellationToken) -> bool {
    loop {
        if stop.is_cancelled() {
            return false;
        }
        let left = due.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return true;
        }
        thread::park_timeout(left.min(LOOK_AGAIN));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::Length;

    #[test]
    fn the_rate_is_kept_and_each_slot_has_one_time() {
        for (number, at) in Schedule::new(100.0, 7).take(1_000).enumerate() {
            let slot = Duration::from_millis(10) * u32::try_from(number).unwrap();
            assert!((slot..slot + Duration::from_millis(10)).contains(&at), "{number}: {at:?}");
        }
    }

    #[test]
    fn a_seed_repeats_its_times_and_another_has_others() {
        let times = |seed| Schedule::new(100.0, seed).take(100).collect::<Vec<_>>();
        assert_eq!(times(1), times(1));
        assert_ne!(times(1), times(2));
    }

    #[tokio::test]
    async fn a_busy_lane_gets_its_times_as_intended_and_all_lanes_end() {
        let length = Length { seconds: 1, warm_up_seconds: 0 };
        let window = Window::starting_now(length);
        let stop = CancellationToken::new();
        let (_pacer, mut lanes) = Pacer::start(Schedule::new(50.0, 1), window, 2, &stop).unwrap();
        let (mut second, mut first) = (lanes.pop().unwrap(), lanes.pop().unwrap());
        let mut times = Vec::new();
        // The first lane is only looked at when the second has ended.
        while let Some(due) = second.recv().await {
            times.push(due);
        }
        while let Some(due) = first.recv().await {
            times.push(due);
        }
        times.sort_unstable();
        let intended: Vec<_> = Schedule::new(50.0, 1).map(|offset| window.started + offset).take(50).collect();
        assert_eq!(times, intended);
    }
}
