//! What all workloads have in common.

use std::collections::BTreeMap;

use anyhow::bail;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use super::{limits::Connections, verdict::Verdict};
use crate::{measure::CpuUse, output::note, target::System};

/// A load that can be put on a system.
pub(crate) trait Workload {
    /// What came of it.
    type Found: Serialize;

    /// Whether it can be done at all; asked before anything is started.
    fn check(&self) -> anyhow::Result<()>;

    /// The connections it takes.
    fn connections(&self) -> Connections;

    /// Loads a system and measures. What was found until the stop is a result too.
    async fn measure(self, system: &System, stop: &CancellationToken) -> anyhow::Result<Self::Found>;
}

/// How a load went, whatever it was.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Sum {
    /// Ctrl-C came before the end.
    pub(crate) interrupted: bool,
    pub(crate) sent: u64,
    /// Whenever that was.
    pub(crate) acknowledged: u64,
    /// What was asked for and had not come some time after the last of it.
    pub(crate) unfinished: u64,
    /// By code.
    pub(crate) refused: BTreeMap<String, u64>,
    /// Connections that ended before their time, with the reason.
    pub(crate) broken: Vec<String>,
    /// By process; empty where none is known.
    pub(crate) cpu: Vec<CpuUse>,
    pub(crate) ledger: Verdict,
}

impl Sum {
    /// Whether something happened that must not.
    pub(crate) fn fault(&self) -> Option<String> {
        let is_empty = self.acknowledged == 0 && !self.interrupted;
        fault(&self.ledger, &self.broken, self.unfinished).or_else(|| is_empty.then(|| nothing(&self.refused)))
    }

    /// Adds refusals of one of many.
    pub(super) fn add_refused(&mut self, refused: &BTreeMap<String, u64>) {
        add_refused(&mut self.refused, refused);
    }

    /// Microseconds of CPU by process, for each of so many.
    pub(crate) fn cpu_us_per(&self, count: u64) -> impl Iterator<Item = (&str, f64)> {
        let count = count.max(1) as f64;
        self.cpu.iter().map(move |used| (used.process.as_str(), used.seconds * 1e6 / count))
    }
}

/// What must not happen to any load.
pub(super) fn fault(ledger: &Verdict, broken: &[String], unfinished: u64) -> Option<String> {
    if let Some(fault) = ledger.fault() {
        return Some(fault);
    }
    if let Some(first) = broken.first() {
        return Some(format!("{} connections ended before their time, the first: {first}", broken.len()));
    }
    (unfinished > 0).then(|| format!("{unfinished} messages were not answered or not delivered"))
}

/// What is wrong with a load of which nothing was acknowledged, though nobody interrupted it.
pub(super) fn nothing(refused: &BTreeMap<String, u64>) -> String {
    format!("nothing was acknowledged; refused: {refused:?}")
}

/// Adds refusals of one of many, by code.
pub(super) fn add_refused(all: &mut BTreeMap<String, u64>, refused: &BTreeMap<String, u64>) {
    for (code, count) in refused {
        *all.entry(code.clone()).or_default() += count;
    }
}

/// What has to be there before a load begins, unless that is interrupted.
pub(super) async fn before_load<T>(
    work: impl Future<Output = anyhow::Result<T>>,
    stop: &CancellationToken,
) -> anyhow::Result<T> {
    let made = tokio::select! {
        made = work => made?,
        () = stop.cancelled() => bail!("interrupted before the load began"),
    };
    note("  the load begins");
    Ok(made)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_is_told_first() {
        let mut sum = Sum::default();
        assert!(sum.fault().unwrap().contains("nothing was acknowledged"));
        sum.acknowledged = 1;
        assert_eq!(sum.fault(), None);
        sum.unfinished = 3;
        assert!(sum.fault().unwrap().starts_with("3 messages"));
        sum.broken.push("closed".to_owned());
        assert!(sum.fault().unwrap().contains("the first: closed"));
        sum.ledger.violations = 2;
        assert!(sum.fault().unwrap().contains("2 violations"));
    }

    #[tokio::test]
    async fn what_is_interrupted_before_its_load_reports_nothing() {
        let stop = CancellationToken::new();
        stop.cancel();
        let made = before_load(std::future::pending::<anyhow::Result<()>>(), &stop).await;
        assert!(made.unwrap_err().to_string().contains("interrupted"));
    }
}
