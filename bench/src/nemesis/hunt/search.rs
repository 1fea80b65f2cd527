//! The search: bug after bug, run after run, over as many sittings as it takes.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use im_infra::planted::Bug;
use tokio_util::sync::CancellationToken;

use super::{Catch, Finding, Trial};
use crate::nemesis::{
    Means, Order,
    kept::{clear, save, told},
    logs_of, run,
};

/// The variable by which a process is told its bug.
const CHOSEN: &str = "GOCHAT_PLANTED_BUG";
const USERS: usize = 12;

/// What is looked for, and where what was found is kept.
#[derive(Clone, Debug)]
pub struct Hunt {
    /// A file for each bug; what is there is not done again.
    pub folder: PathBuf,
    /// Which.
    pub bugs: Vec<Bug>,
}

impl Hunt {
    /// Goes on until all of them were looked for or a stop comes. `note` hears of every run.
    ///
    /// # Errors
    /// If the folder cannot be used.
    pub async fn go_on(
        &self,
        means: &Means,
        stop: &CancellationToken,
        mut note: impl FnMut(&str),
    ) -> anyhow::Result<()> {
        fs::create_dir_all(&self.folder).with_context(|| format!("cannot make {}", self.folder.display()))?;
        for bug in &self.bugs {
            if self.finding(*bug)?.is_some() {
                continue;
            }
            // What was interrupted is done again next time.
            let Some(finding) = Box::pin(self.look_for(*bug, means, stop, &mut note)).await? else { break };
            save(&self.path_of(*bug), &finding)?;
        }
        Ok(())
    }

    /// What is known of a bug by now.
    ///
    /// # Errors
    /// If its file cannot be read.
    pub fn finding(&self, bug: Bug) -> anyhow::Result<Option<Finding>> {
        let path = self.path_of(bug);
        let text = match fs::read_to_string(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            read => read.with_context(|| format!("cannot read {}", path.display()))?,
        };
        Ok(Some(serde_json::from_str(&text).with_context(|| format!("{} holds no finding", path.display()))?))
    }

    /// None if a stop came.
    async fn look_for(
        &self,
        bug: Bug,
        means: &Means,
        stop: &CancellationToken,
        note: &mut impl FnMut(&str),
    ) -> anyhow::Result<Option<Finding>> {
        let mut finding = Finding { bug: bug.to_string(), found: None, runs: Vec::new() };
        for (trial, seed) in Trial::all_of(bug).flat_map(|trial| (1..=trial.seeds).map(move |seed| (trial, seed))) {
            let order = self.order(trial, seed)?;
            let done = Box::pin(run(&order, &means_of(means, trial), stop)).await;
            if stop.is_cancelled() {
                clear(&order.history)?;
                return Ok(None);
            }
            finding.found = done.as_ref().ok().and_then(Catch::of);
            // A run that could not be done shows nothing: what is to be found is found by the ledger.
            let told = match done {
                Ok(outcome) => outcome.to_string(),
                Err(error) => {
                    let why = told(&error, &[&self.folder, &means.folder]);
                    format!("{} on {}, seed {seed}, FAILED: {why}", order.scenario.name, trial.subject)
                }
            };
            note(&format!("{bug}: {told}"));
            finding.runs.push(told.lines().next().unwrap_or_default().to_owned());
            tidy(&order.history, finding.found.is_some())?;
            if finding.found.is_some() {
                break;
            }
        }
        Ok(Some(finding))
    }

    fn order(&self, trial: &Trial, seed: u64) -> anyhow::Result<Order> {
        let scenario = trial.scenario().context("a trial of no scenario")?;
        let history = self.folder.join(format!("{}-{}-{seed}.history.gz", trial.bug, scenario.name));
        let (subject, load, rate) = (trial.subject, trial.load(), trial.rate);
        Ok(Order { scenario, subject, seed, load, users: USERS, rate, history })
    }

    fn path_of(&self, bug: Bug) -> PathBuf {
        self.folder.join(format!("{bug}.json"))
    }
}

fn means_of(means: &Means, trial: &Trial) -> Means {
    let mut means = means.clone();
    means.settings.push((CHOSEN.to_owned(), trial.bug.to_string()));
    means
}

/// The history that found it is enough; where nothing was found everything says why.
fn tidy(history: &Path, found: bool) -> anyhow::Result<()> {
    let logs = logs_of(history);
    if found && logs.is_dir() {
        fs::remove_dir_all(&logs).with_context(|| format!("cannot remove {}", logs.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::nemesis::Subject;

    #[tokio::test]
    async fn what_was_found_in_sittings_before_is_not_looked_for_again() {
        let folder = tempfile::tempdir().unwrap();
        let hunt = Hunt { folder: folder.path().to_owned(), bugs: vec![Bug::NoDedup] };
        assert_eq!(hunt.finding(Bug::NoDedup).unwrap(), None);
        let found = Catch {
            scenario: "kill-standalone".into(),
            subject: Subject::Standalone,
            seed: 2,
            checks: BTreeSet::from(["Unanswered".to_owned()]),
            violations: 3,
            told: "Unanswered(\"one\")".into(),
        };
        let finding = Finding { bug: "no-dedup".into(), found: Some(found), runs: vec!["a run".into()] };
        save(&hunt.path_of(Bug::NoDedup), &finding).unwrap();
        assert_eq!(hunt.finding(Bug::NoDedup).unwrap(), Some(finding));
        // There is nothing that could be started.
        let nothing = PathBuf::from("nothing");
        let means = Means { gochat: nothing.clone(), infra: nothing.clone(), folder: nothing, settings: Vec::new() };
        let mut runs = 0;
        Box::pin(hunt.go_on(&means, &CancellationToken::new(), |_| runs += 1)).await.unwrap();
        assert_eq!(runs, 0);
    }
}
