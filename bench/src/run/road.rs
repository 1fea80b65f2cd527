//! The floors beneath the road of a message: what an ack and a delivery must cost.

use super::FloorTimes;
use crate::floors::{BATCH_ROWS, Floor};

/// What an ack must cost: a hop, a commit, a call, a WebSocket round trip. Each target has those that it stands on.
pub(crate) const ONE_HOP: [Floor; 6] =
    [Floor::KafkaHop, Floor::MariadbInsert, Floor::Call, Floor::LogHop, Floor::SqliteInsert, Floor::Echo];
/// What a delivery must cost: one hop more.
pub(crate) const TWO_HOPS: [Floor; 6] =
    [Floor::KafkaTwoHops, Floor::MariadbInsert, Floor::Call, Floor::LogTwoHops, Floor::SqliteInsert, Floor::Echo];

/// What the CPU of a message is composed of, on Kafka and MariaDB.
pub(super) const COMPOSED: [Floor; 4] = [Floor::KafkaTwoHops, Floor::MariadbBatch, Floor::Call, Floor::Echo];

/// Whether a floor is in one of the two sums.
pub(super) fn on_the_road(floor: Floor) -> bool {
    ONE_HOP.contains(&floor) || TWO_HOPS.contains(&floor)
}

/// Microseconds: the sum of the p50s of those floors that were measured.
pub(crate) fn sum_us(times: &FloorTimes, of: &[Floor]) -> f64 {
    of.iter().filter_map(|floor| times.get(floor)).map(|found| found.times.p50_us as f64).sum()
}

/// Microseconds of CPU that a message must cost: two hops, its part of a durable batch, a call, a WebSocket round trip. None
/// where one of them is not known.
pub(crate) fn composed_cpu_us(times: &FloorTimes) -> Option<f64> {
    let rows_of = |floor: Floor| if floor == Floor::MariadbBatch { BATCH_ROWS as f64 } else { 1.0 };
    COMPOSED.iter().map(|floor| Some(times.get(floor)?.cpu_us? / rows_of(*floor))).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::floors::FloorResult;

    #[test]
    fn a_batch_of_rows_is_not_on_the_road_of_a_message() {
        assert!(on_the_road(Floor::KafkaTwoHops) && on_the_road(Floor::Echo));
        assert!(!on_the_road(Floor::MariadbBatch));
    }

    #[test]
    fn a_message_has_its_part_of_a_batch_and_half_a_sum_is_none() {
        let of = |cpu_us| FloorResult { cpu_us: Some(cpu_us), ..FloorResult::default() };
        let mut times = FloorTimes::from([
            (Floor::KafkaTwoHops, of(20.0)),
            (Floor::MariadbBatch, of(500.0)),
            (Floor::Call, of(10.0)),
            (Floor::Echo, of(5.0)),
        ]);
        assert_eq!(composed_cpu_us(&times), Some(40.0));
        times.insert(Floor::Call, FloorResult::default());
        assert_eq!(composed_cpu_us(&times), None);
    }
}
