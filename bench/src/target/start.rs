//! Starts what is to be measured, unless it runs.

use super::{Site, System, TargetName, processes, standalone};

/// The system, ready for load.
pub(crate) async fn start(target: &TargetName, site: &Site) -> anyhow::Result<System> {
    site.check(target)?;
    match target {
        TargetName::Standalone => Box::pin(standalone::start(site)).await,
        TargetName::Processes => Box::pin(processes::start(site)).await,
        TargetName::Url(endpoint) => Ok(System::running_at(endpoint.clone())),
    }
}
