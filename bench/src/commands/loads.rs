//! The workloads that have a plan: checked, started, loaded, told.

use anyhow::bail;
use tokio_util::sync::CancellationToken;

use super::write_if_asked;
use crate::{
    cli::Setting,
    load::Workload,
    output::{note, say},
    target::start,
};

/// What a result says for people, and whether it is one.
pub(super) struct Told {
    pub(super) table: String,
    pub(super) fault: Option<String>,
}

/// Puts a load on the system. What was found is told even if something happened that must not.
pub(super) async fn load<W: Workload>(
    plan: W,
    (setting, what): (&Setting, &str),
    tell: impl Fn(&W::Found) -> Told,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    plan.check()?;
    let connections = plan.connections();
    // Said before anything is started; the gateway's limit is looked at when it runs.
    connections.check(std::process::id())?;
    let system = Box::pin(start(&setting.target, &setting.site)).await?;
    note(format_args!("{what} at {}, seed {}", system.endpoint, setting.seed));
    let allowed = system.gateway.as_ref().map_or(Ok(()), |gateway| connections.check(gateway.pid));
    let measured = match allowed {
        Ok(()) => Box::pin(plan.measure(&system, stop)).await,
        Err(error) => Err(error),
    };
    let stopped = system.stop().await;
    let found = measured?;
    let Told { table, fault } = tell(&found);
    say(table);
    write_if_asked(setting.out.as_deref(), &found)?;
    if let Some(fault) = fault {
        bail!("{fault}");
    }
    stopped
}
