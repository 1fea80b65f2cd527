//! A TCP stream to which two write: the task of its connection, and whoever pushes frames, past the task, which then does not
//! have to run for them. Whose turn it is, [`super::Outgoing`] knows: what one has begun the other does not break into.

use std::{
    collections::VecDeque,
    io::{self, IoSlice},
    pin::Pin,
    sync::{Arc, Weak},
    task::{Context, Poll, ready},
};

use rustix::net::{RecvFlags, SendFlags, recv, send};
use tokio::{
    io::{AsyncRead, AsyncWrite, Interest, ReadBuf},
    net::TcpStream,
};

use super::Wire;

/// The stream. It ends with its [`LineStream`]: whoever pushes holds it weakly. In one piece: halves find it through one more
/// pointer, whose place no cache holds when a message goes to thousands.
pub(crate) struct Line {
    stream: TcpStream,
}

impl Line {
    /// Writes frames past the task, and removes what the socket took. False: it did not take all of it, and the task has to go on
    /// with what is left, of which the first may be a part of a frame.
    pub(super) fn push(&self, frames: &mut VecDeque<Wire>) -> bool {
        while !frames.is_empty() {
            match self.write(frames) {
                Ok(taken) if taken > 0 => Wire::advance(frames, taken),
                // An error other than that there is no room comes to the task again.
                _ => return false,
            }
        }
        true
    }

    /// Asks the kernel at once: what the runtime knows of the socket's room lies where no cache holds it any more. It learns that
    /// there is none from the task, which tries again.
    fn write(&self, frames: &VecDeque<Wire>) -> rustix::io::Result<usize> {
        if let (1, Some(frame)) = (frames.len(), frames.front()) {
            return send(&self.stream, frame.bytes(), SendFlags::NOSIGNAL);
        }
        let mut slices = [IoSlice::new(&[]); Wire::AT_ONCE];
        rustix::io::writev(&self.stream, Wire::gather(frames, &mut slices))
    }

    /// Tries until the socket has no room. Only the task waits for room, so its waker alone is registered.
    fn poll_with(
        &self,
        cx: &mut Context<'_>,
        attempt: impl Fn(&TcpStream) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.stream.poll_write_ready(cx))?;
            match attempt(&self.stream) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                done => return Poll::Ready(done),
            }
        }
    }
}

/// The task's side: reads, and writes when it is the task's turn.
pub(crate) struct LineStream {
    line: Arc<Line>,
}

impl LineStream {
    pub(crate) fn new(stream: TcpStream) -> Self {
        Self { line: Arc::new(Line { stream }) }
    }

    /// For whoever pushes frames once this is a WebSocket.
    pub(crate) fn line(&self) -> Weak<Line> {
        Arc::downgrade(&self.line)
    }
}

impl AsyncRead for LineStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let stream = &self.line.stream;
        let room = into.remaining();
        loop {
            ready!(stream.poll_read_ready(cx))?;
            let mut taken = 0;
            let read = || {
                taken = recv(stream, into.initialize_unfilled(), RecvFlags::empty())?.0;
                // Less than there was room for: there is no more, and the runtime needs not ask again to learn it.
                if (1..room).contains(&taken) { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(()) }
            };
            match stream.try_io(Interest::READABLE, read) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && taken == 0 => {}
                Err(error) if taken == 0 => return Poll::Ready(Err(error)),
                _ => {
                    into.advance(taken);
                    return Poll::Ready(Ok(()));
                }
            }
        }
    }
}

impl AsyncWrite for LineStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.line.poll_with(cx, |stream| stream.try_write(bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.line.poll_with(cx, |stream| stream.try_write_vectored(slices))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// Nothing waits here.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// The stream is closed when this is dropped, which is next.
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::{
        super::loopback::{connected, read, wire},
        *,
    };

    #[tokio::test]
    async fn frames_go_past_the_task_in_their_order_however_many_there_are() {
        let (mut near, mut far) = connected().await;
        near.write_all(b"task").await.unwrap();
        let mut frames: VecDeque<Wire> = (0..Wire::AT_ONCE * 3).map(|number| wire(&number.to_string())).collect();
        let mut wanted = b"task".to_vec();
        frames.iter().for_each(|frame| wanted.extend_from_slice(frame.bytes()));
        assert!(near.line.push(&mut frames) && frames.is_empty());
        assert_eq!(read(&mut far, wanted.len()).await, wanted);
    }

    #[tokio::test]
    async fn what_the_socket_does_not_take_is_left_for_the_task_to_the_byte() {
        let (mut near, mut far) = connected().await;
        let mut frames: VecDeque<Wire> = (0..64).map(|number| wire(&number.to_string().repeat(1 << 19))).collect();
        let wanted = frames.iter().map(|frame| &frame.bytes()[..]).collect::<Vec<_>>().concat();
        assert!(!near.line.push(&mut frames), "more than any socket takes");
        assert!(!near.line.push(&mut frames), "there is still no room");
        let written = async {
            for frame in &frames {
                near.write_all(frame.bytes()).await.unwrap();
            }
        };
        let ((), read) = tokio::join!(written, read(&mut far, wanted.len()));
        assert!(read == wanted);
        assert!(near.line.push(&mut VecDeque::from([wire("z")])));
    }

    #[tokio::test]
    async fn the_line_ends_with_its_stream() {
        let (near, mut far) = connected().await;
        let line = near.line();
        drop(near);
        assert!(line.upgrade().is_none());
        assert_eq!(far.read(&mut [0]).await.unwrap(), 0, "the end of the stream");
    }
}
