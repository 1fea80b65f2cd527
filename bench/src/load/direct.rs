//! Direct conversations: made, played, judged.

use std::{
    collections::BTreeMap,
    mem,
    sync::{Arc, atomic::AtomicU64},
    time::{Duration, Instant},
};

use anyhow::Context as _;
use im_bench::ledger::Event;
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{
    account::Accounts,
    limits::Connections,
    pace::{GRACE, Pacer, Schedule},
    pair::{Cue, Pair, Seen, TAKES_NO_MORE, connect_pairs},
    seat::latencies,
    verdict::{Verdict, judge},
    workload::{add_refused, fault, nothing},
};
use crate::{
    error::usage,
    measure::{Latencies, Length, Plateau, Summary, Window, micros},
    target::Endpoint,
};

/// Messages of one run: the ledger keeps all of them in memory.
const MESSAGES_MAX: u32 = 1_000_000;

/// What makes a pair send.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Drive {
    /// So many messages a second over all pairs, at intended times.
    Rate(f64),
    /// So many unanswered messages of each pair.
    InFlight(u32),
}

/// A load of pairs.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct DirectPlan {
    pub(crate) pairs: u32,
    pub(crate) drive: Drive,
    pub(crate) length: Length,
    pub(crate) payload_bytes: u32,
    pub(crate) seed: u64,
}

/// What came of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct DirectResult {
    pub(crate) plan: DirectPlan,
    /// Ctrl-C came before the end.
    pub(crate) interrupted: bool,
    /// Seconds that counted.
    pub(crate) seconds: f64,
    pub(crate) sent: u64,
    /// Within the seconds that counted.
    pub(crate) acknowledged: u64,
    pub(crate) messages_per_second: f64,
    /// Messages without an answer, or acknowledged and not delivered, 15 s after the last one was sent.
    pub(crate) unfinished: u64,
    /// By code.
    pub(crate) refused: BTreeMap<String, u64>,
    /// Connections that ended before their time, with the reason.
    pub(crate) broken: Vec<String>,
    pub(crate) ack: Summary,
    pub(crate) delivery: Summary,
    pub(crate) ack_plateaus: Vec<Plateau>,
    pub(crate) delivery_plateaus: Vec<Plateau>,
    pub(crate) ledger: Verdict,
}

/// The result with every latency, for those who put several runs together.
pub(crate) struct Played {
    pub(crate) result: DirectResult,
    pub(crate) ack: Latencies,
    pub(crate) delivery: Latencies,
}

/// Pairs that are connected and wait for the start.
pub(crate) struct Direct {
    plan: DirectPlan,
    accounts: Accounts,
    pairs: Vec<Pair>,
}

impl Direct {
    /// Makes the users and connects them.
    pub(crate) async fn prepare(plan: DirectPlan, endpoint: &Endpoint) -> anyhow::Result<Self> {
        let accounts = Accounts::of(endpoint);
        let pairs = connect_pairs(&accounts, endpoint, plan.pairs, (plan.payload_bytes, plan.seed)).await?;
        Ok(Self { plan, accounts, pairs })
    }

    /// How many messages of all pairs were acknowledged so far, for those who look on.
    pub(crate) fn acknowledged(&self) -> Arc<AtomicU64> {
        self.pairs.first().map(|pair| pair.acknowledged.clone()).unwrap_or_default()
    }

    /// Plays a window that has just started, and has the ledger judge it.
    pub(crate) async fn play(self, window: Window, stop: &CancellationToken) -> anyhow::Result<Played> {
        let Self { plan, accounts, pairs } = self;
        let mut lanes = Vec::new();
        let mut pacer = None;
        if let Drive::Rate(rate) = plan.drive {
            let (started, times) = Pacer::start(Schedule::new(rate, plan.seed), window, pairs.len(), stop)?;
            (pacer, lanes) = (Some(started), times);
        }
        let mut lanes = lanes.into_iter();
        let mut playing = JoinSet::new();
        for pair in pairs {
            let cue = match (plan.drive, lanes.next()) {
                (Drive::InFlight(unanswered), _) => Cue::InFlight {
                    unanswered: unanswered as usize,
                    messages_max: (MESSAGES_MAX / plan.pairs) as usize,
                },
                (Drive::Rate(_), Some(times)) => Cue::Times(times),
                (Drive::Rate(_), None) => break,
            };
            playing.spawn(pair.play(window, cue, stop.clone()));
        }
        let mut seen = Vec::new();
        while let Some(pair) = playing.join_next().await {
            seen.push(pair.context("a pair panicked")?);
        }
        drop(pacer);
        // Interrupted, or out of messages: what was measured is what lies before.
        let cut = stop.is_cancelled() || matches!(plan.drive, Drive::InFlight(_));
        let ended = if cut { last_answer(&seen, window.started).clamp(window.from, window.to) } else { window.to };
        let ledger = judge(&accounts, seen.iter_mut().map(|pair| mem::take(&mut pair.history))).await?;
        Ok(put_together(plan, &seen, (window, ended), (stop.is_cancelled(), ledger)))
    }
}

