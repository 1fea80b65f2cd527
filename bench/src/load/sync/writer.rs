//! Who writes to the devices, whether they are there or not.

use std::{sync::Arc, time::Instant};

use anyhow::{Context as _, bail, ensure};
use proto::client::server_frame::Frame as In;
use tokio::time::timeout;

use crate::{
    load::{account::Guest, client::Socket, conversation::Conversation, pace::GRACE, seat::Outbox},
    measure::Window,
};

/// Messages without an answer.
const IN_FLIGHT: usize = 16;

/// A user with a direct conversation with each device's user.
pub(super) struct Writer {
    pub(super) guest: Guest,
    pub(super) socket: Socket,
    pub(super) outbox: Outbox,
    pub(super) conversations: Vec<Arc<Conversation>>,
}

impl Writer {
    /// Writes so many messages to each of them in turn, up to the last acknowledgement.
    pub(super) async fn write(&mut self, window: &Window, each: u32) -> anyhow::Result<()> {
        for _ in 0..each {
            for number in 0..self.conversations.len() {
                while self.outbox.unanswered() >= IN_FLIGHT {
                    self.answer(window).await?;
                }
                let frame = self.outbox.send(window, &self.conversations[number], Instant::now());
                self.socket.send(frame).await?;
            }
        }
        while self.outbox.unanswered() > 0 {
            self.answer(window).await?;
        }
        // Devices miss what is there, not what was meant to be.
        ensure!(self.outbox.refused.is_empty(), "messages were refused: {:?}", self.outbox.refused);
        Ok(())
    }

    async fn answer(&mut self, window: &Window) -> anyhow::Result<()> {
        let frame = timeout(GRACE, self.socket.next()).await.context("a message was not answered")??;
        match frame {
            In::Ack(ack) => {
                self.outbox.acknowledged(window, ack);
            }
            In::Error(frame) => {
                self.outbox.refused(window, frame);
            }
            In::Kicked(_) | In::Reconnect(_) => bail!("sent away by the server"),
            _ => {}
        }
        Ok(())
    }
}
