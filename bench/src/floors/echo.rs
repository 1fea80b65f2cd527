//! A bare WebSocket server on tokio, which sends every frame back.

use std::time::Instant;

use anyhow::{Context as _, bail};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::{net::TcpListener, task::JoinSet};
use tokio_tungstenite::{accept_async, tungstenite::Message};
use tokio_util::sync::CancellationToken;

use super::{FloorPlan, plan::number_of, timed::timed};
use crate::{load::connect, measure::Latencies};

pub(super) async fn measure(plan: &FloorPlan, stop: &CancellationToken) -> anyhow::Result<Latencies> {
    let listener = TcpListener::bind("127.0.0.1:0").await.context("cannot listen on loopback")?;
    let address = listener.local_addr()?.to_string();
    let mut server = JoinSet::new();
    server.spawn(echo(listener));
    let mut client = connect(&address, None).await.context("cannot reach the echo")?;
    timed(plan, stop, async |number| {
        let bytes = plan.payload(number);
        let started = Instant::now();
        client.send(Message::binary(bytes)).await?;
        match client.next().await {
            Some(Ok(Message::Binary(back))) if number_of(&back) == Some(number) => Ok(started.elapsed()),
            other => bail!("the echo answered {other:?}"),
        }
    })
    .await
}

/// Serves one client until it leaves.
async fn echo(listener: TcpListener) -> anyhow::Result<()> {
    let (stream, _) = listener.accept().await?;
    stream.set_nodelay(true)?;
    let mut socket = Box::pin(accept_async(stream)).await?;
    while let Some(Ok(message)) = socket.next().await {
        if message.is_binary() {
            socket.send(message).await?;
        }
    }
    Ok(())
}
