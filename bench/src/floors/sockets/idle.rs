//! Bare connections that say nothing, and what each costs the server.

use std::time::Duration;

use im_bench::memory::private_dirty_bytes;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::{child::SocketServer, server::Role};
use crate::{
    floors::{FloorPlan, FloorResult},
    measure::slope,
};

/// As with the gateway's: the slope through all readings, so what the process takes once does not count.
const STEPS: u32 = 5;
/// What a handshake needed and nothing else is given back meanwhile.
const SETTLE: Duration = Duration::from_secs(1);

/// Opens the plan's sockets step by step and reads the server's memory; no figure if it was stopped before there were any.
pub(in crate::floors) async fn measure(plan: &FloorPlan, stop: &CancellationToken) -> anyhow::Result<FloorResult> {
    let mut server = SocketServer::start(Role::Keep, plan).await?;
    sleep(SETTLE).await;
    let mut readings = vec![(0, private_dirty_bytes(server.pid)?)];
    let mut open = Vec::new();
    for _ in 0..STEPS {
        if stop.is_cancelled() {
            break;
        }
        open.extend(server.open(plan.sockets / STEPS).await?);
        sleep(SETTLE).await;
        // Those that were opened before are still there.
        let count = u32::try_from(open.len())?;
        server.has(count).await?;
        readings.push((count.into(), private_dirty_bytes(server.pid)?));
    }
    let connection_bytes = (readings.len() > 1).then(|| slope(&readings));
    Ok(FloorResult { connection_bytes, ..FloorResult::default() })
}
