//! How long and how often.

use crate::{
    floors::FloorPlan,
    load::{DirectPlan, Drive},
    measure::Length,
};

/// Messages a second at which latencies are compared with the floors, which have the same pace.
const RATE: f64 = 100.0;
const PAIRS: u32 = 20;
/// As the peers were measured.
const CLOSED_PAIRS: u32 = 100;
const CLOSED_IN_FLIGHT: u32 = 8;
const PAYLOAD_BYTES: u32 = 200;
const IDLE_CONNECTIONS: u32 = 10_000;

/// A run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RunPlan {
    pub(crate) quick: bool,
    pub(crate) rounds: u64,
    pub(crate) idle_connections: u32,
    pub(crate) seed: u64,
    floor: Length,
    subject: Length,
    closed: Length,
}

impl RunPlan {
    /// Three rounds of short runs, or seven of longer ones.
    pub(crate) fn new(quick: bool, seed: u64) -> Self {
        let length = |seconds, warm_up_seconds| Length { seconds, warm_up_seconds };
        let (rounds, [floor, subject, closed]) = if quick {
            (3, [length(2, 1), length(10, 3), length(6, 3)])
        } else {
            (7, [length(8, 2), length(30, 5), length(20, 5)])
        };
        Self { quick, rounds, idle_connections: IDLE_CONNECTIONS, seed, floor, subject, closed }
    }

    /// Each run of a round has times of its own, and the same ones when repeated.
    fn seed(&self, round: u64, part: u64) -> u64 {
        self.seed.wrapping_mul(1_000).wrapping_add(round * 10 + part)
    }

    pub(super) fn floor(&self, round: u64, part: u64) -> FloorPlan {
        FloorPlan::at_rate(RATE, self.floor, PAYLOAD_BYTES, self.seed(round, part))
    }

    pub(super) fn subject(&self, round: u64, part: u64) -> DirectPlan {
        let (length, seed) = (self.subject, self.seed(round, part));
        DirectPlan { pairs: PAIRS, drive: Drive::Rate(RATE), length, payload_bytes: PAYLOAD_BYTES, seed }
    }

    pub(super) fn closed(&self, round: u64, part: u64) -> DirectPlan {
        let (length, seed, drive) = (self.closed, self.seed(round, part), Drive::InFlight(CLOSED_IN_FLIGHT));
        DirectPlan { pairs: CLOSED_PAIRS, drive, length, payload_bytes: PAYLOAD_BYTES, seed }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_parts_of_a_run_share_their_times() {
        let plan = RunPlan::new(false, 1);
        let mut seeds: Vec<u64> =
            (0..plan.rounds).flat_map(|round| (0..5).map(move |part| plan.seed(round, part))).collect();
        seeds.sort_unstable();
        seeds.dedup();
        assert_eq!(seeds.len(), 7 * 5);
    }
}
