//! `nemesis bugs`.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use clap::Args;
use im_bench::nemesis::{Features, Finding, Hunt, Subject, Trial, document};
use im_infra::planted::Bug;
use tokio_util::sync::CancellationToken;

use super::{Tools, check_out};
use crate::{
    error::{Void, usage},
    output::{note, say},
};

/// `nemesis bugs`.
#[derive(Args)]
pub(crate) struct BugsArgs {
    /// Only these, separated by commas [default: all].
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    only: Vec<Bug>,
    /// Where a file for each bug, and the histories, are kept. A bug whose file is removed is looked for again.
    #[arg(long, value_name = "DIR", default_value = "target/planted-bugs")]
    folder: PathBuf,
    /// The table, written from all that the folder holds. What was found of each bug is a line of the file beside it that ends in
    /// `.jsonl`.
    #[arg(long, value_name = "FILE", default_value = "docs/planted-bugs.md")]
    out: PathBuf,
    #[command(flatten)]
    tools: Tools,
}

/// Looks for them, and writes the table.
pub(super) async fn bugs(args: &BugsArgs, stop: &CancellationToken) -> anyhow::Result<()> {
    let bugs = if args.only.is_empty() { Bug::ALL.to_vec() } else { args.only.clone() };
    let on_processes = |bug: &Bug| Trial::all_of(*bug).any(|trial| trial.subject == Subject::Processes);
    let subject = if bugs.iter().any(on_processes) { Subject::Processes } else { Subject::Standalone };
    let means = args.tools.means(subject).await?;
    let features = Features::of(&means.gochat).await?;
    if !features.have_bugs() || !features.have_failpoints() {
        return Err(usage(format!(
            "{} has no bugs in it: build it with `cargo build --release -p gochat --features planted-bugs,failpoints`",
            means.gochat.display()
        )));
    }
    check_out(&args.out)?;
    let hunt = Hunt { folder: args.folder.clone(), bugs };
    Box::pin(hunt.go_on(&means, stop, |line: &str| note(line))).await?;
    let all = Bug::ALL.iter().map(|bug| anyhow::Ok((*bug, hunt.finding(*bug)?)));
    let all: Vec<(Bug, Option<Finding>)> = all.collect::<Result<_, _>>()?;
    write(&args.out, &document(&all))?;
    let lines = all.iter().filter_map(|(_, finding)| finding.as_ref()).map(serde_json::to_string);
    let lines: Vec<String> = lines.collect::<Result<_, _>>()?;
    write(&args.out.with_extension("jsonl"), &(lines.join("\n") + "\n"))?;
    let mine = |(bug, _): &&(Bug, Option<Finding>)| hunt.bugs.contains(bug);
    judged(&all.iter().filter(mine).collect::<Vec<_>>())
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

fn judged(findings: &[&(Bug, Option<Finding>)]) -> anyhow::Result<()> {
    let (mut missed, mut open) = (Vec::new(), 0);
    for (bug, finding) in findings {
        match finding {
            None => open += 1,
            Some(Finding { found: None, .. }) => missed.push(bug.name()),
            Some(_) => {}
        }
    }
    let found = findings.len() - missed.len() - open;
    say(format_args!("{found} of {} found, {} missed", findings.len(), missed.len()));
    if !missed.is_empty() {
        bail!("missed: {}", missed.join(", "));
    }
    if open > 0 {
        return Err(Void(format!("{open} bugs are still to be looked for: run it again")).into());
    }
    Ok(())
}
