//! A WebSocket as a client has it.

use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use futures_util::{SinkExt as _, StreamExt as _, TryStreamExt as _, stream};
use prost::Message as _;
use proto::client::{
    ClientFrame, Digest, Hello, Ping, ServerFrame, client_frame::Frame as Out, server_frame::Frame as In,
};
use tokio::{
    net::TcpStream,
    time::{Interval, MissedTickBehavior, interval, timeout},
};
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{
        Error as WsError, Message, client::IntoClientRequest as _, http::HeaderValue, protocol::WebSocketConfig,
    },
};

use super::account::Guest;
use crate::{error::usage, target::Endpoint};

const PROTOCOL: &str = "gochat.v1.proto";
const PROTOCOL_HEADER: &str = "sec-websocket-protocol";
/// Of this side; thousands of clients share a process.
const READ_BUFFER_BYTES: usize = 2_048;
/// How long connecting may take, and then the welcome.
const ANSWER_MAX: Duration = Duration::from_secs(30);
/// Between pings, whatever the server asks for.
const HEARTBEAT_MIN: Duration = Duration::from_secs(1);
const HEARTBEAT_MAX: Duration = Duration::from_secs(30);

/// Connects and upgrades, without waiting for company on any write.
pub(crate) async fn connect(
    address: &str,
    protocol: Option<&'static str>,
) -> Result<WebSocketStream<TcpStream>, WsError> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let mut request = format!("ws://{address}/ws").into_client_request()?;
    if let Some(protocol) = protocol {
        request.headers_mut().insert(PROTOCOL_HEADER, HeaderValue::from_static(protocol));
    }
    let config = WebSocketConfig::default().read_buffer_size(READ_BUFFER_BYTES);
    let (stream, _) = Box::pin(client_async_with_config(request, stream, Some(config))).await?;
    Ok(stream)
}

/// A connection that has been welcomed. It is kept alive while somebody waits for its frames.
pub(crate) struct Socket {
    stream: WebSocketStream<TcpStream>,
    heartbeat: Interval,
    /// Of frames, without what carries them.
    pub(super) received_bytes: u64,
}

/// What the welcome said.
#[derive(Clone, Copy, Debug)]
pub(super) struct Welcomed {
    /// From the hello to the welcome.
    pub(super) took: Duration,
    /// The device has all there is.
    pub(super) resumed: bool,
}

impl Socket {
    /// With a hello of a device without state, up to the welcome.
    pub(super) async fn open(endpoint: &Endpoint, guest: &Guest) -> anyhow::Result<Self> {
        Self::hello(endpoint, guest, None).await.map(|(socket, _)| socket)
    }

    /// The same for each of them, in their order, with so many handshakes at the same time.
    pub(super) async fn open_all(endpoint: &Endpoint, guests: &[Guest], at_once: usize) -> anyhow::Result<Vec<Self>> {
        stream::iter(guests).map(|guest| Self::open(endpoint, guest)).buffered(at_once).try_collect().await
    }

    /// With a hello, up to the welcome.
    pub(super) async fn hello(
        endpoint: &Endpoint,
        guest: &Guest,
        digest: Option<Digest>,
    ) -> anyhow::Result<(Self, Welcomed)> {
        let connected = timeout(ANSWER_MAX, connect(endpoint.address(), Some(PROTOCOL))).await;
        let stream = match connected.with_context(|| format!("no WebSocket to {endpoint} in time"))? {
            Ok(stream) => stream,
            Err(WsError::Protocol(error)) => {
                return Err(usage(format!("{endpoint} does not speak {PROTOCOL} ({error}): is it another version?")));
            }
            Err(WsError::Http(answer)) => bail!("{endpoint} refused a WebSocket with {}", answer.status()),
            Err(error) => return Err(error).with_context(|| format!("no WebSocket to {endpoint}")),
        };
        let mut socket = Self { stream, heartbeat: heartbeat(HEARTBEAT_MAX), received_bytes: 0 };
        let asked = Instant::now();
        socket.send(Out::Hello(Hello { access_token: guest.token.clone(), digest, ..Hello::default() })).await?;
        let welcome = match timeout(ANSWER_MAX, socket.next()).await.context("no welcome came in time")?? {
            In::Welcome(welcome) => welcome,
            other => bail!("instead of a welcome came {other:?}"),
        };
        let took = asked.elapsed();
        let between = Duration::from_millis(welcome.heartbeat_ms / 2).clamp(HEARTBEAT_MIN, HEARTBEAT_MAX);
        socket.heartbeat = heartbeat(between);
        Ok((socket, Welcomed { took, resumed: welcome.resumed }))
    }

    pub(super) async fn send(&mut self, frame: Out) -> Result<(), WsError> {
        self.stream.send(encoded(frame)).await
    }

    /// With one flush, so that they leave together.
    pub(super) async fn send_together(&mut self, frames: Vec<Out>) -> Result<(), WsError> {
        for frame in frames {
            self.stream.feed(encoded(frame)).await?;
        }
        self.stream.flush().await
    }

    /// The next frame. Safe to drop while waiting.
    pub(super) async fn next(&mut self) -> anyhow::Result<In> {
        loop {
            tokio::select! {
                message = self.stream.next() => match message {
                    Some(Ok(Message::Binary(bytes))) => {
                        self.received_bytes += bytes.len() as u64;
                        // A kind that this version does not know is skipped.
                        if let Some(frame) = ServerFrame::decode(bytes).context("undecodable frame")?.frame {
                            return Ok(frame);
                        }
                    }
                    Some(Ok(Message::Close(reason))) => bail!("closed by the server: {reason:?}"),
                    Some(Ok(_)) => {}
                    Some(Err(error)) => return Err(error.into()),
                    None => bail!("the connection ended"),
                },
                // Who only reads would not be heard.
                _ = self.heartbeat.tick() => self.send(Out::Ping(Ping::default())).await?,
            }
        }
    }

    /// Takes and forgets what comes until the connection breaks; answers why.
    pub(super) async fn broken(&mut self) -> anyhow::Error {
        loop {
            if let Err(error) = self.next().await {
                return error;
            }
        }
    }
}

/// Ticks from one such time from now on.
fn heartbeat(between: Duration) -> Interval {
    let mut ticks = interval(between);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks.reset();
    ticks
}

fn encoded(frame: Out) -> Message {
    Message::binary(ClientFrame { frame: Some(frame) }.encode_to_vec())
}
