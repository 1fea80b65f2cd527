//! A seat that somebody has: a connection with an outbox and an inbox.

use std::{sync::Arc, time::Instant};

use anyhow::bail;
use im_bench::ledger::Event;
use proto::client::{client_frame::Frame as Out, server_frame::Frame as In};
use tokio::sync::mpsc;

use super::{Inbox, Outbox, Progress, Run, Witness};
use crate::{
    load::{client::Socket, conversation::Conversation},
    measure::Window,
};

/// A user at work.
pub(crate) struct Seat {
    pub(crate) socket: Socket,
    pub(crate) outbox: Outbox,
    pub(crate) inbox: Inbox,
    pub(crate) progress: Arc<Progress>,
    window: Window,
    /// When the work ended, and why if that was before its time.
    ended: Option<Instant>,
    pub(crate) broken: Option<String>,
}

impl Seat {
    /// Takes a connection whose load begins with the window. All seats share the run, its progress and the text.
    pub(crate) fn at(
        socket: Socket,
        witness: Witness,
        window: Window,
        (run, progress, body): (&Run, &Arc<Progress>, &Arc<str>),
    ) -> Self {
        let outbox = Outbox::of(witness, run.clone(), body.clone());
        let inbox = Inbox::of(witness, run.clone());
        Self { socket, outbox, inbox, progress: progress.clone(), window, ended: None, broken: None }
    }

    /// Writes so many messages that are due together, with one flush.
    pub(crate) async fn write(
        &mut self,
        conversation: &Arc<Conversation>,
        due: Instant,
        count: u32,
    ) -> anyhow::Result<()> {
        let frames: Vec<Out> = (0..count).map(|_| self.outbox.send(&self.window, conversation, due)).collect();
        self.progress.asked(u64::from(count));
        Ok(self.socket.send_together(frames).await?)
    }

    /// Takes what came: entries, answers, and whatever ends the connection. The rest is nothing to a load.
    pub(crate) async fn take(&mut self, frame: In) -> anyhow::Result<()> {
        let unanswered = self.outbox.unanswered();
        match frame {
            In::Entry(entry) => {
                let is_new = self.inbox.take(self.window.at_us(Instant::now()), entry);
                self.progress.delivered(is_new.into());
            }
            In::Ack(ack) => {
                if let Some(number) = self.outbox.acknowledged(&self.window, ack) {
                    self.progress.stored(self.outbox.messages[number].conversation.members);
                }
            }
            In::Error(frame) => {
                if let Some(abandon) = self.outbox.refused(&self.window, frame) {
                    self.socket.send(abandon).await?;
                }
            }
            In::Kicked(_) | In::Reconnect(_) => bail!("sent away by the server"),
            _ => {}
        }
        self.progress.answered((unanswered - self.outbox.unanswered()) as u64);
        Ok(())
    }

    /// The work is done, or could not go on.
    pub(crate) fn end(&mut self, outcome: anyhow::Result<()>) {
        self.ended = Some(Instant::now());
        self.broken = outcome.err().map(|error| format!("{error:#}"));
    }

    /// Its life and what it was pushed of a conversation.
    pub(crate) fn seen(&self, conversation: &str) -> impl Iterator<Item = Event> {
        let ended_us = self.ended.map_or(u64::MAX, |ended| self.window.at_us(ended));
        let witness = self.inbox.witness;
        // It was welcomed before the load began.
        let life = [witness.connected(0), witness.disconnected(ended_us)];
        life.into_iter().chain(self.inbox.events(conversation))
    }
}

/// The next intended time of somebody who sends, none at the end; never for those who send no more. Safe to drop while
/// waiting.
pub(crate) async fn next_time(times: &mut Option<mpsc::Receiver<Instant>>) -> Option<Instant> {
    match times {
        Some(times) => times.recv().await,
        None => std::future::pending().await,
    }
}
