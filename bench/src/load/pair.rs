//! Two users: one writes, both read. Everything they see goes to the ledger.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use anyhow::bail;
use im_bench::ledger::Event;
use proto::{
    client::{self, Abandon, client_frame::Frame as Out, server_frame::Frame as In},
    message::{Content, Entry, Text, content},
};
use tokio::{
    sync::mpsc,
    time::{sleep_until, timeout_at},
};
use tokio_util::sync::CancellationToken;

use super::{account::Guest, client::Socket};
use crate::measure::Window;

/// How long answers may take after the last message was sent.
const GRACE: Duration = Duration::from_secs(15);

/// What tells a pair to send.
pub(super) enum Cue {
    /// Intended times.
    Times(mpsc::Receiver<Instant>),
    /// So many unanswered, and so many at most altogether.
    InFlight { unanswered: usize, messages_max: usize },
}

/// One end of the conversation.
pub(super) struct End {
    pub(super) socket: Socket,
    pub(super) guest: Guest,
    /// Its number in the ledger.
    pub(super) client: u64,
}

/// Two connected users.
pub(super) struct Pair {
    pub(super) writer: End,
    pub(super) reader: End,
    pub(super) conversation: String,
    /// Distinguishes this run's commands from those of any other.
    pub(super) run: String,
    pub(super) body: String,
}

/// What a pair saw.
pub(super) struct Seen {
    pub(super) conversation: String,
    pub(super) reader: Guest,
    pub(super) events: Vec<Event>,
    /// Microseconds from the intended time, of messages that were due in the window.
    pub(super) ack_us: Vec<u64>,
    pub(super) delivery_us: Vec<u64>,
    pub(super) sent: u64,
    /// Acknowledged within the window, whenever sent.
    pub(super) acknowledged_in_window: u64,
    /// Neither acknowledged nor refused, or acknowledged and not delivered.
    pub(super) unfinished: u64,
    pub(super) refused: BTreeMap<String, u64>,
    /// Why a connection ended before its time.
    pub(super) broken: Option<String>,
}

/// A message on its way.
struct Message {
    due: Instant,
    answered: bool,
    delivered: bool,
}

/// A pair at work.
struct Playing {
    pair: Pair,
    started: Instant,
    window: Window,
    messages: Vec<Message>,
    unanswered: usize,
    undelivered: usize,
    seen: Seen,
}

impl Pair {
    /// Sends by the cues until they end, then waits for what is missing. `started` is the ledger's zero.
    pub(super) async fn play(self, started: Instant, window: Window, cue: Cue, stop: CancellationToken) -> Seen {
        let seen = Seen {
            conversation: self.conversation.clone(),
            reader: self.reader.guest.clone(),
            events: Vec::new(),
            ack_us: Vec::new(),
            delivery_us: Vec::new(),
            sent: 0,
            acknowledged_in_window: 0,
            unfinished: 0,
            refused: BTreeMap::new(),
            broken: None,
        };
        let (messages, unanswered, undelivered) = (Vec::new(), 0, 0);
        let mut playing = Playing { pair: self, started, window, messages, unanswered, undelivered, seen };
        playing.connections(true);
        // Answers have their own limit; this one is for a server that does not even read.
        let limit = window.to + GRACE * 2;
        match timeout_at(limit.into(), playing.play(cue, &stop)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => playing.seen.broken = Some(format!("{error:#}")),
            Err(_) => playing.seen.broken = Some("the server takes no more messages".to_owned()),
        }
        playing.connections(false);
        playing.seen.unfinished = (playing.unanswered + playing.undelivered) as u64;
        playing.seen
    }
}

impl Playing {
    async fn play(&mut self, mut cue: Cue, stop: &CancellationToken) -> anyhow::Result<()> {
        let mut sending = true;
        let timer = sleep_until(self.window.to.into());
        tokio::pin!(timer);
        loop {
            if let Cue::InFlight { unanswered, messages_max } = cue {
                let over = stop.is_cancelled() || Instant::now() >= self.window.to;
                if sending && (over || self.messages.len() >= messages_max) {
                    sending = false;
                    timer.as_mut().reset((Instant::now() + GRACE).into());
                }
                while sending && self.unanswered < unanswered && self.messages.len() < messages_max {
                    self.send(Instant::now()).await?;
                }
            }
            if !sending && self.unanswered + self.undelivered == 0 {
                return Ok(());
            }
            tokio::select! {
                due = next_time(&mut cue), if sending => match due {
                    Some(due) => self.send(due).await?,
                    None => {
                        sending = false;
                        timer.as_mut().reset((Instant::now() + GRACE).into());
                    }
                },
                frame = self.pair.writer.socket.next() => self.take_by_writer(frame?).await?,
                frame = self.pair.reader.socket.next() => self.take_by_reader(frame?),
                // Times end by themselves; only what is in flight has to be told, at the top.
                () = &mut timer => match (sending, &cue) {
                    (true, Cue::InFlight { .. }) => {}
                    (true, Cue::Times(_)) => timer.as_mut().reset((Instant::now() + GRACE).into()),
                    (false, _) => return Ok(()),
                },
            }
        }
    }

