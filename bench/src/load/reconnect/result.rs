//! What came of it.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};

use super::{ReconnectPlan, alive::Back};
use crate::{
    load::{
        pair::Seen,
        seat::{Took, latencies},
        workload::Sum,
    },
    measure::{Latencies, Summary, Window},
};

/// What came of cutting all connections.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ReconnectResult {
    pub(crate) plan: ReconnectPlan,
    /// Of the messages of those who talk; the CPU is that from the cut until all were live.
    #[serde(flatten)]
    pub(crate) sum: Sum,
    /// Connections that came back.
    pub(crate) live: u64,
    /// Seconds from the cut until the last one of them was live.
    pub(crate) live_seconds: f64,
    /// Of them, those that were told to sync although nothing had changed.
    pub(crate) told_to_sync: u64,
    /// Attempts that failed.
    pub(crate) failed: u64,
    /// From the hello to the welcome.
    pub(crate) hello: Summary,
    /// The same with connecting and the upgrade before it.
    pub(crate) handshake: Summary,
    /// From the cut, which is when each would have liked to be back.
    pub(crate) outage: Summary,
    /// Of the others, before the cut and from there until all were live.
    pub(crate) before: Talk,
    pub(crate) during: Talk,
    /// Pairs of those who came back that wrote to each other.
    pub(crate) tried: u64,
}

/// Latencies of those who talk, from the intended times.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Talk {
    pub(crate) ack: Summary,
    pub(crate) delivery: Summary,
}

/// When what happened.
pub(super) struct Course {
    pub(super) window: Window,
    pub(super) cut_at: Instant,
    pub(super) live_at: Instant,
}

impl ReconnectResult {
    /// Those who came back; nothing of the others yet.
    pub(super) fn of(plan: ReconnectPlan, back: &BTreeMap<usize, Back>) -> Self {
        let outages: Vec<Took> = back.values().filter_map(|one| one.outage).collect();
        let [mut hello, mut handshake] = [(); 2].map(|()| Latencies::default());
        for one in back.values().filter(|one| one.outage.is_some()) {
            hello.record(one.hello);
            handshake.record(one.handshake);
        }
        let mut sum = Sum::default();
        sum.broken.extend(back.values().filter_map(|one| one.broken.clone()));
        Self {
            plan,
            sum,
            live: outages.len() as u64,
            live_seconds: outages.iter().map(|took| took.us).max().unwrap_or_default() as f64 / 1e6,
            told_to_sync: back.values().filter(|one| one.outage.is_some() && !one.resumed).count() as u64,
            failed: back.values().map(|one| u64::from(one.failed)).sum(),
            hello: hello.summary(),
            handshake: handshake.summary(),
            outage: latencies(&outages, |_| true).summary(),
            before: Talk::default(),
            during: Talk::default(),
            tried: 0,
        }
    }

    /// From the cut.
    pub(super) fn live_after(&self) -> Duration {
        Duration::from_secs_f64(self.live_seconds)
    }

    /// How the others fared.
    pub(super) fn add_others(&mut self, seen: &[Seen], course: &Course) {
        let talk = |from: Instant, to: Instant| {
            let counts = |due: Instant| from <= due && due < to;
            Talk {
                ack: latencies(seen.iter().flat_map(|pair| &pair.acks), counts).summary(),
                delivery: latencies(seen.iter().flat_map(|pair| &pair.deliveries), counts).summary(),
            }
        };
        self.before = talk(course.window.from, course.cut_at);
        self.during = talk(course.cut_at, course.live_at);
    }

    /// The messages of all; `broken` are connections that ended before the cut.
    pub(super) fn add_up(&mut self, seen: &[Seen], broken: Vec<String>) {
        self.sum.broken.extend(broken);
        for pair in seen {
            self.sum.sent += pair.sent;
            self.sum.acknowledged += pair.acknowledged;
            self.sum.unfinished += pair.unfinished;
            self.sum.add_refused(&pair.refused);
            self.sum.broken.extend(pair.broken.clone());
        }
    }

    /// Whether something happened that must not.
    pub(crate) fn fault(&self) -> Option<String> {
        let missing = u64::from(self.plan.connections) - self.live;
        let own = match (missing, self.told_to_sync) {
            (1.., _) if !self.sum.interrupted => {
                Some(format!("{missing} of {} connections did not come back", self.plan.connections))
            }
            (_, 1..) => Some(format!("{} connections were told to sync, and nothing had changed", self.told_to_sync)),
            _ => None,
        };
        self.sum.fault().or(own)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::Length;

    #[test]
    fn connections_that_do_not_come_back_are_a_fault_unless_it_was_interrupted() {
        let length = Length { seconds: 1, warm_up_seconds: 0 };
        let (connections, in_flight, pairs, rate, payload_bytes, seed) = (2, 1, 1, 1.0, 1, 1);
        let plan = ReconnectPlan { connections, in_flight, pairs, rate, length, payload_bytes, seed };
        let mut result = ReconnectResult::of(plan, &BTreeMap::new());
        result.sum.acknowledged = 1;
        assert!(result.fault().unwrap().starts_with("2 of 2"));
        result.sum.interrupted = true;
        assert_eq!(result.fault(), None);
        (result.live, result.told_to_sync) = (2, 1);
        assert!(result.fault().unwrap().contains("told to sync"));
    }
}
