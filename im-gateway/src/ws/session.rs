//! The life of a connection: one task that reads, writes and keeps time.

use std::{sync::Arc, time::Duration};

use axum::extract::ws::{CloseFrame, Message, WebSocket};
use futures_util::{SinkExt as _, future::FutureExt as _};
use proto::{Error, ErrorCode, client, client::server_frame::Frame as Body};
use tokio::time::Instant;

use super::{
    codec, frames,
    hello::{self, Opened},
};
use crate::{
    connections::{Format, Frame, Pulled},
    shared::Shared,
};

/// How long before its end a client is reminded of its token.
const TOKEN_REMINDER_MS: i64 = 60_000;

pub(super) async fn run(shared: Arc<Shared>, mut socket: WebSocket, format: Format, bearer: Option<String>) {
    // Boxed: what the handshake needs must not stay for the connection's life.
    match Box::pin(hello::open(&shared, &mut socket, format, bearer)).await {
        Ok(opened) => {
            let code = Session {
                shared: &shared,
                opened: &opened,
                socket: &mut socket,
                heard: Instant::now(),
                reminded: false,
            }
            .serve()
            .await;
            Box::pin(hello::leave(&shared, &opened)).await;
            if let Some(code) = code {
                shared.metrics.refused(code);
                close(&shared, &mut socket, code).await;
            }
        }
        Err(error) => {
            shared.metrics.refused(error.code());
            let frame =
                Body::Error(client::ErrorFrame { error: Some(error.clone().into()), ..client::ErrorFrame::default() });
            let message = codec::message(Frame::new(frame).wire(format));
            let _ =
                tokio::time::timeout(Duration::from_millis(shared.options.ws.write_timeout_ms), socket.send(message))
                    .await;
            close(&shared, &mut socket, error.code()).await;
        }
    }
}

/// Says why, as far as the client still listens.
async fn close(shared: &Shared, socket: &mut WebSocket, code: ErrorCode) {
    let number = code.close().unwrap_or(4_000);
    let frame = Message::Close(Some(CloseFrame { code: number, reason: code.as_str().into() }));
    let _ = tokio::time::timeout(Duration::from_millis(shared.options.ws.write_timeout_ms), socket.send(frame)).await;
}

struct Session<'a> {
    shared: &'a Arc<Shared>,
    opened: &'a Opened,
    socket: &'a mut WebSocket,
    heard: Instant,
    /// Whether the client was told of its token's end.
    reminded: bool,
}

impl Session<'_> {
    /// Serves until it ends; answers the code to close with, or none if the client is gone.
    async fn serve(mut self) -> Option<ErrorCode> {
        let draining = self.shared.life.stopping();
        let mut leave_at: Option<Instant> = None;
        loop {
            let wake_at = leave_at.unwrap_or(Instant::now() + self.next_check());
            tokio::select! {
                message = self.socket.recv() => match self.read(message).await {
                    Ok(()) => {}
                    Err(code) => return code,
                },
                pulled = self.opened.connection.outgoing.pull() => match pulled {
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

    async fn read(&mut self, message: Option<Result<Message, axum::Error>>) -> Result<(), Option<ErrorCode>> {
        let message = match message {
            None | Some(Ok(Message::Close(_))) => return Err(None),
            Some(Err(error)) => return Err(codec::too_big(&error)),
            Some(Ok(message)) => message,
        };
        self.heard = Instant::now();
        self.shared.metrics.frames_in.add(1, &[]);
        let connection = &self.opened.connection;
        match codec::decode(&message, connection.identity.format) {
            Ok(None) => Ok(()),
            Ok(Some(frame)) => {
                frames::handle(self.shared, connection, frame).await;
                Ok(())
            }
            Err(error) => {
                let code = error.code();
                connection.send_new(Body::Error(client::ErrorFrame {
                    error: Some(error.into()),
                    ..client::ErrorFrame::default()
                }));
                connection.outgoing.close(code);
                Ok(())
            }
        }
    }

    /// Writes what waited, coalesced, within the time a write may take.
    async fn write(&mut self, frames: std::collections::VecDeque<crate::connections::Wire>) -> Result<(), Error> {
        let timeout = Duration::from_millis(self.shared.options.ws.write_timeout_ms);
        let socket = &mut *self.socket;
        let outgoing = &self.opened.connection.outgoing;
        let write = async {
            let mut next = Some(frames);
            while let Some(frames) = next {
                for wire in frames {
                    socket.feed(codec::message(wire)).await?;
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
        let token_ms = self.opened.connection.expires_at_ms() - self.shared.clock.now_ms();
        let due_ms = if self.reminded { token_ms } else { token_ms - TOKEN_REMINDER_MS };
        let token = Duration::from_millis(u64::try_from(due_ms.max(10)).unwrap_or(10));
        let heartbeat = Duration::from_millis(self.shared.options.ws.heartbeat_ms);
        token.min(heartbeat.saturating_sub(self.heard.elapsed()).max(Duration::from_millis(10)))
    }

    fn check_times(&mut self) -> Result<(), ErrorCode> {
        if self.heard.elapsed() >= Duration::from_millis(self.shared.options.ws.heartbeat_ms) {
            return Err(ErrorCode::IdleTimeout);
        }
        let left_ms = self.opened.connection.expires_at_ms() - self.shared.clock.now_ms();
        if left_ms <= 0 {
            return Err(ErrorCode::TokenExpired);
        }
        let due = left_ms <= TOKEN_REMINDER_MS;
        if due && !self.reminded {
            let message = "The access token ends soon: refresh it and send `auth`.";
            self.opened
                .connection
                .send_new(Body::Notice(client::Notice { code: "token_expiring".into(), message: message.into() }));
        }
        self.reminded = due;
        Ok(())
    }

    /// The gateway stops: the client is told when to come back, spread so that not all come at once.
    fn send_away(&self) -> Instant {
        let after_ms = fastrand::u64(0..=self.shared.options.ws.drain_ms);
        self.opened.connection.send_new(Body::Reconnect(client::Reconnect { after_ms }));
        Instant::now() + Duration::from_millis(after_ms.max(50))
    }
}
