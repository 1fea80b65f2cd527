//! A WebSocket as a patient client has it.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use prost::Message as _;
use proto::client::{ClientFrame, Hello, ServerFrame, client_frame::Frame as Out, server_frame::Frame as In};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Message, client::IntoClientRequest as _, http::HeaderValue},
};

use super::user::Session;

/// How long connecting and saying hello may take; servers stand still here.
const OPEN_MAX: Duration = Duration::from_secs(3);

/// The connection is over.
pub(super) struct Gone;

/// A connection that has been welcomed.
pub(super) struct Socket {
    stream: WebSocketStream<TcpStream>,
}

impl Socket {
    /// None if the server is away just now, or does not want anybody.
    pub(super) async fn open(address: &str, session: &Session) -> Option<Self> {
        timeout(OPEN_MAX, Box::pin(Self::welcomed(address, session))).await.ok()?
    }

    async fn welcomed(address: &str, session: &Session) -> Option<Self> {
        let stream = TcpStream::connect(address).await.ok()?;
        stream.set_nodelay(true).ok()?;
        let mut request = format!("ws://{address}/ws").into_client_request().ok()?;
        request.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static("gochat.v1.proto"));
        let (stream, _) = client_async(request, stream).await.ok()?;
        let mut socket = Self { stream };
        let hello = Hello { access_token: session.token.clone(), ..Hello::default() };
        socket.send(Out::Hello(hello)).await.ok()?;
        matches!(socket.next().await, Ok(In::Welcome(_))).then_some(socket)
    }

    pub(super) async fn send(&mut self, frame: Out) -> Result<(), Gone> {
        let frame = ClientFrame { frame: Some(frame) };
        self.stream.send(Message::binary(frame.encode_to_vec())).await.map_err(|_| Gone)
    }

    /// The next frame. Safe to drop while waiting.
    pub(super) async fn next(&mut self) -> Result<In, Gone> {
        loop {
            match self.stream.next().await {
                Some(Ok(Message::Binary(bytes))) => {
                    // A kind that this version does not know is skipped.
                    if let Some(frame) = ServerFrame::decode(bytes).map_err(|_| Gone)?.frame {
                        return Ok(frame);
                    }
                }
                Some(Ok(Message::Close(_)) | Err(_)) | None => return Err(Gone),
                Some(Ok(_)) => {}
            }
        }
    }
}
