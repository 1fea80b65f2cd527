//! Connections that say nothing, and what each costs the gateway.

mod groups;

use std::time::{Duration, Instant};

use anyhow::ensure;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use im_bench::memory::private_dirty_bytes;
use serde::{Deserialize, Serialize};
use tokio::{task::JoinSet, time::sleep};
use tokio_util::sync::CancellationToken;

use super::{
    account::{Accounts, Guest},
    client::Socket,
    limits::check_descriptors,
    workload::before_load,
};
use crate::{
    bar::Bar,
    measure::{slope, wait_until},
    output::note,
    target::{Endpoint, Process},
};

pub(crate) use self::groups::OF_EACH as CONVERSATIONS;

/// Memory is read after each of so many equal parts, and the slope goes through all readings: what the process takes once,
/// whatever the number of connections, does not count.
const STEPS: u32 = 5;
/// Handshakes at the same time.
const AT_ONCE: usize = 32;
/// Before the first connection two readings have to agree within a percent; so many are taken at most.
const BETWEEN_READINGS: Duration = Duration::from_secs(5);
const READINGS_MAX: u32 = 12;
/// What a handshake needed and nothing else is given back meanwhile.
const SETTLE: Duration = Duration::from_secs(2);

/// What is opened, and whose memory is read.
pub(crate) struct IdlePlan {
    pub(crate) connections: u32,
    /// Of each connection's user.
    pub(crate) conversations: u32,
    pub(crate) gateway: Process,
    /// How long after all were closed the memory is read once more.
    pub(crate) closed: Duration,
}

/// What it cost.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct IdleResult {
    /// Whose memory.
    pub(crate) process: String,
    /// Connections that were open at the last reading.
    pub(crate) connections: u64,
    /// Of each connection's user; none in results of before there were any.
    #[serde(default)]
    pub(crate) conversations: u32,
    /// Connections and private dirty bytes, the first reading without any.
    pub(crate) readings: Vec<(u64, u64)>,
    /// Private dirty bytes for each connection, by least squares.
    pub(crate) bytes_per_connection: f64,
    /// Private dirty bytes some time after all of them were closed; none if Ctrl-C came before.
    pub(crate) kept_bytes: Option<u64>,
    /// Those seconds.
    pub(crate) closed_seconds: u64,
    /// Ctrl-C came before the last step.
    pub(crate) interrupted: bool,
}

impl IdleResult {
    /// The percentage of what memory grew by that was kept after all were closed. None if that was not read, or if nothing grew.
    pub(crate) fn kept_percent(&self) -> Option<f64> {
        let first = self.readings.first()?.1;
        let most = self.readings.iter().map(|(_, bytes)| *bytes).max()?;
        let kept = self.kept_bytes?.saturating_sub(first);
        (most > first).then(|| kept as f64 / (most - first) as f64 * 100.0)
    }
}

