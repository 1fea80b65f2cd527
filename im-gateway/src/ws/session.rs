//! The life of a connection: one task that reads, writes and keeps time. What it holds is held for as long as the client says
//! nothing, so whatever is needed for a moment only is in a box of its own.

use std::{
    collections::VecDeque,
    io,
    sync::{Arc, Weak},
    time::Duration,
};

use bytes::Bytes;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use proto::{Error, ErrorCode, client, client::server_frame::Frame as Body};
use tokio::time::Instant;

use super::{
    codec, frames, hello,
    incoming::{Message, Unreadable},
    socket::Socket,
};
use crate::{
    connections::{Connection, Format, Frame, Line, Open, Pulled, Wire},
    listener::Seat,
    shared::Shared,
};

/// How long before its end a client is reminded of its token.
const TOKEN_REMINDER_MS: i64 = 60_000;

/// What is known of a connection before its hello.
pub(super) struct Asked {
    pub(super) format: Format,
    /// The token of the request that became the connection.
    pub(super) bearer: Option<String>,
    /// The way past its task, if there is one.
    pub(super) line: Weak<Line>,
    /// Held until it ends.
    pub(super) counted: (Open, Seat),
}

/// How a connection ends.
enum End {
    /// The client is gone, or speaks no WebSocket.
    Gone,
    /// The client closes it, with this payload.
    Closed(Bytes),
    /// The gateway does.
    Refused(ErrorCode),
}

/// Serves a connection from its upgrade to its end.
pub(super) async fn run(shared: Arc<Shared>, upgrade: OnUpgrade, asked: Asked) {
    let Asked { format, bearer, line, counted } = asked;
    let mut socket = match upgrade.await {
        Ok(upgraded) => Socket::new(TokioIo::new(upgraded), shared.options.ws.frame_bytes_max),
        Err(error) => {
            tracing::debug!(%error, "gone before it was upgraded");
            return;
        }
    };
    let opened = Box::pin(hello::open(&shared, &mut socket, format, bearer, line)).await;
    match opened {
        Ok(connection) => {
            let mut session = Session {
                shared: &shared,
                connection: &connection,
                socket: &mut socket,
                heard: Instant::now(),
                reminded: false,
            };
            let end = session.serve().await;
            Box::pin(leave(&shared, &connection, &mut socket, end)).await;
        }
        Err(error) => Box::pin(turn_away(&shared, &mut socket, format, &error)).await,
    }
    drop(counted);
}

/// Answers a hello that failed.
async fn turn_away(shared: &Shared, socket: &mut Socket, format: Format, error: &Error) {
    shared.metrics.refused(error.code());
    let frame = Body::Error(client::ErrorFrame { error: Some(error.clone().into()), ..client::ErrorFrame::default() });
    socket.put(Frame::new(frame).wire(format));
    close(shared, socket, why(error.code())).await;
}

/// Ends a connection that was served. Nobody else writes to it any more once it is no longer known.
async fn leave(shared: &Shared, connection: &Connection, socket: &mut Socket, end: End) {
    hello::leave(shared, connection).await;
    let last = match end {
        End::Gone => return,
        End::Closed(payload) => Wire::close_answer(&payload),
        End::Refused(code) => {
            shared.metrics.refused(code);
            why(code)
        }
    };
    if let Some(begun) = connection.outgoing.begun() {
        socket.put(begun);
    }
    close(shared, socket, last).await;
}

fn why(code: ErrorCode) -> Wire {
    Wire::close(code.close().unwrap_or(4_000), code.as_str())
}

/// Says why, behind what was begun, as far as the client still listens.
async fn close(shared: &Shared, socket: &mut Socket, last: Wire) {
    socket.put_last(last);
    let _ = tokio::time::timeout(Duration::from_millis(shared.options.ws.write_timeout_ms), socket.flush()).await;
}

struct Session<'a> {
    shared: &'a Arc<Shared>,
    connection: &'a Arc<Connection>,
    socket: &'a mut Socket,
    heard: Instant,
    /// Whether the client was told of its token's end.
    reminded: bool,
}

