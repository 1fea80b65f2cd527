//! The seeded queue of events and the virtual time. Nothing else draws lots, so a seed is a run.

use std::{cmp::Ordering, collections::BinaryHeap};

use im_infra::clock::Clock;

use crate::event::Event;

/// When a run begins, Unix milliseconds: after the first millisecond of minted ids.
const START_MS: i64 = 1_800_000_000_000;

/// The events to come.
pub(crate) struct Scheduler {
    now_us: u64,
    number: u64,
    queue: BinaryHeap<Due>,
    /// What the services read as the wall clock.
    pub(crate) clock: Clock,
    pub(crate) random: fastrand::Rng,
}

/// An event with its time. Of those of one time the one that was planned first is first.
pub(crate) struct Due {
    pub(crate) at_us: u64,
    pub(crate) number: u64,
    pub(crate) event: Event,
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Due {}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Due {
    // The heap has the greatest on top; the earliest is wanted.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at_us, other.number).cmp(&(self.at_us, self.number))
    }
}

impl Scheduler {
    pub(crate) fn new(seed: u64) -> Self {
        let random = fastrand::Rng::with_seed(seed);
        Self { now_us: 0, number: 0, queue: BinaryHeap::new(), clock: Clock::manual(START_MS), random }
    }

    pub(crate) const fn now_us(&self) -> u64 {
        self.now_us
    }

    pub(crate) fn at(&mut self, at_us: u64, event: Event) {
        self.number += 1;
        self.queue.push(Due { at_us: at_us.max(self.now_us), number: self.number, event });
    }

    /// After a time between these, in microseconds.
    pub(crate) fn within(&mut self, (least_us, most_us): (u64, u64), event: Event) {
        let at_us = self.now_us + self.random.u64(least_us..most_us);
        self.at(at_us, event);
    }

    /// Not now: whoever it is for stands still. It keeps its place among those that wait with it.
    pub(crate) fn defer(&mut self, at_us: u64, due: Due) {
        self.queue.push(Due { at_us, ..due });
    }

    /// The next event; the time moves to it.
    pub(crate) fn next(&mut self) -> Option<Due> {
        let due = self.queue.pop()?;
        let passed_ms = due.at_us / 1_000 - self.now_us / 1_000;
        self.clock.advance_ms(i64::try_from(passed_ms).unwrap_or(0));
        self.now_us = due.at_us;
        Some(due)
    }

    /// True with this probability.
    pub(crate) fn chance(&mut self, probability: f64) -> bool {
        probability > 0.0 && self.random.f64() < probability
    }
}
