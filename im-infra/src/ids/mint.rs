//! Time-ordered 63-bit ids: 41 bits of milliseconds, 10 of the node, 12 of sequence.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use ferroid::{define_snowflake_id, generator::AtomicSnowflakeGenerator, id::ToU64 as _, time::TimeSource};

use crate::clock::SteadyClock;

define_snowflake_id!(TimeOrdered, u64, reserved: 1, timestamp: 41, machine_id: 10, sequence: 12);

/// How many nodes may mint at once.
pub const NODES: u32 = 1 << 10;

/// 2025-01-01, the first millisecond of the ids.
const EPOCH_MS: i64 = 1_735_689_600_000;

/// The lease of the node number ran out, so another process may hold it: nothing is minted until it is leased again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the lease of the node slot has run out")]
pub struct LeaseLost;

/// Until when, on this process's own monotonic clock, a lease certainly holds. The keeper moves it, the user checks it.
#[derive(Clone, Debug)]
pub struct LeaseDeadline {
    start: Instant,
    /// Milliseconds after `start`; `u64::MAX`: for ever.
    until_ms: Arc<AtomicU64>,
}

impl LeaseDeadline {
    /// A lease that cannot run out: the only process there is.
    pub fn forever() -> Self {
        Self { start: Instant::now(), until_ms: Arc::new(AtomicU64::new(u64::MAX)) }
    }

    /// A lease asked for at `asked` for `ttl`. The time of asking counts, not that of the answer.
    pub fn until(asked: Instant, ttl: Duration) -> Self {
        let deadline = Self { start: asked, until_ms: Arc::new(AtomicU64::new(0)) };
        deadline.extend(asked, ttl);
        deadline
    }

    /// The lease was renewed by a request sent at `asked`.
    pub fn extend(&self, asked: Instant, ttl: Duration) {
        let until = (asked + ttl).saturating_duration_since(self.start);
        self.until_ms.fetch_max(u64::try_from(until.as_millis()).unwrap_or(u64::MAX), Ordering::AcqRel);
    }

    /// The lease is gone.
    pub fn end(&self) {
        self.until_ms.store(0, Ordering::Release);
    }

    /// Whether the lease certainly holds now.
    pub fn holds(&self) -> bool {
        let until_ms = self.until_ms.load(Ordering::Acquire);
        until_ms == u64::MAX || self.start.elapsed() < Duration::from_millis(until_ms)
    }
}

/// Mints ids that are unique among processes that hold different node slots.
pub struct Mint {
    generator: AtomicSnowflakeGenerator<TimeOrdered, SinceEpoch>,
    lease: LeaseDeadline,
}

impl Mint {
    /// For the holder of node slot `node` (below [`NODES`]), with the clock of that slot. A clock that went back would stop the
    /// minting, or make ids twice; so would one that is behind that of the slot's holder before.
    pub fn new(node: u32, lease: LeaseDeadline, clock: Arc<SteadyClock>) -> Self {
        Self { generator: AtomicSnowflakeGenerator::new(u64::from(node % NODES), SinceEpoch(clock)), lease }
    }

    /// The next id; larger than those before it.
    ///
    /// # Errors
    /// [`LeaseLost`] past the lease's deadline.
    pub fn next(&self) -> Result<i64, LeaseLost> {
        if !self.lease.holds() {
            return Err(LeaseLost);
        }
        let id = self.generator.next_id(|_| std::thread::yield_now()).to_raw().to_u64();
        Ok(i64::try_from(id).unwrap_or(i64::MAX))
    }
}

/// The library's own clock keeps a thread busy; reading the system's costs 30 ns.
struct SinceEpoch(Arc<SteadyClock>);

impl TimeSource<u64> for SinceEpoch {
    fn current_millis(&self) -> u64 {
        u64::try_from(self.0.now_ms() - EPOCH_MS).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::clock::Clock;

    fn steady(wall: Clock) -> Arc<SteadyClock> {
        Arc::new(SteadyClock::new(wall))
    }

    #[test]
    fn ids_of_several_threads_and_nodes_are_unique_and_grow() {
        let mints = [1, 2].map(|node| Mint::new(node, LeaseDeadline::forever(), steady(Clock::system())));
        let mut seen = HashSet::new();
        for mint in &mints {
            let ids: Vec<i64> = (0..5_000).map(|_| mint.next().unwrap()).collect();
            assert!(ids.is_sorted_by(|a, b| a < b));
            seen.extend(ids);
        }
        assert_eq!(seen.len(), 10_000);
    }

    #[test]
    fn ids_go_on_growing_when_the_wall_clock_goes_back() {
        let wall = Clock::manual(EPOCH_MS + 7_200_000);
        let mint = Mint::new(1, LeaseDeadline::forever(), steady(wall.clone()));
        let before = mint.next().unwrap();
        wall.advance_ms(-3_600_000);
        let ids: Vec<i64> = (0..100).map(|_| mint.next().unwrap()).collect();
        assert!(before < ids[0] && ids.is_sorted_by(|a, b| a < b));
    }

    #[test]
    fn r10_minting_stops_past_the_lease() {
        let asked = Instant::now().checked_sub(Duration::from_secs(10)).unwrap();
        let lease = LeaseDeadline::until(asked, Duration::from_secs(5));
        let mint = Mint::new(1, lease.clone(), steady(Clock::system()));
        assert_eq!(mint.next(), Err(LeaseLost));
        lease.extend(Instant::now(), Duration::from_secs(60));
        assert!(mint.next().is_ok());
        lease.end();
        assert_eq!(mint.next(), Err(LeaseLost));
    }
}
