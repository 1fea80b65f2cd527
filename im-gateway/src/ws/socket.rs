//! A WebSocket as its task has it: what is read and written needs buffers only while it is on its way, so a connection that says
//! nothing has none. The ends of the protocol (masks, parts, control frames) are [`Incoming`]'s and [`Wire`]'s.

use std::{
    collections::VecDeque,
    future::poll_fn,
    io::{self, IoSlice},
    mem::MaybeUninit,
    pin::Pin,
    task::{Context, Poll, ready},
};

use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::incoming::{Incoming, Message, Unreadable};
use crate::connections::Wire;

/// Bytes that are read at once, on the stack.
const READ_BYTES: usize = 4_096;

/// The server's end of a WebSocket. It writes when it is the task's turn only, and answers nothing by itself.
pub(super) struct Socket<S = TokioIo<Upgraded>> {
    stream: S,
    incoming: Incoming,
    /// Frames that were not written yet, of the first maybe only a part. Not allocated while there are none.
    unsent: VecDeque<Wire>,
    /// A close is among the frames, or behind them: nothing may come after it.
    closed: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Socket<S> {
    /// Of an upgraded connection. Messages of the client have at most so many bytes.
    pub(super) fn new(stream: S, bytes_max: usize) -> Self {
        Self { stream, incoming: Incoming::new(bytes_max), unsent: VecDeque::new(), closed: false }
    }

    /// The next message; none if the client is gone. Safe to drop while waiting.
    pub(super) async fn recv(&mut self) -> Option<Result<Message, Unreadable>> {
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Message, Unreadable>>> {
        loop {
            if let Some(next) = self.incoming.next_message().transpose() {
                return Poll::Ready(Some(next));
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

    /// Adds a frame to those that leave with the next flush.
    pub(super) fn put(&mut self, frame: Wire) {
        if !self.closed {
            self.unsent.push_back(frame);
        }
    }

    /// Adds a close, behind which nothing comes.
    pub(super) fn put_last(&mut self, close: Wire) {
        self.put(close);
        self.closed = true;
    }

    /// Adds many frames.
    pub(super) fn put_all(&mut self, mut frames: VecDeque<Wire>) {
        if !self.closed {
            self.unsent.append(&mut frames);
        }
    }

    /// After a write that took too long: forgets what was not begun, so that a close follows.
    pub(super) fn give_up(&mut self) {
        self.unsent.truncate(1);
    }

    /// Writes what there is. Safe to drop while waiting: what is left leaves with the next flush.
    ///
    /// # Errors
    /// If the connection broke.
    pub(super) async fn flush(&mut self) -> io::Result<()> {
        poll_fn(|cx| self.poll_flush(cx)).await
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.unsent.is_empty() {
            let mut slices = [IoSlice::new(&[]); Wire::AT_ONCE];
            let slices = Wire::gather(&self.unsent, &mut slices);
            match ready!(Pin::new(&mut self.stream).poll_write_vectored(cx, slices))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => Wire::advance(&mut self.unsent, written),
            }
        }
        self.unsent = VecDeque::new();
        Pin::new(&mut self.stream).poll_flush(cx)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use futures_util::{FutureExt as _, SinkExt as _, StreamExt as _};
    use proto::client::{Pong, server_frame::Frame as Body};
    use tokio::io::{DuplexStream, duplex};
    use tokio_tungstenite::{
        WebSocketStream,
        tungstenite::{
            Message as Sent,
            protocol::{CloseFrame, Role},
        },
    };

    use super::*;
    use crate::connections::{Format, Frame};

    /// With a client that others keep well.
    async fn pair(pipe_bytes: usize) -> (Socket<DuplexStream>, WebSocketStream<DuplexStream>) {
        let (near, far) = duplex(pipe_bytes);
        (Socket::new(near, 100_000), WebSocketStream::from_raw_socket(far, Role::Client, None).await)
    }

    fn wire(data: &str) -> Wire {
        Frame::new(Body::Pong(Pong { data: data.into() })).wire(Format::Json)
    }

    fn text(data: &str) -> Sent {
        // As everywhere in JSON of ours, what is empty is left out.
        Sent::text(if data.is_empty() {
            r#"{"pong":{}}"#.to_owned()
        } else {
            format!(r#"{{"pong":{{"data":"{data}"}}}}"#)
        })
    }

    #[tokio::test]
    async fn messages_of_any_length_go_both_ways_and_leave_no_buffer() {
        let (mut server, mut client) = pair(1_000).await;
        for length in [0, 1, 125, 126, 65_535, 65_536, 90_000] {
            let sent = Sent::text("x".repeat(length));
            let there_and_back = async {
                client.send(sent).await.unwrap();
                client.next().await.unwrap().unwrap()
            };
            let answer = async {
                let Some(Ok(Message::Text(text))) = server.recv().await else { panic!("no message of {length}") };
                server.put(wire(&text));
                server.flush().await.unwrap();
            };
            let (back, ()) = tokio::join!(there_and_back, answer);
            assert!(back == text(&"x".repeat(length)), "{length}");
            assert_eq!(server.unsent.capacity(), 0, "{length}");
        }
    }

    #[tokio::test]
    async fn frames_leave_in_order_even_if_a_flush_is_given_up_amid_them() {
        let (mut server, mut client) = pair(100).await;
        server.put_all((0..3_000).map(|number| wire(&format!("{number} and more"))).collect());
        server.put(wire("the last"));
        // The pipe is full, and what was begun stays begun.
        assert!(server.flush().now_or_never().is_none());
        let taken = async {
            let mut taken = Vec::new();
            for _ in 0..3_001 {
                taken.push(client.next().await.unwrap().unwrap());
            }
            taken
        };
        let (taken, flushed) = tokio::join!(taken, server.flush());
        flushed.unwrap();
        assert!(taken[..3_000].iter().enumerate().all(|(number, sent)| *sent == text(&format!("{number} and more"))));
        assert_eq!(taken[3_000], text("the last"));
    }

    #[tokio::test]
    async fn a_client_learns_why_it_is_closed_behind_what_was_begun_and_nothing_else() {
        let (mut server, mut client) = pair(100).await;
        let begun = "x".repeat(1_000);
        server.put_all([wire(&begun), wire("not begun")].into());
        assert!(server.flush().now_or_never().is_none());
        server.give_up();
        server.put_last(Wire::close(4_000, "why"));
        server.put(wire("too late"));
        server.put_all([wire("too late")].into());
        let taken = async { (client.next().await.unwrap().unwrap(), client.next().await.unwrap().unwrap()) };
        let ((first, second), flushed) = tokio::join!(taken, server.flush());
        flushed.unwrap();
        assert_eq!(first, text(&begun));
        assert_eq!(second, Sent::Close(Some(CloseFrame { code: 4_000_u16.into(), reason: "why".into() })));
        assert!(server.unsent.is_empty());
    }

    #[tokio::test]
    async fn pings_and_closes_are_told_and_what_answers_them_is_understood() {
        let (mut server, mut client) = pair(1_000).await;
        client.send(Sent::Ping("?".into())).await.unwrap();
        assert_eq!(server.recv().await, Some(Ok(Message::Ping("?".into()))));
        server.put(Wire::pong(b"?"));
        server.flush().await.unwrap();
        assert_eq!(client.next().await.unwrap().unwrap(), Sent::Pong("?".into()));
        client.send(Sent::Close(None)).await.unwrap();
        assert_eq!(server.recv().await, Some(Ok(Message::Close(Bytes::new()))));
        server.put_last(Wire::close_answer(b""));
        server.flush().await.unwrap();
        assert_eq!(client.next().await.unwrap().unwrap(), Sent::Close(None));
        drop(client);
        assert_eq!(server.recv().await, None);
    }
}
