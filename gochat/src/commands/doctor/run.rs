//! All checks, and what is said of them.

use tokio::join;

use super::{
    dependencies,
    findings::{Finding, Findings, State},
    host,
    needs::Needs,
};
use crate::{
    cli::{DoctorTarget, say},
    config::Config,
};

/// Says everything that was found.
///
/// # Errors
/// If a check failed.
pub(crate) async fn run(target: Option<DoctorTarget>, json: bool, config: &Config) -> anyhow::Result<()> {
    let alone = config.repo.database.url.is_empty();
    let target = target.unwrap_or(if alone { DoctorTarget::Standalone } else { DoctorTarget::Services });
    let found = look(target, config).await;
    if json {
        say(serde_json::to_string_pretty(&found)?);
    } else {
        found.iter().for_each(say);
    }
    let count = |state: State| found.iter().filter(|finding| finding.state == state).count();
    match (count(State::Failed), count(State::Warning)) {
        (0, _) if json => {}
        (0, 0) => say("all is well"),
        (0, warnings) => say(format_args!("nothing is in the way; warnings: {warnings}")),
        (failed, _) => anyhow::bail!("checks that failed: {failed}"),
    }
    Ok(())
}

/// Looks at all of it at the same time; what is found has the same order every time.
async fn look(target: DoctorTarget, config: &Config) -> Vec<Finding> {
    let needs = Needs::of(target);
    let here = [
        Some(host::secrets(target, config)),
        needs.clients.then(|| host::open_files(config)),
        needs.data_folder.then(|| host::data_folder(config)),
    ];
    let (database, kafka, etcd, redis) = join!(
        when(needs.database, dependencies::database(target, config)),
        when(needs.kafka, dependencies::kafka(config)),
        when(needs.etcd, dependencies::etcd(config)),
        when(needs.redis, dependencies::redis(config)),
    );
    here.into_iter().chain([database, kafka, etcd, redis]).flatten().flat_map(Findings::into_list).collect()
}

async fn when(needed: bool, look: impl Future<Output = Findings>) -> Option<Findings> {
    if needed { Some(look.await) } else { None }
}
