//! A WebSocket as a patient client has it.

use std::{io, net::SocketAddr, time::Duration};

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use prost::Message as _;
use proto::{
    ErrorCode,
    client::{ClientFrame, Hello, ServerFrame, client_frame::Frame as Out, server_frame::Frame as In},
};
use socket2::SockRef;
use tokio::{
    net::{TcpSocket, TcpStream},
    time::timeout,
};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Message, client::IntoClientRequest as _, http::HeaderValue},
};

use super::user::Session;

/// How long connecting and saying hello may take; servers stand still here.
const OPEN_MAX: Duration = Duration::from_secs(3);

/// What every host takes (RFC 9293, section 3.7.1). Linux makes room at the server for twenty segments with what belongs to them:
/// 46 KB of these, and 2.6 MB of the loopback's own.
const NARROW_SEGMENT_BYTES: u32 = 536;
/// For what the client has not read yet. Linux doubles it, and uses a part itself.
const NARROW_BUFFER_BYTES: u32 = 16_384;

/// The connection is over.
#[derive(Debug, Default)]
pub(super) struct Gone {
    /// With what code the gateway closed it, if it did.
    code: Option<u16>,
}

impl Gone {
    /// Whether the gateway did not wait for this client any longer.
    pub(super) fn is_too_slow(&self) -> bool {
        self.code == ErrorCode::TooSlow.close()
    }
}

/// A connection that has been welcomed.
pub(super) struct Socket {
    stream: WebSocketStream<TcpStream>,
}

impl Socket {
    /// None if the server is away just now, or does not want anybody. Where the way is narrow, about 70 KB fit on it.
    pub(super) async fn open(address: &str, session: &Session, narrow: bool) -> Option<Self> {
        timeout(OPEN_MAX, Box::pin(Self::welcomed(address, session, narrow))).await.ok()?
    }

    async fn welcomed(address: &str, session: &Session, narrow: bool) -> Option<Self> {
        let stream = connect(address.parse().ok()?, narrow).await.ok()?;
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
        self.stream.send(Message::binary(frame.encode_to_vec())).await.map_err(|_| Gone::default())
    }

    /// Says that this client is still there.
    pub(super) async fn ping(&mut self) -> Result<(), Gone> {
        self.stream.send(Message::Ping(Bytes::new())).await.map_err(|_| Gone::default())
    }

    /// The next frame. Safe to drop while waiting.
    pub(super) async fn next(&mut self) -> Result<In, Gone> {
        loop {
            match self.stream.next().await {
                Some(Ok(Message::Binary(bytes))) => {
                    // A kind that this version does not know is skipped.
                    if let Some(frame) = ServerFrame::decode(bytes).map_err(|_| Gone::default())?.frame {
                        return Ok(frame);
                    }
                }
                Some(Ok(Message::Close(said))) => return Err(Gone { code: said.map(|said| said.code.into()) }),
                Some(Err(_)) | None => return Err(Gone::default()),
                Some(Ok(_)) => {}
            }
        }
    }
}

async fn connect(address: SocketAddr, narrow: bool) -> io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    if narrow {
        SockRef::from(&socket).set_tcp_mss(NARROW_SEGMENT_BYTES)?;
        socket.set_recv_buffer_size(NARROW_BUFFER_BYTES)?;
    }
    let stream = socket.connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn little_fits_on_a_narrow_way() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let deaf = connect(listener.local_addr().unwrap(), true).await.unwrap();
        let (near, _) = listener.accept().await.unwrap();
        near.writable().await.unwrap();
        let mut taken = 0;
        while let Ok(bytes) = near.try_write(&[b'x'; 8_192]) {
            taken += bytes;
            assert!(taken < 256 << 10, "of a wide one megabytes");
        }
        assert!(taken > 16 << 10, "{taken}");
        drop(deaf);
    }

    #[test]
    fn who_was_too_slow_is_told_from_who_is_gone() {
        assert!(Gone { code: Some(4410) }.is_too_slow());
        assert!(!Gone { code: Some(4411) }.is_too_slow() && !Gone::default().is_too_slow());
    }
}
