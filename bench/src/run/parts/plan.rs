//! How much of everything.

use std::time::Duration;

use crate::{
    floors::{BURST_FRAMES, Floor, FloorPlan, Pace},
    load::{GroupPlan, ReconnectPlan},
    measure::Length,
    run::{RunPlan, plan::PAYLOAD_BYTES},
};

/// How long after idle connections were closed the memory is read once more.
pub(super) const CLOSED: Duration = Duration::from_secs(30);
/// Operations of a floor at the same time, as many as the closed loop has in flight, and batches: those who write them are few.
const LANES: u32 = 800;
const BATCH_LANES: u32 = 4;
const BURST_RATE: f64 = 0.5;
/// Messages a second to a group, one at a time.
const GROUP_RATE: f64 = 2.0;
/// Handshakes at the same time, of the floor too.
const HANDSHAKES: u32 = 256;
/// Others who talk while connections are cut, and their messages a second: in the two seconds until 10,000 are back the slowest
/// percent is not its slowest one.
const PAIRS: u32 = 50;
const TALK_RATE: f64 = 250.0;

impl RunPlan {
    /// How often each part is measured: figures of one time have no interval. A quick run has no time for more.
    pub(super) const fn times(&self) -> usize {
        if self.quick { 1 } else { 3 }
    }

    pub(super) const fn logins(&self) -> u32 {
        if self.quick { 1_000 } else { 5_000 }
    }

    pub(super) const fn loaded_length(&self) -> Length {
        if self.quick { length(2, 1) } else { length(10, 2) }
    }

    /// A floor with many operations at the same time.
    pub(super) const fn loaded_floor(&self, floor: Floor) -> FloorPlan {
        let lanes = if matches!(floor, Floor::MariadbBatch | Floor::SqliteBatch) { BATCH_LANES } else { LANES };
        self.floor_with(Pace::InFlight(lanes), self.loaded_length(), 0)
    }

    /// A floor with so many connections, over as many seconds as there are for it.
    pub(super) const fn socket_floor(&self, sockets: u32) -> FloorPlan {
        self.floor_with(Pace::InFlight(HANDSHAKES), self.loaded_length(), sockets)
    }

    /// A floor that writes as often as the group gets a message or a burst.
    pub(super) const fn group_floor(&self, group: &GroupPlan) -> FloorPlan {
        self.floor_with(Pace::Rate(group.rate), group.length, group.members)
    }

    const fn floor_with(&self, pace: Pace, length: Length, sockets: u32) -> FloorPlan {
        FloorPlan { pace, length, payload_bytes: PAYLOAD_BYTES, sockets, begin: None, seed: self.seed }
    }

    pub(super) const fn group(&self) -> GroupPlan {
        let group = self.group_of(1_000, (GROUP_RATE, 1), if self.quick { length(6, 2) } else { length(20, 5) });
        GroupPlan { silent_seconds: if self.quick { 5 } else { 30 }, ..group }
    }

    pub(super) const fn large_group(&self) -> GroupPlan {
        self.group_of(5_000, (GROUP_RATE, 1), if self.quick { length(3, 1) } else { length(20, 5) })
    }

    /// As many bursts as the ledger has room for; of a quick run two count.
    pub(super) const fn burst(&self) -> GroupPlan {
        self.group_of(5_000, (BURST_RATE, BURST_FRAMES), if self.quick { length(4, 2) } else { length(16, 4) })
    }

    const fn group_of(&self, members: u32, (rate, burst): (f64, u32), length: Length) -> GroupPlan {
        GroupPlan { members, rate, burst, length, silent_seconds: 0, payload_bytes: PAYLOAD_BYTES, seed: self.seed }
    }

    pub(super) const fn reconnect(&self) -> ReconnectPlan {
        let (connections, length) = if self.quick { (2_000, length(4, 1)) } else { (10_000, length(20, 5)) };
        ReconnectPlan {
            connections,
            in_flight: HANDSHAKES,
            pairs: PAIRS,
            rate: TALK_RATE,
            length,
            payload_bytes: PAYLOAD_BYTES,
            seed: self.seed,
        }
    }
}

const fn length(seconds: u64, warm_up_seconds: u64) -> Length {
    Length { seconds, warm_up_seconds }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::Workload as _;

    #[test]
    fn the_ledger_has_room_for_each_of_them() {
        for quick in [true, false] {
            let plan = RunPlan::new(quick, 1);
            for group in [plan.group(), plan.large_group(), plan.burst()] {
                assert!(group.check().is_ok(), "{group:?}");
            }
            assert!(plan.reconnect().check().is_ok());
        }
    }

    #[test]
    fn a_write_loop_is_written_as_often_and_as_long_as_the_group_that_it_is_compared_with() {
        let plan = RunPlan::new(false, 1);
        for group in [plan.large_group(), plan.burst()] {
            let floor = plan.group_floor(&group);
            assert_eq!((floor.sockets, floor.pace), (group.members, Pace::Rate(group.rate)));
            let lasts = |length: Length| (length.seconds, length.warm_up_seconds);
            assert_eq!((lasts(floor.length), floor.payload_bytes), (lasts(group.length), group.payload_bytes));
        }
    }

    #[test]
    fn handshakes_are_compared_with_as_many_of_a_bare_server_as_many_at_a_time() {
        let plan = RunPlan::new(false, 1);
        let reconnect = plan.reconnect();
        let floor = plan.socket_floor(reconnect.connections);
        assert_eq!((floor.sockets, floor.pace), (reconnect.connections, Pace::InFlight(reconnect.in_flight)));
    }
}
