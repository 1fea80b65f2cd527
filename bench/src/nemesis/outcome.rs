//! What came of a run, and what it is worth.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{
    fault::Subject,
    scenario::{Evidence, Scenario},
};
use crate::ledger::{Event, Report};

/// Less load than this says nothing.
const LOAD_MIN_MS: u64 = 20_000;
/// Faults take their part of the time: of what was to be sent outside of them so much must have been acknowledged, in percent.
const LOAD_SHARE_PERCENT: u64 = 50;
/// Who is to be pushed what was acknowledged: every conversation has at least two members, and each is there with a device when
/// nothing is wrong. As faults take their part of that, too, the share is the same.
const PUSHES_EACH: usize = 2;
/// Violations that are told; all are counted.
const VIOLATIONS_TOLD: usize = 20;

/// What a run is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The ledger found nothing.
    Clean,
    /// The ledger found something.
    Violated,
    /// It found nothing, and that says nothing: too little was going on.
    Void,
}

/// What came of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// Which scenario.
    pub scenario: String,
    /// To what.
    pub subject: Subject,
    /// From what it can be done again.
    pub seed: u64,
    /// From the first to the last command.
    pub load_ms: u64,
    /// Faults, and how many of them met commands without an outcome.
    pub faults: usize,
    /// See above.
    pub hits: usize,
    /// COMMITs whose answer was lost.
    pub lost_commits: u64,
    /// Commits that were refused because their process had lost the partition meanwhile.
    pub fenced: u64,
    /// How often a process ended by itself, as it may, and was started again.
    pub restarts: u32,
    /// How often one died at the place it was to die at.
    #[serde(default)]
    pub crashes: u32,
    /// Calls to bring something to the disk that were late, or failed.
    #[serde(default)]
    pub injected: u64,
    /// Connections that were closed because their clients had read nothing for too long.
    #[serde(default)]
    pub too_slow: u64,
    /// Commands that were sent, each once.
    pub sent: usize,
    /// Of these, those that were acknowledged.
    pub acknowledged: usize,
    /// Of these, those without an outcome.
    pub unknown: usize,
    /// Entries in all logs.
    pub entries: usize,
    /// Pushes that were due on living connections.
    pub pushes_due: usize,
    /// What the ledger found.
    pub violations: usize,
    /// The first of it.
    pub told: Vec<String>,
    /// Why a run without violations says nothing.
    pub void: Option<String>,
}

/// What is known of a run beside what the clients saw.
pub(super) struct Facts {
    pub(super) scenario: &'static Scenario,
    pub(super) subject: Subject,
    pub(super) seed: u64,
    /// Messages a second that were to be sent.
    pub(super) rate: u32,
    /// While faults were at work.
    pub(super) faulty_ms: u64,
    pub(super) lost_commits: u64,
    pub(super) fenced: u64,
    pub(super) restarts: u32,
    pub(super) crashes: u32,
    pub(super) injected: u64,
    pub(super) too_slow: u64,
    pub(super) interrupted: bool,
}

impl Outcome {
    pub(super) fn of(facts: &Facts, events: &[Event], report: &Report) -> Self {
        let in_flight: Vec<u64> = events
            .iter()
            .filter_map(|event| if let Event::Struck { in_flight, .. } = event { Some(*in_flight) } else { None })
            .collect();
        let sends =
            events.iter().filter_map(|event| if let Event::Sent { at_us, .. } = event { Some(*at_us) } else { None });
        let load_us = sends.clone().max().unwrap_or(0) - sends.min().unwrap_or(0);
        let mut outcome = Self {
            scenario: facts.scenario.name.to_owned(),
            subject: facts.subject,
            seed: facts.seed,
            load_ms: load_us / 1_000,
            faults: in_flight.len(),
            hits: in_flight.iter().filter(|in_flight| **in_flight > 0).count(),
            lost_commits: facts.lost_commits,
            fenced: facts.fenced,
            restarts: facts.restarts,
            crashes: facts.crashes,
            injected: facts.injected,
            too_slow: facts.too_slow,
            sent: report.sent,
            acknowledged: report.acknowledged,
            unknown: report.unknown,
            entries: report.entries,
            pushes_due: report.pushes_due,
            violations: report.violations.len(),
            told: report.violations.iter().take(VIOLATIONS_TOLD).map(ToString::to_string).collect(),
            void: None,
        };
        outcome.void = outcome.why_void(facts);
        outcome
    }

