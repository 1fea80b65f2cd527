//! The server's side: bare WebSockets on tokio, with small buffers.

use std::{io, net::Ipv4Addr};

use anyhow::{Context as _, bail};
use clap::ValueEnum;
use futures_util::StreamExt as _;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpSocket, TcpStream},
    task::JoinSet,
};
use tokio_tungstenite::{
    WebSocketStream, accept_async_with_config,
    tungstenite::{Error as WsError, protocol::WebSocketConfig},
};
use tokio_util::sync::CancellationToken;

use super::frame::{ready_frame, write_whole};
use crate::output::say;

/// Of each connection.
const READ_BUFFER_BYTES: usize = 1_024;
const WRITE_BUFFER_BYTES: usize = 4_096;

/// Connections that wait until they are taken, as many as the gateway's listener has room for.
const BACKLOG: u32 = 4_096;

/// What it does with connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Role {
    /// Reads each until it ends.
    Keep,
    /// Writes to all when it is told to.
    Write,
}

impl Role {
    /// As on the command line.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Keep => "keep",
            Self::Write => "write",
        }
    }
}

/// Says where it listens. The first to connect is who started it and gives the orders, a line each: `count` is answered with
/// the number of connections, `write N` with `written` when each of them has N frames. When that one leaves, this ends.
pub(crate) async fn serve(role: Role, payload_bytes: u32, stop: &CancellationToken) -> anyhow::Result<()> {
    let listener = listen().context("cannot listen on loopback")?;
    say(listener.local_addr()?);
    let (control, _) = listener.accept().await?;
    control.set_nodelay(true)?;
    let (orders, mut answers) = control.into_split();
    let mut orders = BufReader::new(orders).lines();
    let mut connections =
        Connections { role, frame: ready_frame(payload_bytes)?, tasks: JoinSet::new(), sockets: Vec::new() };
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            accepted = listener.accept() => {
                connections.tasks.spawn(take(accepted?.0, role));
            }
            Some(taken) = connections.tasks.join_next() => connections.sockets.extend(taken.ok().flatten()),
            order = orders.next_line() => match order? {
                Some(order) => answers.write_all(connections.answer(&order).await?.as_bytes()).await?,
                None => return Ok(()),
            },
        }
    }
}

fn listen() -> io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((Ipv4Addr::LOCALHOST, 0).into())?;
    socket.listen(BACKLOG)
}

struct Connections {
    role: Role,
    frame: Vec<u8>,
    /// Those that are kept, or whose handshake goes on.
    tasks: JoinSet<Option<TcpStream>>,
    /// Those that are written to.
    sockets: Vec<TcpStream>,
}

impl Connections {
    async fn answer(&self, order: &str) -> anyhow::Result<String> {
        match order.split_once(' ') {
            None if order == "count" => {
                let count = if self.role == Role::Keep { self.tasks.len() } else { self.sockets.len() };
                Ok(format!("{count}\n"))
            }
            Some(("write", frames)) => {
                let burst = self.frame.repeat(frames.parse().context("write how many?")?);
                for socket in &self.sockets {
                    write_whole(socket, &burst).await.context("a connection was lost")?;
                }
                Ok("written\n".to_owned())
            }
            _ => bail!("unknown order: {order}"),
        }
    }
}

/// Shakes hands, and answers with the socket if it is to be written to. What breaks is counted by who asked for it.
async fn take(stream: TcpStream, role: Role) -> Option<TcpStream> {
    let mut socket = shake_hands(stream).await.ok()?;
    match role {
        Role::Write => Some(socket.into_inner()),
        Role::Keep => {
            while let Some(Ok(_)) = socket.next().await {}
            None
        }
    }
}

async fn shake_hands(stream: TcpStream) -> Result<WebSocketStream<TcpStream>, WsError> {
    stream.set_nodelay(true)?;
    let config = WebSocketConfig::default().read_buffer_size(READ_BUFFER_BYTES).write_buffer_size(WRITE_BUFFER_BYTES);
    // Boxed: what it needs must not stay for the connection's life.
    Box::pin(accept_async_with_config(stream, Some(config))).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_is_named_as_the_command_line_reads_it() {
        for role in [Role::Keep, Role::Write] {
            assert_eq!(Role::from_str(role.name(), false), Ok(role));
        }
    }

    #[tokio::test]
    async fn an_order_that_is_none_is_refused() {
        let connections = Connections { role: Role::Write, frame: vec![1], tasks: JoinSet::new(), sockets: Vec::new() };
        assert_eq!(connections.answer("count").await.unwrap(), "0\n");
        assert_eq!(connections.answer("write 16").await.unwrap(), "written\n");
        for order in ["", "write", "write many", "stop"] {
            assert!(connections.answer(order).await.is_err(), "{order}");
        }
    }
}
