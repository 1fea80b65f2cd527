//! A bare WebSocket server on tokio, which sends every frame back. It has a thread to itself, whose CPU alone counts: the
//! other side is a client.

use std::{
    net,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_tungstenite::{accept_async, tungstenite::Message};
use tokio_util::sync::CancellationToken;

use super::{FloorPlan, FloorResult, parties::Parties, plan::number_of, timed::timed};
use crate::{load::connect, own_thread::on_own_thread};

const SERVER: &str = "floor-echo";

pub(super) async fn measure(plan: &FloorPlan, stop: &CancellationToken) -> anyhow::Result<FloorResult> {
    let listener = net::TcpListener::bind("127.0.0.1:0").context("cannot listen on loopback")?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?.to_string();
    let ending = CancellationToken::new();
    let _ends = ending.clone().drop_guard();
    // The client notices when it ends.
    on_own_thread(SERVER, move || serve(listener, ending))?;
    let mut lanes = Vec::new();
    for _ in 0..plan.lanes() {
        let mut client = connect(&address, None).await.context("cannot reach the echo")?;
        lanes.push(async move |number: u64| -> anyhow::Result<Duration> {
            let bytes = plan.payload(number);
            let started = Instant::now();
            client.send(Message::binary(bytes)).await?;
            match client.next().await {
                Some(Ok(Message::Binary(back))) if number_of(&back) == Some(number) => Ok(started.elapsed()),
                other => bail!("the echo answered {other:?}"),
            }
        });
    }
    timed(plan, &Parties::threads(SERVER), stop, lanes).await
}

/// Until the end, or until it can accept no more.
async fn serve(listener: net::TcpListener, ending: CancellationToken) -> anyhow::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    let mut clients = JoinSet::new();
    loop {
        tokio::select! {
            () = ending.cancelled() => return Ok(()),
            accepted = listener.accept() => clients.spawn(echo(accepted?.0)),
        };
    }
}

/// Serves one client until it leaves.
async fn echo(stream: TcpStream) -> anyhow::Result<()> {
    stream.set_nodelay(true)?;
    let mut socket = Box::pin(accept_async(stream)).await?;
    while let Some(Ok(message)) = socket.next().await {
        if message.is_binary() {
            socket.send(message).await?;
        }
    }
    Ok(())
}
