//! Many handshakes, a bounded number of them at the same time: what must pass at least until clients are back that were all
//! cut off at once.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use futures_util::{StreamExt as _, stream};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_util::sync::CancellationToken;

use super::{
    child::{AT_ONCE, SocketServer},
    server::Role,
};
use crate::{
    floors::{
        FloorPlan, Pace,
        parties::Parties,
        result::{FloorResult, us_for_each},
    },
    load::connect,
    measure::{Latencies, Summary},
};

/// After so long the system asks again for a connection where the first time was lost. A handshake that had to wait for it says
/// nothing of handshakes.
const SENT_AGAIN: Duration = Duration::from_secs(1);

/// The plan's sockets once, of which as many shake hands at the same time as the plan has in flight. A handshake is timed from
/// its own connect to its 101; the CPU is the server's.
pub(in crate::floors) async fn measure(plan: &FloorPlan, stop: &CancellationToken) -> anyhow::Result<FloorResult> {
    let server = SocketServer::start(Role::Keep, plan).await?;
    let parties = Parties::server(server.pid);
    let at_once = match plan.pace {
        Pace::InFlight(at_once) => at_once as usize,
        Pace::Rate(_) | Pace::Dealt { .. } => AT_ONCE,
    };
    let before = parties.read().await?;
    let started = Instant::now();
    let mut opening = stream::iter(0..plan.sockets).map(|_| shake_hands(&server.address)).buffer_unordered(at_once);
    let mut latencies = Latencies::default();
    // All stay open until the last one is.
    let mut open = Vec::with_capacity(plan.sockets as usize);
    loop {
        let next = tokio::select! {
            () = stop.cancelled() => break,
            next = opening.next() => next,
        };
        let Some(shaken) = next else { break };
        let (socket, took) = shaken?;
        open.push(socket);
        latencies.record(took);
    }
    let all_took = started.elapsed();
    let after = parties.read().await?;
    let times = latencies.summary();
    let all_ms = all_ms(plan, &times, all_took);
    let cpu_us = us_for_each(parties.used(&before, &after), times.count);
    Ok(FloorResult { times, cpu_us, all_ms, ..FloorResult::default() })
}

/// None if it was interrupted, or something was lost.
fn all_ms(plan: &FloorPlan, times: &Summary, took: Duration) -> Option<f64> {
    let is_whole = times.count == u64::from(plan.sockets) && u128::from(times.max_us) < SENT_AGAIN.as_micros();
    is_whole.then_some(took.as_secs_f64() * 1e3)
}

async fn shake_hands(address: &str) -> anyhow::Result<(WebSocketStream<TcpStream>, Duration)> {
    let started = Instant::now();
    let socket = connect(address, None).await.context("cannot connect to the server of a floor")?;
    Ok((socket, started.elapsed()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::Length;

    #[test]
    fn handshakes_of_which_one_was_sent_again_are_no_floor() {
        let mut plan = FloorPlan::at_rate(1.0, Length { seconds: 1, warm_up_seconds: 0 }, 200, 1);
        plan.sockets = 2_000;
        let took = Duration::from_millis(94);
        let times = Summary { count: 2_000, max_us: 90_000, ..Summary::default() };
        assert_eq!(all_ms(&plan, &times, took), Some(94.0));
        for other in [Summary { count: 1_999, ..times }, Summary { max_us: 1_021_000, ..times }] {
            assert_eq!(all_ms(&plan, &other, took), None, "{other:?}");
        }
    }
}