    /// Of a run in which nobody talked, and why.
    pub(super) fn nothing(scenario: &Scenario, subject: Subject, seed: u64, why: &str) -> Self {
        Self {
            scenario: scenario.name.to_owned(),
            subject,
            seed,
            load_ms: 0,
            faults: 0,
            hits: 0,
            lost_commits: 0,
            fenced: 0,
            restarts: 0,
            crashes: 0,
            injected: 0,
            too_slow: 0,
            sent: 0,
            acknowledged: 0,
            unknown: 0,
            entries: 0,
            pushes_due: 0,
            violations: 0,
            told: Vec::new(),
            void: Some(why.to_owned()),
        }
    }

    /// What it is worth.
    pub fn verdict(&self) -> Verdict {
        match &self.void {
            _ if self.violations > 0 => Verdict::Violated,
            Some(_) => Verdict::Void,
            None => Verdict::Clean,
        }
    }

    fn why_void(&self, facts: &Facts) -> Option<String> {
        let calm_ms = self.load_ms.saturating_sub(facts.faulty_ms);
        let wanted = u64::from(facts.rate) * calm_ms / 1_000 * LOAD_SHARE_PERCENT / 100;
        let pushes_wanted = self.acknowledged * PUSHES_EACH * LOAD_SHARE_PERCENT as usize / 100;
        if facts.interrupted {
            Some("it was interrupted".to_owned())
        } else if facts.scenario.needs == Evidence::Crashed && self.crashes == 0 {
            Some("no process died where it was to die".to_owned())
        } else if facts.scenario.needs == Evidence::Injected && self.injected == 0 {
            Some("no fsync was late or failed".to_owned())
        } else if facts.scenario.needs == Evidence::TooSlow && self.too_slow == 0 {
            Some("no client was too slow for its gateway".to_owned())
        } else if self.load_ms < LOAD_MIN_MS {
            Some(format!("there was load for {} ms only, {LOAD_MIN_MS} are needed", self.load_ms))
        } else if (self.acknowledged as u64) < wanted {
            Some(format!("{} commands were acknowledged, {wanted} are needed", self.acknowledged))
        } else if self.pushes_due < pushes_wanted {
            Some(format!("{} pushes could be judged, {pushes_wanted} are needed", self.pushes_due))
        } else if self.hits == 0 || self.hits * 2 < self.faults {
            Some(format!("{} of {} faults met a command without an outcome", self.hits, self.faults))
        } else if facts.scenario.needs == Evidence::LostCommit && self.lost_commits == 0 {
            Some("no COMMIT lost its answer".to_owned())
        } else if facts.scenario.needs == Evidence::Fenced && self.fenced == 0 {
            Some("no paused process tried to commit what it had lost".to_owned())
        } else {
            None
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { scenario, subject, seed, faults, hits, sent, acknowledged, unknown, pushes_due, violations, .. } =
            self;
        write!(
            f,
            "{scenario} on {subject}, seed {seed}: {:.1} s of load, {sent} sent, {acknowledged} acknowledged, {unknown} unknown, {pushes_due} pushes due; {faults} faults, {hits} hit work in flight; ",
            self.load_ms as f64 / 1_000.0
        )?;
        match (self.verdict(), &self.void) {
            (Verdict::Clean, _) => f.write_str("clean"),
            (Verdict::Void, why) => write!(f, "VOID: {}", why.as_deref().unwrap_or_default()),
            (Verdict::Violated, _) => {
                write!(f, "{violations} VIOLATIONS")?;
                self.told.iter().try_for_each(|one| write!(f, "\n  {one}"))
            }
        }
    }
}

#[cfg(test)]
mod tests;
