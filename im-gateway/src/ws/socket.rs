//! A WebSocket as the gateway has it: what is read and written needs buffers only while it is on its way, so a connection that
//! says nothing has none. The ends of the protocol (masks, parts, control frames) are [`Incoming`]'s.

use std::{
    future::poll_fn,
    io,
    mem::MaybeUninit,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tungstenite::protocol::frame::coding::{CloseCode, Control, Data, OpCode};

use super::incoming::{Incoming, Message, Unreadable};
use crate::connections::Wire;

/// Bytes that are read at once, on the stack.
const READ_BYTES: usize = 4_096;
/// Bytes of frames after which they are written without waiting for more.
const WRITE_BYTES: usize = 16_384;
/// A frame that is a whole message.
const FINAL: u8 = 0x80;

/// The server's end of a WebSocket.
pub(super) struct Socket<S = TokioIo<Upgraded>> {
    stream: S,
    incoming: Incoming,
    /// Frames that were not written yet. Not allocated while there are none.
    unsent: BytesMut,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Socket<S> {
    /// Of an upgraded connection. Messages of the client have at most so many bytes.
    pub(super) fn new(stream: S, bytes_max: usize) -> Self {
        Self { stream, incoming: Incoming::new(bytes_max), unsent: BytesMut::new() }
    }

    /// The next message; none if the client is gone. Pings and closes have been answered. Safe to drop while waiting.
    pub(super) async fn recv(&mut self) -> Option<Result<Message, Unreadable>> {
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Message, Unreadable>>> {
        // An answer that was not taken at once.
        self.try_flush(cx);
        loop {
            match self.incoming.next_message() {
                Ok(None) => {}
                Ok(Some(message)) => {
                    self.answer(&message);
                    self.try_flush(cx);
                    return Poll::Ready(Some(Ok(message)));
                }
                Err(unreadable) => return Poll::Ready(Some(Err(unreadable))),
            }
            let mut buffer = [const { MaybeUninit::<u8>::uninit() }; READ_BYTES];
            let mut buffer = ReadBuf::uninit(&mut buffer);
            match ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer)) {
                Ok(()) if !buffer.filled().is_empty() => self.incoming.add(buffer.filled()),
                // Ended, or broken: nobody is there who could be told.
                _ => return Poll::Ready(None),
            }
        }
    }

    /// A ping's pong, a close's close. While frames wait still, a ping goes unanswered: a client that takes nothing must not
    /// fill the memory with pongs.
    fn answer(&mut self, message: &Message) {
        match message {
            Message::Ping(payload) if self.unsent.is_empty() => self.put(OpCode::Control(Control::Pong), payload),
            Message::Close(payload) => self.put(OpCode::Control(Control::Close), &echo(payload)),
            _ => {}
        }
    }

    /// Adds a frame to those that go with the next flush; writes them if they are many.
    ///
    /// # Errors
    /// If the connection broke.
    pub(super) async fn feed(&mut self, wire: &Wire) -> io::Result<()> {
        match wire {
            Wire::Text(text) => self.put(OpCode::Data(Data::Text), text.as_str().as_bytes()),
            Wire::Binary(bytes) => self.put(OpCode::Data(Data::Binary), bytes),
        }
        if self.unsent.len() < WRITE_BYTES {
            return Ok(());
        }
        poll_fn(|cx| self.poll_write(cx)).await
    }

    /// Writes what there is.
    ///
    /// # Errors
    /// If the connection broke.
    pub(super) async fn flush(&mut self) -> io::Result<()> {
        poll_fn(|cx| self.poll_flush(cx)).await
    }

    /// [`Self::feed`] and [`Self::flush`].
    ///
    /// # Errors
    /// If the connection broke.
    pub(super) async fn send(&mut self, wire: &Wire) -> io::Result<()> {
        self.feed(wire).await?;
        self.flush().await
    }

    /// Says why it ends. Nothing may be sent after it.
    ///
    /// # Errors
    /// If the connection broke.
    pub(super) async fn close(&mut self, code: u16, reason: &str) -> io::Result<()> {
        let mut payload = BytesMut::with_capacity(2 + reason.len());
        payload.put_u16(code);
        payload.put_slice(reason.as_bytes());
        self.put(OpCode::Control(Control::Close), &payload);
        self.flush().await
    }

    /// RFC 6455, section 5.2: a server's frames have no mask.
    fn put(&mut self, opcode: OpCode, payload: &[u8]) {
        self.unsent.reserve(10 + payload.len());
        self.unsent.put_u8(FINAL | u8::from(opcode));
        match payload.len() {
            length @ 0..126 => self.unsent.put_u8(length as u8),
            length @ 126..65_536 => {
                self.unsent.put_u8(126);
                self.unsent.put_u16(length as u16);
            }
            length => {
                self.unsent.put_u8(127);
                self.unsent.put_u64(length as u64);
            }
        }
        self.unsent.put_slice(payload);
    }

    /// As far as the client takes it now; that the connection broke is seen when it is read.
    fn try_flush(&mut self, cx: &mut Context<'_>) {
        if !self.unsent.is_empty() {
            let _ = self.poll_flush(cx);
        }
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_write(cx))?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.unsent.is_empty() {
            match ready!(Pin::new(&mut self.stream).poll_write(cx, &self.unsent)) {
                Ok(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Ok(written) => self.unsent.advance(written),
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        self.unsent = BytesMut::new();
        Poll::Ready(Ok(()))
    }
}

/// What answers the payload of a close: its code, or that it broke the protocol. Section 5.5.1.
fn echo(payload: &Bytes) -> Bytes {
    match payload[..] {
        [] => Bytes::new(),
        [high, low, ..] if CloseCode::from(u16::from_be_bytes([high, low])).is_allowed() => payload.slice(..2),
        _ => Bytes::copy_from_slice(&u16::from(CloseCode::Protocol).to_be_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{SinkExt as _, StreamExt as _};
    use tokio::io::{AsyncWriteExt as _, DuplexStream, duplex};
    use tokio_tungstenite::{
        WebSocketStream,
        tungstenite::{
            Message as Sent,
            protocol::{CloseFrame, Role},
        },
    };

    use super::*;

    /// With a client that others keep well.
    async fn pair(pipe_bytes: usize) -> (Socket<DuplexStream>, WebSocketStream<DuplexStream>) {
        let (near, far) = duplex(pipe_bytes);
        (Socket::new(near, 100_000), WebSocketStream::from_raw_socket(far, Role::Client, None).await)
    }

    #[tokio::test]
    async fn messages_of_any_length_go_both_ways_and_leave_no_buffer() {
        let (mut server, mut client) = pair(1_000).await;
        for length in [0, 1, 125, 126, 65_535, 65_536, 90_000] {
            let sent = Sent::binary(vec![b'x'; length]);
            let there_and_back = async {
                client.send(sent.clone()).await.unwrap();
                client.next().await.unwrap().unwrap()
            };
            let echo = async {
                let Some(Ok(Message::Binary(bytes))) = server.recv().await else { panic!("no message of {length}") };
                server.send(&Wire::Binary(bytes)).await.unwrap();
            };
            let (back, ()) = tokio::join!(there_and_back, echo);
            assert!(back == sent, "{length}");
            assert_eq!(server.unsent.capacity(), 0, "{length}");
        }
    }

    #[tokio::test]
    async fn frames_that_were_fed_leave_together_and_in_order() {
        let (mut server, mut client) = pair(100).await;
        let taken = async {
            let mut taken = Vec::new();
            for _ in 0..3_000 {
                taken.push(client.next().await.unwrap().unwrap().into_text().unwrap().as_str().to_owned());
            }
            taken
        };
        let fed = async {
            for number in 0..3_000 {
                server.feed(&Wire::Text(format!("{number} and more").into())).await.unwrap();
            }
            server.flush().await.unwrap();
        };
        let (taken, ()) = tokio::join!(taken, fed);
        assert!(taken.iter().enumerate().all(|(number, text)| *text == format!("{number} and more")));
    }

    #[tokio::test]
    async fn pings_and_closes_are_answered() {
        let (mut server, mut client) = pair(1_000).await;
        client.send(Sent::Ping("?".into())).await.unwrap();
        assert_eq!(server.recv().await, Some(Ok(Message::Ping("?".into()))));
        assert_eq!(client.next().await.unwrap().unwrap(), Sent::Pong("?".into()));
        client.send(Sent::Close(None)).await.unwrap();
        assert_eq!(server.recv().await, Some(Ok(Message::Close(Bytes::new()))));
        assert_eq!(client.next().await.unwrap().unwrap(), Sent::Close(None));
        drop(client);
        assert_eq!(server.recv().await, None);
    }

    #[tokio::test]
    async fn a_client_learns_why_it_is_closed() {
        let (mut server, mut client) = pair(1_000).await;
        server.close(4_000, "why").await.unwrap();
        let why = CloseFrame { code: 4_000_u16.into(), reason: "why".into() };
        assert_eq!(client.next().await.unwrap().unwrap(), Sent::Close(Some(why)));
    }

    #[tokio::test]
    async fn p8_pongs_that_nobody_takes_fill_no_memory() {
        let (near, mut far) = duplex(64);
        let mut server = Socket::new(near, 1_024);
        // With a mask that changes nothing.
        let ping = [&[0x89, 0x80 | 125, 0, 0, 0, 0][..], &[b'?'; 125]].concat();
        for _ in 0..100 {
            let (written, got) = tokio::join!(far.write_all(&ping), server.recv());
            written.unwrap();
            assert!(matches!(got, Some(Ok(Message::Ping(payload))) if payload.len() == 125));
            assert!(server.unsent.len() <= 127, "one pong: {}", server.unsent.len());
        }
    }

    #[test]
    fn a_close_is_answered_with_its_code_if_it_may_have_one() {
        for (payload, expected) in [
            (&b""[..], &b""[..]),
            (&[3, 232, b'b', b'y', b'e'], &[3, 232]),
            (&[15, 160], &[15, 160]),
            (&[3], &[3, 234]),
            (&[3, 237], &[3, 234]),
        ] {
            assert_eq!(echo(&Bytes::copy_from_slice(payload)), expected, "{payload:?}");
        }
    }
}
