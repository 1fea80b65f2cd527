//! The floors beneath the road of a message: what an ack and a delivery must cost.

use super::FloorTimes;
use crate::floors::Floor;

/// What an ack must cost: a hop, a commit, a call, a WebSocket round trip. Each target has those that it stands on.
pub(crate) const ONE_HOP: [Floor; 6] =
    [Floor::KafkaHop, Floor::MariadbInsert, Floor::Call, Floor::LogHop, Floor::SqliteInsert, Floor::Echo];
/// What a delivery must cost: one hop more.
pub(crate) const TWO_HOPS: [Floor; 6] =
    [Floor::KafkaTwoHops, Floor::MariadbInsert, Floor::Call, Floor::LogTwoHops, Floor::SqliteInsert, Floor::Echo];

/// Whether a floor is in one of the two sums.
pub(super) fn on_the_road(floor: Floor) -> bool {
    ONE_HOP.contains(&floor) || TWO_HOPS.contains(&floor)
}

/// Microseconds: the sum of the p50s of those floors that were measured.
pub(crate) fn sum_us(times: &FloorTimes, of: &[Floor]) -> f64 {
    of.iter().filter_map(|floor| times.get(floor)).map(|found| found.times.p50_us as f64).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_of_rows_is_not_on_the_road_of_a_message() {
        assert!(on_the_road(Floor::KafkaTwoHops) && on_the_road(Floor::Echo));
        assert!(!on_the_road(Floor::MariadbBatch));
    }
}