    async fn send(&mut self, due: Instant) -> anyhow::Result<()> {
        let command = format!("{}-{}", self.pair.run, self.messages.len());
        self.messages.push(Message { due, answered: false, delivered: false });
        self.unanswered += 1;
        self.seen.sent += 1;
        let (client, user) = (self.pair.writer.client, self.pair.writer.guest.user);
        let conversation = self.pair.conversation.clone();
        let at_us = self.now_us();
        self.seen.events.push(Event::Sent { at_us, client, user, conversation, command: command.clone() });
        let content = Content { kind: Some(content::Kind::Text(Text { text: self.pair.body.clone() })) };
        let conversation_id = self.pair.conversation.clone();
        let send = client::Send { conversation_id, command_id: command, content: Some(content) };
        Ok(self.pair.writer.socket.send(Out::Send(send)).await?)
    }

    async fn take_by_writer(&mut self, frame: In) -> anyhow::Result<()> {
        match frame {
            In::Ack(ack) => self.acknowledged(ack),
            In::Entry(entry) => self.pushed(&entry, true),
            In::Error(frame) => {
                let error = proto::Error::from(frame.error.unwrap_or_default());
                return self.refused(frame.command_id, &error).await;
            }
            In::Kicked(_) | In::Reconnect(_) => bail!("sent away by the server"),
            _ => {}
        }
        Ok(())
    }

    fn take_by_reader(&mut self, frame: In) {
        let now = Instant::now();
        let In::Entry(entry) = frame else { return };
        self.pushed(&entry, false);
        let Some(number) = self.number(&entry.command_id) else { return };
        let Some(message) = self.messages.get_mut(number) else { return };
        if std::mem::replace(&mut message.delivered, true) {
            return;
        }
        if message.answered {
            self.undelivered -= 1;
        }
        if self.window.holds(message.due) {
            self.seen.delivery_us.push(micros(now.duration_since(message.due)));
        }
    }

    fn acknowledged(&mut self, ack: client::Ack) {
        let now = Instant::now();
        if let Some(number) = self.number(&ack.command_id) {
            self.answered(number, true);
            if let Some(message) = self.messages.get(number).filter(|message| self.window.holds(message.due)) {
                self.seen.ack_us.push(micros(now.duration_since(message.due)));
            }
            self.seen.acknowledged_in_window += u64::from(self.window.holds(now));
        }
        let (at_us, client, user) = (self.now_us(), self.pair.writer.client, self.pair.writer.guest.user);
        let client::Ack { conversation_id: conversation, command_id: command, seq, message_id, .. } = ack;
        self.seen.events.push(Event::Stored { at_us, client, user, conversation, command, seq, message_id });
    }

    /// A refused message is given up; those after it go on.
    async fn refused(&mut self, command: String, error: &proto::Error) -> anyhow::Result<()> {
        *self.seen.refused.entry(error.code().to_string()).or_default() += 1;
        let Some(number) = self.number(&command) else { bail!("{error}") };
        self.answered(number, false);
        let conversation = self.pair.conversation.clone();
        if error.code().retryable() {
            let abandon = Abandon { conversation_id: conversation, command_id: command };
            return Ok(self.pair.writer.socket.send(Out::Abandon(abandon)).await?);
        }
        let (at_us, user, code) = (self.now_us(), self.pair.writer.guest.user, error.code().to_string());
        self.seen.events.push(Event::Rejected { at_us, user, conversation, command, code });
        Ok(())
    }

    /// The first answer to a message counts.
    fn answered(&mut self, number: usize, stored: bool) {
        let Some(message) = self.messages.get_mut(number) else { return };
        if std::mem::replace(&mut message.answered, true) {
            return;
        }
        self.unanswered -= 1;
        if stored && !message.delivered {
            self.undelivered += 1;
        } else if !stored {
            // Nothing is to come.
            message.delivered = true;
        }
    }

    fn pushed(&mut self, entry: &Entry, to_writer: bool) {
        let at_us = self.now_us();
        let end = if to_writer { &self.pair.writer } else { &self.pair.reader };
        let (client, user, command) = (end.client, end.guest.user, entry.command_id.clone());
        let (conversation, seq, message_id) = (entry.conversation_id.clone(), entry.seq, entry.message_id);
        self.seen.events.push(Event::Pushed { at_us, client, user, conversation, seq, message_id, command });
    }

    fn connections(&mut self, begin: bool) {
        let at_us = self.now_us();
        for end in [&self.pair.writer, &self.pair.reader] {
            let client = end.client;
            self.seen.events.push(if begin {
                // They were welcomed before the load began.
                Event::Connected { at_us: 0, client, user: end.guest.user }
            } else {
                Event::Disconnected { at_us, client }
            });
        }
    }

    fn number(&self, command: &str) -> Option<usize> {
        command.strip_prefix(&self.pair.run)?.strip_prefix('-')?.parse().ok()
    }

    fn now_us(&self) -> u64 {
        micros(self.started.elapsed())
    }
}

/// The next intended time; none at the end. Safe to drop while waiting.
async fn next_time(cue: &mut Cue) -> Option<Instant> {
    match cue {
        Cue::Times(times) => times.recv().await,
        Cue::InFlight { .. } => std::future::pending().await,
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