impl DirectPlan {
    /// Whether the ledger has room for it.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        let seconds = self.length.whole_seconds();
        match self.drive {
            Drive::Rate(rate) if rate * seconds as f64 > f64::from(MESSAGES_MAX) => Err(usage(format!(
                "{rate} messages a second for {seconds} s are more than the {MESSAGES_MAX} that the ledger keeps: take fewer --seconds"
            ))),
            Drive::Rate(_) | Drive::InFlight(_) => Ok(()),
        }
    }

    /// The connections it takes.
    pub(crate) const fn connections(&self) -> Connections {
        Connections { flag: "--pairs", asked: self.pairs, each: 2, beside: 0 }
    }
}

/// When the last acknowledgement came.
fn last_answer(seen: &[Seen], started: Instant) -> Instant {
    let times = seen.iter().flat_map(|pair| &pair.history.events).map(|event| match event {
        Event::Stored { at_us, .. } => *at_us,
        _ => 0,
    });
    started + Duration::from_micros(times.max().unwrap_or_default())
}

fn put_together(
    plan: DirectPlan,
    seen: &[Seen],
    (window, ended): (Window, Instant),
    (interrupted, ledger): (bool, Verdict),
) -> Played {
    let within = |due| window.holds(due);
    let ack = latencies(seen.iter().flat_map(|pair| &pair.acks), within);
    let delivery = latencies(seen.iter().flat_map(|pair| &pair.deliveries), within);
    let mut refused = BTreeMap::new();
    for pair in seen {
        add_refused(&mut refused, &pair.refused);
    }
    let seconds = ended.duration_since(window.from).as_secs_f64();
    let total = |count: fn(&Seen) -> u64| seen.iter().map(count).sum::<u64>();
    let acknowledged = total(|pair| pair.acknowledged_in_window);
    let result = DirectResult {
        plan,
        interrupted,
        seconds,
        sent: total(|pair| pair.sent),
        acknowledged,
        messages_per_second: if seconds > 0.0 { acknowledged as f64 / seconds } else { 0.0 },
        unfinished: total(|pair| pair.unfinished),
        refused,
        broken: seen.iter().filter_map(|pair| pair.broken.clone()).collect(),
        ack: ack.summary(),
        delivery: delivery.summary(),
        ack_plateaus: ack.plateaus(),
        delivery_plateaus: delivery.plateaus(),
        ledger,
    };
    Played { result, ack, delivery }
}

impl DirectResult {
    /// Whether something happened that must not.
    pub(crate) fn fault(&self) -> Option<String> {
        let is_empty = self.acknowledged == 0 && !self.interrupted;
        fault(&self.ledger, &self.broken, self.unfinished).or_else(|| is_empty.then(|| nothing(&self.refused)))
    }

    /// Whether it was more than the system can do: something was not answered or delivered in time, or was refused.
    pub(crate) fn fell_behind(&self) -> bool {
        self.unfinished > 0 || !self.refused.is_empty()
    }

    /// Within which the quicker 99 of 100 messages were delivered. What was refused, or was not there in the end, took at least as
    /// long as it was waited for: without it a system would look the better the more it leaves undone.
    pub(crate) fn delivery_p99_us(&self) -> u64 {
        let undone = self.unfinished + self.refused.values().sum::<u64>();
        let is_in_the_last = undone * 100 > self.delivery.count + undone;
        if is_in_the_last { self.delivery.p99_us.max(micros(GRACE)) } else { self.delivery.p99_us }
    }

    /// What must not happen to a load that may be too much, either: that it fell behind is a finding.
    pub(crate) fn fault_but_behind(&self) -> Option<String> {
        let broken: Vec<String> = self.broken.iter().filter(|why| *why != TAKES_NO_MORE).cloned().collect();
        fault(&self.ledger, &broken, 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_load_that_does_not_fit_into_memory_is_refused() {
        let length = Length { seconds: 600, warm_up_seconds: 0 };
        let plan = |rate| DirectPlan { pairs: 1, drive: Drive::Rate(rate), length, payload_bytes: 1, seed: 1 };
        assert!(plan(1_000.0).check().is_ok());
        assert!(plan(50_000.0).check().is_err());
    }

    #[test]
    fn a_load_that_falls_behind_is_no_fault_where_it_may_be_too_much() {
        let mut result = crate::run::sample::load(100.0, 3_000, &[]).load;
        assert!(!result.fell_behind());
        result.unfinished = 7;
        result.broken.push(TAKES_NO_MORE.to_owned());
        assert!(result.fell_behind() && result.fault().is_some());
        assert_eq!(result.fault_but_behind(), None);
        result.broken.push("closed by the server".to_owned());
        assert!(result.fault_but_behind().unwrap().contains("closed by the server"));
        result.ledger.violations = 1;
        assert!(result.fault_but_behind().unwrap().contains("1 violations"));
    }

    #[test]
    fn what_was_left_undone_is_among_the_slowest() {
        let mut result = crate::run::sample::load(100.0, 3_000, &[]).load;
        result.delivery.count = 990;
        result.unfinished = 4;
        result.refused.insert("overloaded".to_owned(), 6);
        assert_eq!(result.delivery_p99_us(), 18_000, "a hundredth was left undone");
        result.unfinished = 5;
        assert_eq!(result.delivery_p99_us(), 15_000_000);
    }
}
