//! Connections that say nothing, and what each costs the gateway.

use std::time::Duration;

use anyhow::ensure;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde::{Deserialize, Serialize};
use tokio::{task::JoinSet, time::sleep};
use tokio_util::sync::CancellationToken;

use super::{account::Accounts, client::Socket, limits::check_descriptors};
use crate::{
    measure::{private_dirty_bytes, slope},
    output::note,
    target::{Endpoint, Process},
};

/// Memory is read after each of so many equal parts, and the slope goes through all readings: what the process takes once,
/// whatever the number of connections, does not count.
const STEPS: u32 = 5;
/// Handshakes at the same time.
const AT_ONCE: usize = 32;
/// What a handshake needed and nothing else is given back meanwhile.
const SETTLE: Duration = Duration::from_secs(2);

/// What is opened, and whose memory is read.
pub(crate) struct IdlePlan {
    pub(crate) connections: u32,
    pub(crate) gateway: Process,
}

/// What it cost.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct IdleResult {
    /// Whose memory.
    pub(crate) process: String,
    /// Connections that were open at the last reading.
    pub(crate) connections: u64,
    /// Connections and private dirty bytes, the first reading without any.
    pub(crate) readings: Vec<(u64, u64)>,
    /// Private dirty bytes for each connection, by least squares.
    pub(crate) bytes_per_connection: f64,
    /// Ctrl-C came before the last step.
    pub(crate) interrupted: bool,
}

/// Opens the connections step by step and reads the gateway's memory.
pub(crate) async fn measure_idle(
    plan: &IdlePlan,
    endpoint: &Endpoint,
    stop: &CancellationToken,
) -> anyhow::Result<IdleResult> {
    check_descriptors(plan.connections, plan.gateway.pid)?;
    let accounts = Accounts::of(endpoint);
    let each = plan.connections / STEPS;
    note(format_args!("  {} guests", each * STEPS));
    let guests = accounts.guests((each * STEPS) as usize).await?;
    sleep(SETTLE).await;
    let mut readings = vec![(0, private_dirty_bytes(plan.gateway.pid)?)];
    let mut open = JoinSet::new();
    for guests in guests.chunks(each.max(1) as usize) {
        if stop.is_cancelled() {
            break;
        }
        let opening = stream::iter(guests).map(|guest| Socket::open(endpoint, guest)).buffer_unordered(AT_ONCE);
        let sockets: Vec<Socket> = opening.try_collect().await?;
        for mut socket in sockets {
            open.spawn(async move { socket.broken().await });
        }
        sleep(SETTLE).await;
        while open.try_join_next().is_some() {}
        let reading = (open.len() as u64, private_dirty_bytes(plan.gateway.pid)?);
        note(format_args!("  {} connections: {} KB private dirty", reading.0, reading.1 / 1_024));
        readings.push(reading);
    }
    ensure!(readings.len() > 1, "interrupted before a connection was open");
    let lost = u64::from(each) * (readings.len() as u64 - 1) - open.len() as u64;
    ensure!(lost == 0, "{lost} connections did not stay open");
    Ok(IdleResult {
        process: plan.gateway.name.clone(),
        connections: open.len() as u64,
        bytes_per_connection: slope(&readings),
        interrupted: readings.len() <= STEPS as usize,
        readings,
    })
}
