//! What a run has measured so far, in a file that is replaced after each round and each part: a run that was cut goes on from it.

use std::{
    fs,
    io::{ErrorKind, Write as _},
    path::{Path, PathBuf},
};

use anyhow::Context as _;

use super::{Round, RunResult, Spreads, Workloads};
use crate::error::usage;

/// The results of all targets of a run, in the order of the targets.
pub(super) struct Journal {
    path: PathBuf,
    results: Vec<RunResult>,
}

impl Journal {
    /// A run that begins; one that was cut before it is forgotten.
    pub(super) fn begin(folder: &Path, results: Vec<RunResult>) -> anyhow::Result<Self> {
        let path = path(folder, &results);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(error).with_context(|| format!("cannot remove {}", path.display()))
            }
            _ => Ok(Self { path, results }),
        }
    }

    /// A run that goes on, given what it would begin with. A usage error if there is none, or it was another one.
    pub(super) fn resume(folder: &Path, fresh: &[RunResult]) -> anyhow::Result<Self> {
        let path = path(folder, fresh);
        let wrong = |what: String| usage(format!("{}: {what}; without --resume a run begins anew", path.display()));
        let text = match fs::read_to_string(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Err(wrong("no run was cut here".to_owned())),
            text => text.with_context(|| format!("cannot read {}", path.display()))?,
        };
        let results: Vec<RunResult> =
            serde_json::from_str(&text).map_err(|error| wrong(format!("no run of this version: {error}")))?;
        match difference(&results, fresh) {
            Some(what) => Err(wrong(what)),
            None => Ok(Self { path, results }),
        }
    }

    pub(super) fn of(&self, target: usize) -> &RunResult {
        &self.results[target]
    }

    /// Whether there is nothing to go on with.
    pub(super) fn is_empty(&self) -> bool {
        self.results.iter().all(|result| result.rounds.is_empty())
    }

    /// Keeps a round, with its latencies at the fixed pace and at the tenth.
    pub(super) fn add(&mut self, target: usize, round: Round, [paced, tenth]: [&Spreads; 2]) -> anyhow::Result<()> {
        let result = &mut self.results[target];
        result.rounds.push(round);
        result.paced.add(paced);
        result.tenth.add(tenth);
        self.write()
    }

    /// Keeps what was measured after the rounds by now.
    pub(super) fn keep(&mut self, target: usize, workloads: Workloads) -> anyhow::Result<()> {
        self.results[target].workloads = workloads;
        self.write()
    }

    /// Nothing of a target is left to do.
    pub(super) fn finish(&mut self, target: usize) -> anyhow::Result<()> {
        self.results[target].finished = true;
        self.write()
    }

    /// What was measured. The file stays if something is left to do.
    pub(super) fn close(self) -> anyhow::Result<Vec<RunResult>> {
        let Self { path, mut results } = self;
        if results.iter().all(|result| result.finished) {
            fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
        }
        results.retain(|result| result.finished || !result.rounds.is_empty());
        Ok(results)
    }

    /// Replaces the file as a whole: a process that is killed meanwhile leaves the old one.
    fn write(&self) -> anyhow::Result<()> {
        let folder = self.path.parent().context("the file of a run lies in a folder")?;
        let replace = || -> anyhow::Result<()> {
            fs::create_dir_all(folder)?;
            let mut file = tempfile::NamedTempFile::new_in(folder)?;
            file.write_all(&serde_json::to_vec(&self.results)?)?;
            file.as_file().sync_all()?;
            file.persist(&self.path)?;
            Ok(())
        };
        replace().with_context(|| format!("cannot write {}", self.path.display()))
    }
}

fn path(folder: &Path, results: &[RunResult]) -> PathBuf {
    let kind = results.first().map_or("no", |result| result.plan.kind());
    folder.join(format!("{kind}.unfinished.json"))
}

/// What makes two runs different ones.
fn difference(cut: &[RunResult], fresh: &[RunResult]) -> Option<String> {
    let targets =
        |results: &[RunResult]| results.iter().map(|result| result.target.as_str()).collect::<Vec<_>>().join(", ");
    if targets(cut) != targets(fresh) {
        return Some(format!("that run measures {}, not {}", targets(cut), targets(fresh)));
    }
    cut.iter().zip(fresh).find_map(|(cut, fresh)| {
        if cut.version != fresh.version {
            Some(format!("that run is of version {}, this is {}", cut.version, fresh.version))
        } else if cut.build != fresh.build {
            Some(format!("that run measured another build of version {}", cut.version))
        } else if cut.machine != fresh.machine {
            Some(format!("that run was on another machine, {}", cut.machine.cpu))
        } else if cut.plan.seed != fresh.plan.seed {
            Some(format!("that run has seed {}, not {}", cut.plan.seed, fresh.plan.seed))
        } else {
            (cut.plan != fresh.plan).then(|| "that run has rounds of other lengths".to_owned())
        }
    })
}

