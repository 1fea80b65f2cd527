//! The life of a connection: one task that reads, writes and keeps time. What it holds is held for as long as the client says
//! nothing, so whatever is needed for a moment only is in a box of its own.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use futures_util::future::FutureExt as _;
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
    connections::{Connection, Format, Frame, Open, Pulled, Wire},
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
    /// Held until it ends.
    pub(super) counted: (Open, Seat),
}

/// Serves a connection from its upgrade to its end.
pub(super) async fn run(shared: Arc<Shared>, upgrade: OnUpgrade, asked: Asked) {
    let Asked { format, bearer, counted } = asked;
    let mut socket = match upgrade.await {
        Ok(upgraded) => Socket::new(TokioIo::new(upgraded), shared.options.ws.frame_bytes_max),
        Err(error) => {
            tracing::debug!(%error, "gone before it was upgraded");
            return;
        }
    };
    let opened = Box::pin(hello::open(&shared, &mut socket, format, bearer)).await;
    match opened {
        Ok(connection) => {
            let mut session = Session {
                shared: &shared,
                connection: &connection,
                socket: &mut socket,
                heard: Instant::now(),
                reminded: false,
            };
            let code = session.serve().await;
            Box::pin(hello::leave(&shared, &connection)).await;
            if let Some(code) = code {
                shared.metrics.refused(code);
                Box::pin(close(&shared, &mut socket, code)).await;
            }
        }
        Err(error) => Box::pin(turn_away(&shared, &mut socket, format, &error)).await,
    }
    drop(counted);
}

/// Answers a hello that failed.
async fn turn_away(shared: &Shared, socket: &mut Socket, format: Format, error: &Error) {
    shared.metrics.refused(error.code());
    let frame = Body::Error(client::ErrorFrame { error: Some(error.clone().into()), ..client::ErrorFrame::default() });
    let wire = Frame::new(frame).wire(format);
    let _ = tokio::time::timeout(Duration::from_millis(shared.options.ws.write_timeout_ms), socket.send(&wire)).await;
    close(shared, socket, error.code()).await;
}

/// Says why, as far as the client still listens.
async fn close(shared: &Shared, socket: &mut Socket, code: ErrorCode) {
    let said = socket.close(code.close().unwrap_or(4_000), code.as_str());
    let _ = tokio::time::timeout(Duration::from_millis(shared.options.ws.write_timeout_ms), said).await;
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
    /// Serves until it ends; answers the code to close with, or none if the client is gone.
    async fn serve(&mut self) -> Option<ErrorCode> {
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
                    Err(code) => return code,
                },
                pulled = self.connection.outgoing.pull() => match pulled {
                    Pulled::Frames(frames) => if let Err(error) = self.write(frames).await {
                        return (error.code() == ErrorCode::TooSlow).then_some(ErrorCode::TooSlow);
                    },
                    Pulled::Close(code) => return Some(code),
                },
                () = draining.cancelled(), if leave_at.is_none() => leave_at = Some(self.send_away()),
                () = tokio::time::sleep_until(wake_at) => {
                    if leave_at.is_some_and(|at| at <= Instant::now()) {
                        return Some(ErrorCode::GoingAway);
                    }
                    if let Err(code) = self.check_times() {
                        return Some(code);
                    }
                }
            }
        }
    }

    /// Takes a message; answers what the connection has to wait for, or how it ends.
    fn read(
        &mut self,
        message: Option<Result<Message, Unreadable>>,
    ) -> Result<Option<client::Auth>, Option<ErrorCode>> {
        let message = match message {
            None | Some(Ok(Message::Close(_))) => return Err(None),
            Some(Err(unreadable)) => return Err(unreadable.code()),
            Some(Ok(message)) => message,
        };
        self.heard = Instant::now();
        self.shared.metrics.frames_in.add(1, &[]);
        let connection = self.connection;
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

    /// Writes what waited, coalesced, within the time a write may take.
    async fn write(&mut self, frames: VecDeque<Wire>) -> Result<(), Error> {
        let timeout = Duration::from_millis(self.shared.options.ws.write_timeout_ms);
        let (socket, outgoing) = (&mut *self.socket, &self.connection.outgoing);
        let write = async {
            let mut next = Some(frames);
            while let Some(frames) = next {
                for wire in frames {
                    socket.feed(&wire).await?;
                }
                // What came while these were being fed shares their flush.
                next = match outgoing.pull().now_or_never() {
                    Some(Pulled::Frames(more)) => Some(more),
                    _ => None,
                };
            }
            socket.flush().await
        };
        match tokio::time::timeout(timeout, write).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(ErrorCode::GoingAway.into()),
            Err(_) => Err(ErrorCode::TooSlow.into()),
        }
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
        assert!(task <= 1_280, "the task: {task} bytes");
        assert!(connection <= 384, "what others know of it: {connection} bytes");
        assert!(socket <= 160, "the socket: {socket} bytes");
    }
}
