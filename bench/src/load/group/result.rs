//! What came of it.

use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::GroupPlan;
use crate::{
    load::{seat::Seat, workload::Sum},
    measure::{CpuUse, Latencies, Summary, Window},
};

/// What came of a load of one group.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct GroupResult {
    pub(crate) plan: GroupPlan,
    #[serde(flatten)]
    pub(crate) sum: Sum,
    /// Seconds that counted.
    pub(crate) seconds: f64,
    /// Within them, to all members together.
    pub(crate) deliveries: u64,
    /// What the servers used in the silent seconds.
    #[serde(default)]
    pub(crate) silent: Vec<CpuUse>,
    /// From the intended time to the acknowledgement.
    pub(crate) ack: Summary,
    /// To any member.
    pub(crate) member: Summary,
    /// To the member in the middle, and to the last one, of each message that came to all.
    pub(crate) median_member: Summary,
    pub(crate) last_member: Summary,
}

impl GroupResult {
    /// By process: microseconds that a delivery is charged for what servers use without any; nothing where nobody was silent.
    pub(crate) fn silent_us_per_delivery(&self) -> impl Iterator<Item = (&str, f64)> {
        let deliveries_per_second = self.deliveries.max(1) as f64 / self.seconds;
        let silent_seconds = self.plan.silent_seconds as f64;
        let silent = self.silent.iter().filter(move |_| silent_seconds > 0.0);
        silent.map(move |used| (used.process.as_str(), used.seconds / silent_seconds * 1e6 / deliveries_per_second))
    }
}

/// All but the verdict and the silence. `seats` are in the order of their numbers, and the first one is the writer's.
pub(super) fn put_together(plan: GroupPlan, seats: &[Seat], window: Window) -> GroupResult {
    let mut sum = Sum { broken: seats.iter().filter_map(|seat| seat.broken.clone()).collect(), ..Sum::default() };
    let writer = seats.first();
    let messages = writer.map_or(&[][..], |seat| seat.outbox.messages.as_slice());
    let mut ack = Latencies::default();
    if let Some(writer) = writer {
        sum.sent = messages.len() as u64;
        sum.acknowledged = writer.outbox.stored();
        sum.refused.clone_from(&writer.outbox.refused);
        for (_, took) in writer.outbox.acks().filter(|(message, _)| window.holds(message.due)) {
            ack.record_us(took.us);
        }
    }
    let mut arrivals: Vec<Vec<u64>> = messages.iter().map(|_| Vec::new()).collect();
    let (from_us, to_us) = (window.at_us(window.from), window.at_us(window.to));
    let mut deliveries = 0;
    for (name, at_us) in seats.iter().flat_map(|seat| seat.inbox.arrivals()) {
        deliveries += u64::from((from_us..to_us).contains(&at_us));
        if let Some(arrivals) = arrivals.get_mut(name.number) {
            arrivals.push(at_us);
        }
    }
    let [mut member, mut median_member, mut last_member] = [(); 3].map(|()| Latencies::default());
    for (message, mut arrivals) in messages.iter().zip(arrivals).filter(|(message, _)| window.holds(message.due)) {
        let due_us = window.at_us(message.due);
        arrivals.sort_unstable();
        let took = |at_us: &u64| at_us.saturating_sub(due_us);
        arrivals.iter().for_each(|at_us| member.record_us(took(at_us)));
        let median = arrivals.len().saturating_sub(1) / 2;
        if let (true, Some(median), Some(last)) = (arrivals.len() == seats.len(), arrivals.get(median), arrivals.last())
        {
            median_member.record_us(took(median));
            last_member.record_us(took(last));
        }
    }
    GroupResult {
        plan,
        sum,
        seconds: window.seconds_until(Instant::now()),
        deliveries,
        silent: Vec::new(),
        ack: ack.summary(),
        member: member.summary(),
        median_member: median_member.summary(),
        last_member: last_member.summary(),
    }
}
