//! What came of it.

use std::time::Instant;

use serde::Serialize;

use super::{
    SyncPlan,
    away::{Back, Level},
    writer::Writer,
};
use crate::{
    load::{seat::latencies, workload::Sum},
    measure::{Summary, Window},
};

/// What came of devices that caught up.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct SyncResult {
    pub(crate) plan: SyncPlan,
    /// Of the messages that were written while the devices were away; unfinished are devices that are not level. The CPU is
    /// that from the end of the warm-up until the last one was.
    #[serde(flatten)]
    pub(crate) sum: Sum,
    /// Seconds that counted.
    pub(crate) seconds: f64,
    /// Devices that caught up, those of the warm-up too, and what it took them together.
    pub(crate) level: u64,
    pub(crate) pages: u64,
    pub(crate) fetches: u64,
    pub(crate) entries: u64,
    /// Of frames, the welcome's too.
    pub(crate) received_bytes: u64,
    /// Entries of those who came back after the warm-up.
    pub(crate) entries_counted: u64,
    /// From the hello to the welcome.
    pub(crate) hello: Summary,
    /// From when a device was meant to come back until it had all there is.
    pub(crate) until_level: Summary,
}

/// All but the verdict.
pub(super) fn put_together(plan: SyncPlan, (writers, back): (&[Writer], &[Back]), window: Window) -> SyncResult {
    let mut sum = Sum::default();
    for writer in writers {
        sum.sent += writer.outbox.messages.len() as u64;
        sum.acknowledged += writer.outbox.stored();
    }
    sum.broken.extend(back.iter().filter_map(|one| one.broken.clone()));
    let level = || back.iter().filter_map(|one| one.level.as_ref());
    sum.unfinished = (back.len() - level().count()) as u64;
    let total = |of: fn(&Level) -> u64| level().map(of).sum::<u64>();
    let within = |due| window.holds(due);
    SyncResult {
        plan,
        sum,
        seconds: window.seconds_until(Instant::now()),
        level: level().count() as u64,
        pages: total(|level| level.effort.pages),
        fetches: total(|level| level.effort.fetches),
        entries: total(|level| level.effort.entries),
        received_bytes: total(|level| level.received_bytes),
        entries_counted: level().filter(|one| within(one.took.due)).map(|one| one.effort.entries).sum(),
        hello: latencies(level().map(|one| &one.hello), within).summary(),
        until_level: latencies(level().map(|one| &one.took), within).summary(),
    }
}
