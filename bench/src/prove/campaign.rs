//! `nemesis campaign`.

use std::path::PathBuf;

use anyhow::bail;
use clap::{Args, value_parser};
use im_bench::nemesis::{Campaign, Features, Scenario, Subject};
use tokio_util::sync::CancellationToken;

use super::{Site, check_out};
use crate::{
    error::Void,
    output::{note, say},
};

/// `nemesis campaign`.
#[derive(Args)]
pub(crate) struct CampaignArgs {
    /// Runs that are to count.
    #[arg(long, default_value_t = 200, value_parser = value_parser!(u32).range(1..=100_000))]
    runs: u32,
    /// Runs of this sitting, at most.
    #[arg(long, value_parser = value_parser!(u32).range(1..=100_000))]
    at_most: Option<u32>,
    /// Runs at the same time, each on processes and servers of its own.
    #[arg(long, default_value_t = 1, value_parser = value_parser!(u8).range(1..=8))]
    at_once: u8,
    /// To what it is done.
    #[arg(long, value_enum)]
    target: Subject,
    /// The seed of the first run; each one after it has the next.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where outcomes, histories and the summary are kept; that of the other target may be the same.
    #[arg(long, value_name = "DIR")]
    folder: PathBuf,
    /// The table, written from all that the folder holds; every try goes as a line into a folder beside it.
    #[arg(long, value_name = "FILE", default_value = "docs/campaign.md", value_parser = document_path)]
    out: PathBuf,
    #[command(flatten)]
    site: Site,
}

/// A file whose name is not that of the folder beside it.
fn document_path(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    match path.extension() {
        Some(_) => Ok(path),
        None => Err("the table is Markdown, such as campaign.md; the folder campaign is beside it".to_owned()),
    }
}

/// Goes on with it, and says what it has come to.
pub(super) async fn campaign(args: &CampaignArgs, stop: &CancellationToken) -> anyhow::Result<()> {
    check_out(&args.out)?;
    let means = args.site.tools.means(args.target).await?;
    // Scenario and history are the campaign's own for each run.
    let order = args.site.order(&Scenario::all()[0], args.target, args.seed, PathBuf::new());
    let (folder, out, wanted) = (args.folder.clone(), args.out.clone(), args.runs as usize);
    let tries_max = args.at_most.map_or(usize::MAX, |runs| runs as usize);
    let failpoints = Features::of(&means.gochat).await?.have_failpoints();
    let at_once = usize::from(args.at_once);
    let campaign = Campaign { folder, out, wanted, tries_max, at_once, failpoints, order };
    let summary = Box::pin(campaign.go_on(&means, stop, |line: &str| note(line))).await?;
    let (violated, void, failed) = (summary.violated.len(), summary.void.len(), summary.failed.len());
    say(format_args!(
        "{} of {} runs: {} clean, {violated} violated; beside them {void} void, {failed} failed; {} faults, {} commands acknowledged, {} pushes due",
        summary.counted, summary.wanted, summary.clean, summary.faults, summary.acknowledged, summary.pushes_due
    ));
    say(format_args!("written: {}", args.out.display()));
    let bad: Vec<&str> = summary.violated.iter().chain(&summary.failed).map(String::as_str).collect();
    if !bad.is_empty() {
        bail!("see {} in {}", bad.join(", "), args.folder.display());
    }
    if summary.counted < summary.wanted {
        return Err(
            Void(format!("{} runs are still to be done: run it again", summary.wanted - summary.counted)).into()
        );
    }
    Ok(())
}