/// Opens the connections step by step and reads the gateway's memory, then closes them and reads it again.
pub(crate) async fn measure_idle(
    plan: &IdlePlan,
    endpoint: &Endpoint,
    stop: &CancellationToken,
) -> anyhow::Result<IdleResult> {
    check_descriptors(plan.connections, plan.gateway.pid)?;
    let each = plan.connections / STEPS;
    let guests = before_load(Box::pin(prepare(each * STEPS, plan.conversations, endpoint)), stop).await?;
    let mut readings = vec![(0, settled(plan.gateway.pid, stop).await?)];
    let mut open = JoinSet::new();
    let bar = Bar::of("connections", u64::from(each * STEPS));
    for guests in guests.chunks(each.max(1) as usize) {
        if stop.is_cancelled() {
            break;
        }
        let opening = stream::iter(guests).map(|guest| Socket::open(endpoint, guest)).buffer_unordered(AT_ONCE);
        let sockets: Vec<Socket> = opening.inspect_ok(|_| bar.advance(1)).try_collect().await?;
        for mut socket in sockets {
            open.spawn(async move { socket.broken().await });
        }
        sleep(SETTLE).await;
        while open.try_join_next().is_some() {}
        let reading = (open.len() as u64, private_dirty_bytes(plan.gateway.pid)?);
        bar.say(format_args!("  {} connections: {} KB private dirty", reading.0, reading.1 / 1_024));
        readings.push(reading);
    }
    drop(bar);
    ensure!(readings.len() > 1, "interrupted before a connection was open");
    let lost = u64::from(each) * (readings.len() as u64 - 1) - open.len() as u64;
    ensure!(lost == 0, "{lost} connections did not stay open");
    let (connections, interrupted) = (open.len() as u64, readings.len() <= STEPS as usize);
    // A connection is closed with the task that has it.
    open.shutdown().await;
    let kept_bytes = if interrupted { None } else { kept_after(plan, stop).await? };
    Ok(IdleResult {
        process: plan.gateway.name.clone(),
        connections,
        conversations: plan.conversations,
        bytes_per_connection: slope(&readings),
        kept_bytes,
        closed_seconds: plan.closed.as_secs(),
        interrupted,
        readings,
    })
}

/// Private dirty bytes, once what was given back shows: an allocator keeps freed memory for some seconds.
async fn settled(pid: u32, stop: &CancellationToken) -> anyhow::Result<u64> {
    let mut last = private_dirty_bytes(pid)?;
    for _ in 0..READINGS_MAX {
        wait_until(Instant::now() + BETWEEN_READINGS, stop).await;
        let now = private_dirty_bytes(pid)?;
        if now.abs_diff(last) * 100 <= last || stop.is_cancelled() {
            return Ok(now);
        }
        last = now;
    }
    note("  its memory does not settle: what users left behind may hide a part of the growth");
    Ok(last)
}

/// Users with their conversations: what the services keep of them is there before the first reading.
async fn prepare(users: u32, conversations: u32, endpoint: &Endpoint) -> anyhow::Result<Vec<Guest>> {
    let accounts = Accounts::of(endpoint);
    note(format_args!("  {users} guests"));
    let guests = accounts.guests(users as usize).await?;
    note(format_args!("  {conversations} groups for each of them"));
    groups::make_groups(&accounts, &guests, conversations).await?;
    note(format_args!("  each of them connects once"));
    visit(&guests, endpoint).await?;
    Ok(guests)
}

/// Everybody was here: what the services keep of users, within bounds of their own, is nothing that a connection takes.
async fn visit(guests: &[Guest], endpoint: &Endpoint) -> anyhow::Result<()> {
    let visits = stream::iter(guests).map(|guest| async move { Socket::open(endpoint, guest).await.map(drop) });
    visits.buffer_unordered(AT_ONCE).try_collect().await
}

async fn kept_after(plan: &IdlePlan, stop: &CancellationToken) -> anyhow::Result<Option<u64>> {
    let seconds = plan.closed.as_secs();
    note(format_args!("  all are closed, and memory is read again in {seconds} s"));
    wait_until(Instant::now() + plan.closed, stop).await;
    if stop.is_cancelled() { Ok(None) } else { private_dirty_bytes(plan.gateway.pid).map(Some) }
}

#[cfg(test)]
mod tests {
    use crate::run::sample::idle;

    #[test]
    fn what_is_kept_is_a_part_of_what_grew() {
        let mut result = idle();
        // From 20 to 70 MB, and back to 25.
        assert_eq!(result.kept_percent(), Some(10.0));
        result.kept_bytes = Some(19_000_000);
        assert_eq!(result.kept_percent(), Some(0.0), "less than before is nothing kept");
        result.kept_bytes = None;
        assert_eq!(result.kept_percent(), None);
        result.readings.truncate(1);
        result.kept_bytes = Some(20_000_000);
        assert_eq!(result.kept_percent(), None, "nothing grew");
    }
}
