//! Bytes that are ready to be written.

use std::io;

use anyhow::Context as _;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::protocol::frame::{
    Frame,
    coding::{Data, OpCode},
};

/// A frame of a server as it is on the wire, with so many bytes of payload.
pub(super) fn ready_frame(payload_bytes: u32) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let payload = vec![b'x'; payload_bytes as usize];
    Frame::message(payload, OpCode::Data(Data::Binary), true).format(&mut bytes).context("no frame")?;
    Ok(bytes)
}

/// With one call where the socket has room, which is all that a write costs at least.
pub(super) async fn write_whole(stream: &TcpStream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match stream.try_write(bytes) {
            Ok(written) => bytes = &bytes[written..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => stream.writable().await?,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt as _;
    use tokio::net::TcpListener;
    use tokio_tungstenite::{WebSocketStream, tungstenite::protocol::Role};

    use super::*;

    #[tokio::test]
    async fn a_client_reads_what_was_made_ready() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (server, _) = listener.accept().await.unwrap();
        let mut client = WebSocketStream::from_raw_socket(client, Role::Client, None).await;
        for payload_bytes in [16, 200, 70_000] {
            let burst = ready_frame(payload_bytes).unwrap().repeat(3);
            let reading = async {
                for _ in 0..3 {
                    let message = client.next().await.unwrap().unwrap();
                    assert!(message.is_binary() && message.len() == payload_bytes as usize, "{payload_bytes}");
                }
            };
            let (written, ()) = tokio::join!(write_whole(&server, &burst), reading);
            written.unwrap();
        }
    }
}
