//! The server as a process, and connections to it.

use std::{env, process::Stdio, time::Duration};

use anyhow::{Context as _, bail, ensure};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    process::{Child, Command},
    time::{sleep, timeout},
};
use tokio_tungstenite::WebSocketStream;

use super::server::Role;
use crate::{
    floors::FloorPlan,
    load::{Connections, connect},
};

/// Handshakes at the same time, unless the plan says otherwise.
pub(super) const AT_ONCE: usize = 64;
const START_MAX: Duration = Duration::from_secs(10);
const ANSWER_MAX: Duration = Duration::from_secs(30);
/// How often the server is asked whether it has all connections, and for how long.
const ASK_AGAIN: Duration = Duration::from_millis(10);
const ASKS_MAX: u32 = 500;

/// A server in a process of its own; killed when dropped.
pub(super) struct SocketServer {
    pub(super) pid: u32,
    pub(super) address: String,
    orders: OwnedWriteHalf,
    answers: Lines<BufReader<OwnedReadHalf>>,
    _child: Child,
}

impl SocketServer {
    /// Starts it, once it is sure that the plan's connections fit both processes.
    pub(super) async fn start(role: Role, plan: &FloorPlan) -> anyhow::Result<Self> {
        let mut child = Command::new(env::current_exe().context("where is this program?")?)
            .args(["floor-server", role.name(), "--payload-bytes", &plan.payload_bytes.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            // Ctrl-C is for this program, which ends the other.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .context("cannot start the server of a floor")?;
        let pid = child.id().context("the server of a floor has ended")?;
        Connections { flag: "--sockets", asked: plan.sockets, each: 1, beside: 0 }.check(pid)?;
        let mut said = BufReader::new(child.stdout.take().context("no output to read")?).lines();
        let line =
            timeout(START_MAX, said.next_line()).await.context("the server of a floor did not start in time")??;
        let address = line.context("the server of a floor ended at its start")?;
        let control = TcpStream::connect(&address).await.context("cannot reach the server of a floor")?;
        control.set_nodelay(true)?;
        let (answers, orders) = control.into_split();
        Ok(Self { pid, address, orders, answers: BufReader::new(answers).lines(), _child: child })
    }

    /// So many connections, with a bounded number of handshakes at the same time.
    pub(super) async fn open(&self, count: u32) -> anyhow::Result<Vec<WebSocketStream<TcpStream>>> {
        let opening = stream::iter(0..count).map(|_| connect(&self.address, None)).buffer_unordered(AT_ONCE);
        opening.try_collect().await.context("cannot connect to the server of a floor")
    }

    /// Waits until the server has so many: its side of a handshake ends a moment after the client's.
    pub(super) async fn has(&mut self, count: u32) -> anyhow::Result<()> {
        let mut found = 0;
        for _ in 0..ASKS_MAX {
            found = self.ask("count").await?.parse().context("the server of a floor cannot count")?;
            if found == count {
                return Ok(());
            }
            sleep(ASK_AGAIN).await;
        }
        bail!("the server of a floor has {found} connections instead of {count}")
    }

    /// Writes so many frames to each connection, all frames of one with one call.
    pub(super) async fn write_frames(&mut self, frames: u32) -> anyhow::Result<()> {
        let answer = self.ask(&format!("write {frames}")).await?;
        ensure!(answer == "written", "the server of a floor answered {answer}");
        Ok(())
    }

    async fn ask(&mut self, order: &str) -> anyhow::Result<String> {
        self.orders.write_all(format!("{order}\n").as_bytes()).await.context("the server of a floor has ended")?;
        let answer = timeout(ANSWER_MAX, self.answers.next_line()).await;
        answer.context("the server of a floor does not answer")??.context("the server of a floor has ended")
    }
}