#[cfg(test)]
mod tests {
    use super::{
        super::sample::{result, round, workloads},
        *,
    };

    fn fresh() -> Vec<RunResult> {
        ["standalone", "processes"]
            .map(|target| {
                let (target, paced) = (target.to_owned(), Spreads::default());
                RunResult { target, paced, finished: false, ..result(Vec::new()) }
            })
            .to_vec()
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn a_run_goes_on_after_its_last_whole_round() {
        let folder = tempfile::tempdir().unwrap();
        let mut journal = Journal::begin(folder.path(), fresh()).unwrap();
        assert!(
            names(folder.path()).is_empty() && journal.is_empty(),
            "nothing is kept of a run that measured nothing"
        );
        let (spreads, empty) = (result(vec![round(3_000)]).paced, Spreads::default());
        journal.add(0, round(3_000), [&spreads, &empty]).unwrap();
        journal.keep(0, workloads()).unwrap();
        journal.finish(0).unwrap();
        journal.add(1, round(4_000), [&spreads, &empty]).unwrap();
        // Killed: nothing more is written.
        drop(journal);
        assert_eq!(names(folder.path()), ["quick.unfinished.json"]);
        let mut journal = Journal::resume(folder.path(), &fresh()).unwrap();
        assert!(journal.of(0).finished && !journal.of(1).finished && !journal.is_empty());
        let kept = &journal.of(0).workloads;
        assert_eq!(kept.group.first().map(|group| group.found.deliveries), Some(100_000));
        assert_eq!(kept.reconnect.first().map(|reconnect| reconnect.found.live), Some(2_000));
        assert!([kept.login.len(), kept.idle.len(), kept.loaded.len(), kept.burst.len()] == [1, 1, 1, 0]);
        journal.add(1, round(5_000), [&spreads, &empty]).unwrap();
        assert_eq!(journal.of(1).rounds.len(), 2);
        assert_eq!(journal.of(1).paced.ack.count(), 2 * spreads.ack.count());
        journal.finish(1).unwrap();
        assert_eq!(journal.close().unwrap().len(), 2);
        assert!(names(folder.path()).is_empty(), "a finished run leaves nothing to go on with");
    }

    #[test]
    fn what_was_not_begun_is_no_result_and_the_rest_waits() {
        let folder = tempfile::tempdir().unwrap();
        let mut journal = Journal::begin(folder.path(), fresh()).unwrap();
        journal.add(0, round(3_000), [&Spreads::default(), &Spreads::default()]).unwrap();
        let targets: Vec<String> = journal.close().unwrap().into_iter().map(|result| result.target).collect();
        assert_eq!(targets, ["standalone"]);
        assert!(Journal::resume(folder.path(), &fresh()).is_ok());
    }

    #[test]
    fn another_run_is_told_by_what_differs() {
        let folder = tempfile::tempdir().unwrap();
        let told = |fresh: &[RunResult]| {
            let error = Journal::resume(folder.path(), fresh).err().unwrap();
            assert!(error.is::<crate::error::Usage>(), "{error}");
            error.to_string()
        };
        assert!(told(&fresh()).contains("no run was cut"));
        let mut journal = Journal::begin(folder.path(), fresh()).unwrap();
        journal.add(0, round(3_000), [&Spreads::default(), &Spreads::default()]).unwrap();
        type Change = fn(&mut RunResult);
        let changes: [(Change, &str); 5] = [
            (|other| other.version.push('1'), "version 0.1.0,"),
            (|other| other.build.push('1'), "another build"),
            (|other| other.machine.cores += 1, "another machine"),
            (|other| other.plan.seed += 1, "seed 1, not 2"),
            (|other| other.plan.rounds += 1, "other lengths"),
        ];
        for (change, part) in changes {
            let mut other = fresh();
            other.iter_mut().for_each(change);
            let told = told(&other);
            assert!(told.contains(part) && told.contains("without --resume"), "{told}");
        }
        assert!(told(&fresh()[..1]).contains("measures standalone, processes"));
        fs::write(path(folder.path(), &fresh()), "[{").unwrap();
        assert!(told(&fresh()).contains("no run of this version"));
    }
}
