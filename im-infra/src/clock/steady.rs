//! A clock that never goes back and never jumps, whatever is done to the wall clock meanwhile.

use std::{
    sync::atomic::{AtomicI64, Ordering},
    time::Instant,
};

use super::Clock;

/// Tells the time in Unix milliseconds: the wall clock's at first, or a floor that this is behind, and from then on later by as
/// much as has passed. Where the wall clock was wrong at first, it stays wrong.
#[derive(Debug)]
pub struct SteadyClock {
    wall: Clock,
    began_ms: i64,
    began: Instant,
    /// The latest that a manual clock has told: of such a one no time passes by itself.
    latest_ms: AtomicI64,
}

impl SteadyClock {
    /// Begins with what the wall clock says now.
    pub fn new(wall: Clock) -> Self {
        Self::not_before(wall, i64::MIN)
    }

    /// Begins with what the wall clock says now, but no earlier than at `floor_ms`.
    pub fn not_before(wall: Clock, floor_ms: i64) -> Self {
        let began_ms = wall.now_ms().max(floor_ms);
        Self { wall, began_ms, began: Instant::now(), latest_ms: AtomicI64::new(began_ms) }
    }

    /// Unix milliseconds; never less than before.
    pub fn now_ms(&self) -> i64 {
        if self.wall.is_manual() {
            let now_ms = self.wall.now_ms();
            return self.latest_ms.fetch_max(now_ms, Ordering::Relaxed).max(now_ms);
        }
        self.began_ms.saturating_add(i64::try_from(self.began.elapsed().as_millis()).unwrap_or(i64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_follows_a_wall_clock_forward_and_never_back() {
        let wall = Clock::manual(10_000);
        let steady = SteadyClock::new(wall.clone());
        assert_eq!(steady.now_ms(), 10_000);
        wall.advance_ms(-3_600_000);
        assert_eq!(steady.now_ms(), 10_000);
        wall.advance_ms(3_600_007);
        assert_eq!(steady.now_ms(), 10_007);
    }

    #[test]
    fn it_begins_no_earlier_than_at_its_floor() {
        for wall in [Clock::manual(1_000), Clock::system()] {
            let floor_ms = wall.now_ms() + 3_600_000;
            let steady = SteadyClock::not_before(wall, floor_ms);
            assert!((floor_ms..floor_ms + 60_000).contains(&steady.now_ms()));
        }
        assert_eq!(SteadyClock::not_before(Clock::manual(1_000), 999).now_ms(), 1_000);
    }

    #[test]
    fn it_begins_with_the_systems_time_and_does_not_go_back() {
        let (wall, steady) = (Clock::system(), SteadyClock::new(Clock::system()));
        let first_ms = steady.now_ms();
        assert!((wall.now_ms() - first_ms).abs() < 60_000);
        assert!(steady.now_ms() >= first_ms);
    }
}
