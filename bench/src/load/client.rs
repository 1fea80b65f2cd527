//! A WebSocket as a client has it.

use anyhow::{Context as _, bail};
use futures_util::{SinkExt as _, StreamExt as _};
use prost::Message as _;
use proto::client::{ClientFrame, Hello, ServerFrame, client_frame::Frame as Out, server_frame::Frame as In};
use tokio::net::TcpStream;
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

/// A connection that has been welcomed.
pub(super) struct Socket {
    stream: WebSocketStream<TcpStream>,
    pub(super) heartbeat_ms: u64,
}

impl Socket {
    /// With a hello, up to the welcome.
    pub(super) async fn open(endpoint: &Endpoint, guest: &Guest) -> anyhow::Result<Self> {
        let stream = match connect(endpoint.address(), Some(PROTOCOL)).await {
            Ok(stream) => stream,
            Err(WsError::Protocol(error)) => {
                return Err(usage(format!("{endpoint} does not speak {PROTOCOL} ({error}): is it another version?")));
            }
            Err(WsError::Http(answer)) => bail!("{endpoint} refused a WebSocket with {}", answer.status()),
            Err(error) => return Err(error).with_context(|| format!("no WebSocket to {endpoint}")),
        };
        let mut socket = Self { stream, heartbeat_ms: 0 };
        socket.send(Out::Hello(Hello { access_token: guest.token.clone(), ..Hello::default() })).await?;
        match socket.next().await? {
            In::Welcome(welcome) => socket.heartbeat_ms = welcome.heartbeat_ms,
            other => bail!("instead of a welcome came {other:?}"),
        }
        Ok(socket)
    }

    pub(super) async fn send(&mut self, frame: Out) -> Result<(), WsError> {
        let frame = ClientFrame { frame: Some(frame) };
        self.stream.send(Message::binary(frame.encode_to_vec())).await
    }

    /// The next frame. Safe to drop while waiting.
    pub(super) async fn next(&mut self) -> anyhow::Result<In> {
        loop {
            match self.stream.next().await {
                Some(Ok(Message::Binary(bytes))) => {
                    // A kind that this version does not know is skipped.
                    if let Some(frame) = ServerFrame::decode(bytes).context("undecodable frame")?.frame {
                        return Ok(frame);
                    }
                }
                Some(Ok(Message::Close(reason))) => bail!("closed by the server: {reason:?}"),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(error.into()),
                None => bail!("the connection ended"),
            }
        }
    }
}
