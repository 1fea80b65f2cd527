//! Many runs, over as many sittings as it takes: each one's outcome is a file, and what is there is not done again.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use super::{
    fault::Subject,
    outcome::{Outcome, Verdict},
    play::{Order, logs_of, run},
    scenario::Scenario,
    world::Means,
};

/// So many runs in a row that could not even be done end a sitting.
const FAILED_IN_ROW_MAX: usize = 3;
const SUMMARY: &str = "summary.json";
const OUTCOME: &str = "outcome.json";
const HISTORY: &str = "history.gz";

/// What became of one try.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Try {
    /// It was done.
    Done(Outcome),
    /// The system did not start, did not come back, or ended as it may not.
    Failed {
        /// Which scenario.
        scenario: String,
        /// With what seed.
        seed: u64,
        /// Why.
        why: String,
    },
}

/// What a campaign has come to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Runs that are wanted.
    pub wanted: usize,
    /// Runs that count: clean or violated.
    pub counted: usize,
    /// Without a violation.
    pub clean: usize,
    /// By their names: with violations.
    pub violated: Vec<String>,
    /// By their names: of no worth.
    pub void: Vec<String>,
    /// By their names: not done.
    pub failed: Vec<String>,
    /// Clean runs of each scenario.
    pub by_scenario: BTreeMap<String, usize>,
    /// Faults, of the runs that count.
    pub faults: usize,
    /// Commands that were acknowledged in them.
    pub acknowledged: usize,
    /// Pushes that were due in them.
    pub pushes_due: usize,
}

/// What is to be done.
#[derive(Clone, Debug)]
pub struct Campaign {
    /// Where everything is kept.
    pub folder: PathBuf,
    /// Runs that are to count.
    pub wanted: usize,
    /// Tries of this sitting, at most.
    pub tries_max: usize,
    /// Whether the binary has the places at which processes can be made to die.
    pub failpoints: bool,
    /// What each run is like. Its scenario, seed and history are the campaign's; the seed is that of the first run.
    pub order: Order,
}

impl Campaign {
    /// Goes on until enough runs count, the sitting is over or a stop comes. `note` hears of every try.
    ///
    /// # Errors
    /// If the folder cannot be used, or nothing can be done at all.
    pub async fn go_on(
        &self,
        means: &Means,
        stop: &CancellationToken,
        mut note: impl FnMut(&str),
    ) -> anyhow::Result<Summary> {
        fs::create_dir_all(&self.folder).with_context(|| format!("cannot make {}", self.folder.display()))?;
        let mut tries = read_tries(&self.folder, self.order.subject)?;
        let summary_path = self.folder.join(format!("{}-{SUMMARY}", self.order.subject));
        let (mut left, mut failed_in_row) = (self.tries_max, 0);
        loop {
            let summary = summarize(self.wanted, &tries);
            save(&summary_path, &summary)?;
            if summary.counted >= self.wanted || left == 0 || stop.is_cancelled() {
                return Ok(summary);
            }
            let order = self.next_order(tries.len());
            let name = name_of(tries.len(), &order);
            let done = match Box::pin(run(&order, means, stop)).await {
                // What was interrupted is done again next time.
                _ if stop.is_cancelled() => {
                    clear(&order.history)?;
                    return Ok(summary);
                }
                Ok(outcome) => Try::Done(outcome),
                Err(error) => Try::Failed {
                    scenario: order.scenario.name.to_owned(),
                    seed: order.seed,
                    why: format!("{error:#}"),
                },
            };
            failed_in_row = if matches!(done, Try::Failed { .. }) { failed_in_row + 1 } else { 0 };
            left -= 1;
            note(&match &done {
                Try::Done(outcome) => format!("{}/{} {outcome}", summary.counted, self.wanted),
                Try::Failed { why, .. } => format!("{}/{} {name} FAILED: {why}", summary.counted, self.wanted),
            });
            if matches!(&done, Try::Done(outcome) if outcome.verdict() == Verdict::Clean) {
                // Nobody needs them.
                fs::remove_dir_all(logs_of(&order.history))?;
            }
            save(&self.folder.join(format!("{name}.{OUTCOME}")), &done)?;
            tries.push((name, done));
            if failed_in_row >= FAILED_IN_ROW_MAX {
                save(&summary_path, &summarize(self.wanted, &tries))?;
                bail!("{failed_in_row} runs in a row could not be done: see {}", self.folder.display());
            }
        }
    }

    /// The scenarios take turns; the seed goes on.
    fn next_order(&self, number: usize) -> Order {
        let subject = self.order.subject;
        let can = |scenario: &&Scenario| scenario.fits(subject) && (self.failpoints || !scenario.needs_failpoints());
        let fitting: Vec<_> = Scenario::all().iter().filter(can).collect();
        let mut order = self.order.clone();
        order.scenario = fitting[number % fitting.len()];
        order.seed += number as u64;
        order.history = self.folder.join(format!("{}.{HISTORY}", name_of(number, &order)));
        order
    }
}

fn name_of(number: usize, order: &Order) -> String {
    format!("{}-{number:04}-{}-{}", order.subject, order.scenario.name, order.seed)
}