impl Session<'_> {
    /// Serves until it ends.
    async fn serve(&mut self) -> End {
        let draining = self.shared.life.stopping();
        let mut leave_at: Option<Instant> = None;
        loop {
            let wake_at = leave_at.unwrap_or(Instant::now() + self.next_check());
            tokio::select! {
                message = self.socket.recv() => match self.read(message) {
                    // Boxed: what a call needs must not stay for the connection's life.
                    Ok(Some(auth)) => {
                        Box::pin(frames::renew(self.shared, self.connection, &auth.access_token)).await;
                    }
                    Ok(None) => {}
                    Err(end) => return end,
                },
                pulled = self.connection.outgoing.pull() => match pulled {
                    Pulled::Frames(frames) => if let Err(end) = self.write(frames).await {
                        return end;
                    },
                    Pulled::Close(code) => return End::Refused(code),
                },
                () = draining.cancelled(), if leave_at.is_none() => leave_at = Some(self.send_away()),
                () = tokio::time::sleep_until(wake_at) => {
                    if leave_at.is_some_and(|at| at <= Instant::now()) {
                        return End::Refused(ErrorCode::GoingAway);
                    }
                    if let Err(code) = self.check_times() {
                        return End::Refused(code);
                    }
                }
            }
        }
    }

    /// Takes a message; answers what the connection has to wait for, or how it ends.
    fn read(&mut self, message: Option<Result<Message, Unreadable>>) -> Result<Option<client::Auth>, End> {
        let message = match message {
            None => return Err(End::Gone),
            Some(Err(unreadable)) => return Err(unreadable.code().map_or(End::Gone, End::Refused)),
            Some(Ok(Message::Close(payload))) => return Err(End::Closed(payload)),
            Some(Ok(message)) => message,
        };
        self.heard = Instant::now();
        self.shared.metrics.frames_in.add(1, &[]);
        let connection = self.connection;
        if let Message::Ping(payload) = &message {
            connection.outgoing.pong(payload);
        }
        match codec::decode(&message, connection.identity.format) {
            Ok(None) => Ok(None),
            Ok(Some(frame)) => Ok(frames::handle(self.shared, connection, frame)),
            Err(error) => {
                let code = error.code();
                connection.send_new(Body::Error(client::ErrorFrame {
                    error: Some(error.into()),
                    ..client::ErrorFrame::default()
                }));
                connection.outgoing.close(code);
                Ok(None)
            }
        }
    }

    /// Writes what pushing did not get through, coalesced, within the time a write may take.
    async fn write(&mut self, frames: VecDeque<Wire>) -> Result<(), End> {
        let timeout = Duration::from_millis(self.shared.options.ws.write_timeout_ms);
        match tokio::time::timeout(timeout, self.write_all(frames)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(End::Gone),
            Err(_) => {
                self.socket.give_up();
                Err(End::Refused(ErrorCode::TooSlow))
            }
        }
    }

    async fn write_all(&mut self, mut frames: VecDeque<Wire>) -> io::Result<()> {
        while !frames.is_empty() {
            self.socket.put_all(frames);
            self.socket.flush().await?;
            frames = self.connection.outgoing.more();
        }
        Ok(())
    }

    /// Until the next time something can be due.
    fn next_check(&self) -> Duration {
        let token_ms = self.connection.expires_at_ms() - self.shared.clock.now_ms();
        let due_ms = if self.reminded { token_ms } else { token_ms - TOKEN_REMINDER_MS };
        let token = Duration::from_millis(u64::try_from(due_ms.max(10)).unwrap_or(10));
        let heartbeat = Duration::from_millis(self.shared.options.ws.heartbeat_ms);
        token.min(heartbeat.saturating_sub(self.heard.elapsed()).max(Duration::from_millis(10)))
    }

    fn check_times(&mut self) -> Result<(), ErrorCode> {
        if self.heard.elapsed() >= Duration::from_millis(self.shared.options.ws.heartbeat_ms) {
            return Err(ErrorCode::IdleTimeout);
        }
        let left_ms = self.connection.expires_at_ms() - self.shared.clock.now_ms();
        if left_ms <= 0 {
            return Err(ErrorCode::TokenExpired);
        }
        let due = left_ms <= TOKEN_REMINDER_MS;
        if due && !self.reminded {
            let message = "The access token ends soon: refresh it and send `auth`.";
            self.connection
                .send_new(Body::Notice(client::Notice { code: "token_expiring".into(), message: message.into() }));
        }
        self.reminded = due;
        Ok(())
    }

    /// The gateway stops: the client is told when to come back, spread so that not all come at once.
    fn send_away(&self) -> Instant {
        let after_ms = fastrand::u64(0..=self.shared.options.ws.drain_ms);
        self.connection.send_new(Body::Reconnect(client::Reconnect { after_ms }));
        Instant::now() + Duration::from_millis(after_ms.max(50))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes_of<A, B, C, F: Future>(_task: impl Fn(A, B, C) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn a_connection_that_says_nothing_holds_little() {
        let (task, connection, socket) = (bytes_of(run), size_of::<Connection>(), size_of::<Socket>());
        assert!(task <= 1_296, "the task: {task} bytes");
        assert!(connection <= 392, "what others know of it: {connection} bytes");
        assert!(socket <= 160, "the socket: {socket} bytes");
    }
}
