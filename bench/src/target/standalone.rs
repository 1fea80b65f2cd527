//! Everything in one process.

use super::{Endpoint, Site, process::Running, system::System};

pub(super) async fn start(site: &Site) -> anyhow::Result<System> {
    let (gochat, folder) = (site.gochat().await?, site.own_folder()?);
    let running = Running::start(&gochat, "standalone", folder.path(), &[]).await?;
    let (endpoint, process) = (Endpoint::at(running.address.clone()), running.process()?);
    Ok(System {
        gateway: Some(process.clone()),
        processes: vec![process],
        running: vec![running],
        folder: Some(folder),
        ..System::running_at(endpoint)
    })
}