/// Those of the sittings before, in their order.
fn read_tries(folder: &Path, subject: Subject) -> anyhow::Result<Vec<(String, Try)>> {
    let mut tries = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let path = entry?.path();
        let file = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let Some(name) = file.strip_suffix(OUTCOME).and_then(|name| name.strip_suffix('.')) else { continue };
        if !name.starts_with(&format!("{subject}-")) {
            continue;
        }
        let done = serde_json::from_str(&fs::read_to_string(&path)?);
        tries.push((name.to_owned(), done.with_context(|| format!("{} holds no outcome", path.display()))?));
    }
    tries.sort_by(|(one, _): &(String, Try), (other, _)| one.cmp(other));
    Ok(tries)
}

fn summarize(wanted: usize, tries: &[(String, Try)]) -> Summary {
    let mut summary = Summary { wanted, ..Summary::default() };
    for (name, done) in tries {
        let outcome = match done {
            Try::Done(outcome) => outcome,
            Try::Failed { .. } => {
                summary.failed.push(name.clone());
                continue;
            }
        };
        match outcome.verdict() {
            Verdict::Void => {
                summary.void.push(name.clone());
                continue;
            }
            Verdict::Violated => summary.violated.push(name.clone()),
            Verdict::Clean => {
                summary.clean += 1;
                *summary.by_scenario.entry(outcome.scenario.clone()).or_default() += 1;
            }
        }
        summary.counted += 1;
        summary.faults += outcome.faults;
        summary.acknowledged += outcome.acknowledged;
        summary.pushes_due += outcome.pushes_due;
    }
    summary
}

/// Whole or not at all, whatever happens to this program.
pub(super) fn save(path: &Path, what: &impl Serialize) -> anyhow::Result<()> {
    let fresh = path.with_extension("new");
    let written = fs::write(&fresh, serde_json::to_string_pretty(what)?).and_then(|()| fs::rename(&fresh, path));
    written.with_context(|| format!("cannot write {}", path.display()))
}

/// Nothing is left of a run.
pub(super) fn clear(history: &Path) -> io::Result<()> {
    for gone in [fs::remove_file(history), fs::remove_dir_all(logs_of(history))] {
        match gone {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn campaign(folder: &Path) -> Campaign {
        let (folder, history) = (folder.to_owned(), PathBuf::new());
        let scenario = &Scenario::all()[0];
        let (subject, load) = (Subject::Processes, Duration::from_secs(30));
        let order = Order { scenario, subject, seed: 100, load, users: 6, rate: 10, history };
        Campaign { folder, wanted: 3, tries_max: 10, failpoints: false, order }
    }

    fn outcome(order: &Order, violations: usize, void: Option<&str>) -> Outcome {
        Outcome {
            scenario: order.scenario.name.to_owned(),
            subject: order.subject,
            seed: order.seed,
            load_ms: 30_000,
            faults: 4,
            hits: 4,
            lost_commits: 0,
            fenced: 0,
            restarts: 0,
            crashes: 0,
            injected: 0,
            sent: 10,
            acknowledged: 9,
            unknown: 1,
            entries: 9,
            pushes_due: 8,
            violations,
            told: Vec::new(),
            void: void.map(str::to_owned),
        }
    }

    #[test]
    fn what_was_done_in_sittings_before_is_counted_and_the_next_run_is_another_one() {
        let folder = tempfile::tempdir().unwrap();
        let campaign = campaign(folder.path());
        let orders: Vec<Order> = (0..4).map(|number| campaign.next_order(number)).collect();
        let done = [
            Try::Done(outcome(&orders[0], 0, None)),
            Try::Done(outcome(&orders[1], 2, None)),
            Try::Done(outcome(&orders[2], 0, Some("no load"))),
            Try::Failed { scenario: orders[3].scenario.name.to_owned(), seed: 103, why: "no broker".to_owned() },
        ];
        for (number, (order, done)) in orders.iter().zip(&done).enumerate() {
            save(&folder.path().join(format!("{}.{OUTCOME}", name_of(number, order))), done).unwrap();
        }
        let tries = read_tries(folder.path(), Subject::Processes).unwrap();
        assert!(tries.iter().map(|(_, done)| done).eq(&done));
        assert!(read_tries(folder.path(), Subject::Standalone).unwrap().is_empty());
        let summary = summarize(3, &tries);
        assert_eq!((summary.counted, summary.clean, summary.faults), (2, 1, 8));
        assert_eq!([summary.violated.len(), summary.void.len(), summary.failed.len()], [1, 1, 1]);
        let next = campaign.next_order(tries.len());
        assert_eq!(next.seed, 104);
        assert!(orders.iter().all(|order| order.scenario != next.scenario && order.history != next.history));
    }

    #[test]
    fn the_scenarios_of_a_subject_take_turns() {
        let campaign = campaign(Path::new("folder"));
        let can = |scenario: &&Scenario| scenario.fits(Subject::Processes) && !scenario.needs_failpoints();
        let fitting = Scenario::all().iter().filter(can).count();
        let names: Vec<_> = (0..fitting * 2).map(|number| campaign.next_order(number).scenario.name).collect();
        assert_eq!(names[..fitting], names[fitting..]);
        assert!(names.contains(&"everything") && !names.contains(&"kill-standalone"));
    }
}
