//! Two users: one writes, both read. Everything they see goes to the ledger.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use anyhow::bail;
use im_bench::ledger::{Client, Event};
use proto::{
    client::{Ack, ErrorFrame, server_frame::Frame as In},
    message::Entry,
};
use tokio::{
    sync::mpsc,
    time::{sleep_until, timeout_at},
};
use tokio_util::sync::CancellationToken;

use super::{
    account::{Accounts, Guest},
    client::Socket,
    conversation::Conversation,
    pace::GRACE,
    seat::{Outbox, Run, Took, Witness},
    verdict::History,
};
use crate::{measure::Window, target::Endpoint};

/// Handshakes at the same time.
const AT_ONCE: usize = 8;
/// Why a pair ends that cannot send what is due.
pub(super) const TAKES_NO_MORE: &str = "the server takes no more messages";

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
    pub(super) client: Client,
}

/// Two connected users.
pub(super) struct Pair {
    pub(super) writer: End,
    pub(super) reader: End,
    pub(super) run: Run,
    pub(super) body: Arc<str>,
    /// What happened to their conversation before.
    pub(super) before: Vec<Event>,
    /// Of all pairs that share it, for those who look on.
    pub(super) acknowledged: Arc<AtomicU64>,
}

/// What a pair saw.
pub(super) struct Seen {
    pub(super) history: History,
    /// Of all messages, from their intended times.
    pub(super) acks: Vec<Took>,
    pub(super) deliveries: Vec<Took>,
    pub(super) sent: u64,
    pub(super) acknowledged: u64,
    /// Acknowledged within the window, whenever sent.
    pub(super) acknowledged_in_window: u64,
    /// Neither acknowledged nor refused, or acknowledged and not delivered.
    pub(super) unfinished: u64,
    pub(super) refused: BTreeMap<String, u64>,
    /// Why a connection ended before its time.
    pub(super) broken: Option<String>,
}

/// A pair at work.
struct Playing {
    writer: End,
    reader: End,
    conversation: Arc<Conversation>,
    window: Window,
    outbox: Outbox,
    /// By number: when the reader got it.
    delivered: Vec<Option<Instant>>,
    undelivered: usize,
    events: Vec<Event>,
    acknowledged: Arc<AtomicU64>,
}

/// Makes so many pairs and connects them. The seed decides what they say.
pub(super) async fn connect_pairs(
    accounts: &Accounts,
    endpoint: &Endpoint,
    pairs: u32,
    (payload_bytes, seed): (u32, u64),
) -> anyhow::Result<Vec<Pair>> {
    let guests = accounts.guests(pairs as usize * 2).await?;
    let sockets = Socket::open_all(endpoint, &guests, AT_ONCE).await?;
    let ends = guests.iter().cloned().zip(sockets).zip(0..);
    let mut ends = ends.map(|((guest, socket), client)| End { socket, guest, client });
    let (mut random, run, acknowledged) = (fastrand::Rng::with_seed(seed), Run::begin(), Arc::<AtomicU64>::default());
    let mut connected = Vec::new();
    while let (Some(writer), Some(reader)) = (ends.next(), ends.next()) {
        let body = text(&mut random, payload_bytes);
        let (run, before, acknowledged) = (run.clone(), Vec::new(), acknowledged.clone());
        connected.push(Pair { writer, reader, run, body, before, acknowledged });
    }
    Ok(connected)
}

/// A text of so many bytes.
pub(super) fn text(random: &mut fastrand::Rng, bytes: u32) -> Arc<str> {
    (0..bytes).map(|_| random.alphanumeric()).collect::<String>().into()
}

impl End {
    const fn witness(&self) -> Witness {
        Witness { client: self.client, user: self.guest.user }
    }
}

impl Pair {
    /// Sends by the cues until they end, then waits for what is missing.
    pub(super) async fn play(self, window: Window, cue: Cue, stop: CancellationToken) -> Seen {
        let Self { writer, reader, run, body, before, acknowledged } = self;
        let conversation = Arc::new(Conversation::direct(writer.guest.user, reader.guest.user));
        let outbox = Outbox::of(writer.witness(), run, body);
        let (delivered, undelivered, events) = (Vec::new(), 0, before);
        let mut playing =
            Playing { writer, reader, conversation, window, outbox, delivered, undelivered, events, acknowledged };
        playing.connections(true);
        // Answers have their own limit; this one is for a server that does not even read.
        let limit = window.to + GRACE * 2;
        let broken = match timeout_at(limit.into(), playing.play(cue, &stop)).await {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(format!("{error:#}")),
            Err(_) => Some(TAKES_NO_MORE.to_owned()),
        };
        playing.connections(false);
        playing.seen(broken)
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
                if sending && (over || self.outbox.messages.len() >= messages_max) {
                    sending = false;
                    timer.as_mut().reset((Instant::now() + GRACE).into());
                }
                while sending && self.outbox.unanswered() < unanswered && self.outbox.messages.len() < messages_max {
                    self.send(Instant::now()).await?;
                }
            }
            if !sending && self.outbox.unanswered() + self.undelivered == 0 {
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
                frame = self.writer.socket.next() => self.take_by_writer(frame?).await?,
                frame = self.reader.socket.next() => self.take_by_reader(frame?),
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
        let frame = self.outbox.send(&self.window, &self.conversation, due);
        self.delivered.push(None);
        Ok(self.writer.socket.send(frame).await?)
    }

    async fn take_by_writer(&mut self, frame: In) -> anyhow::Result<()> {
        match frame {
            In::Ack(ack) => self.acknowledged(ack),
            In::Entry(entry) => self.pushed(&entry, true),
            In::Error(frame) => return self.refused(frame).await,
            In::Kicked(_) | In::Reconnect(_) => bail!("sent away by the server"),
            _ => {}
        }
        Ok(())
    }

    fn take_by_reader(&mut self, frame: In) {
        let now = Instant::now();
        let In::Entry(entry) = frame else { return };
        self.pushed(&entry, false);
        let Some(number) = self.outbox.number_of(&entry.command_id) else { return };
        let Some(delivered) = self.delivered.get_mut(number) else { return };
        if delivered.is_some() {
            return;
        }
        *delivered = Some(now);
        if self.outbox.is_stored(number) {
            self.undelivered -= 1;
        }
    }

    fn acknowledged(&mut self, ack: Ack) {
        let Some(number) = self.outbox.acknowledged(&self.window, ack) else { return };
        self.acknowledged.fetch_add(1, Ordering::Relaxed);
        if self.delivered[number].is_none() {
            self.undelivered += 1;
        }
    }

    async fn refused(&mut self, frame: ErrorFrame) -> anyhow::Result<()> {
        match self.outbox.refused(&self.window, frame) {
            Some(abandon) => Ok(self.writer.socket.send(abandon).await?),
            None => Ok(()),
        }
    }

    fn pushed(&mut self, entry: &Entry, to_writer: bool) {
        let at_us = self.window.at_us(Instant::now());
        let end = if to_writer { &self.writer } else { &self.reader };
        let (client, user, command) = (end.client, end.guest.user, entry.command_id.clone());
        let (conversation, seq, message_id) = (entry.conversation_id.clone(), entry.seq, entry.message_id);
        self.events.push(Event::Pushed { at_us, client, user, conversation, seq, message_id, command });
    }

    fn connections(&mut self, begin: bool) {
        let events = [&self.writer, &self.reader].map(|end| {
            let witness = end.witness();
            // They were welcomed before the load began.
            if begin { witness.connected(0) } else { witness.disconnected(self.ended_us(end)) }
        });
        self.events.extend(events);
    }

    /// When an end saw the last of it. One that is behind when all wait no longer had a life up to there: what is still on its
    /// way is told as unfinished, not as lost; but what was passed over is lost.
    fn ended_us(&self, end: &End) -> u64 {
        let now_us = self.window.at_us(Instant::now());
        if self.outbox.unanswered() + self.undelivered == 0 {
            return now_us;
        }
        let pushed = self.events.iter().filter_map(|event| match event {
            Event::Pushed { client, seq, .. } if *client == end.client => Some(*seq),
            _ => None,
        });
        self.outbox.stored_behind_us(pushed.max().unwrap_or_default()).map_or(now_us, |since_us| since_us.min(now_us))
    }

    fn seen(self, broken: Option<String>) -> Seen {
        let Self { reader, conversation, window, mut outbox, delivered, undelivered, mut events, .. } = self;
        events.append(&mut outbox.events);
        let deliveries = outbox.messages.iter().zip(&delivered);
        let deliveries = deliveries.filter_map(|(message, at)| Some(Took::until(message.due, (*at)?))).collect();
        Seen {
            history: History { conversation: conversation.id.clone(), reader: reader.guest, events },
            acks: outbox.acks().map(|(_, took)| took).collect(),
            deliveries,
            sent: outbox.messages.len() as u64,
            acknowledged: outbox.stored(),
            acknowledged_in_window: outbox.stored_within(&window),
            unfinished: (outbox.unanswered() + undelivered) as u64,
            refused: outbox.refused,
            broken,
        }
    }
}

/// The next intended time; none at the end. Safe to drop while waiting.
async fn next_time(cue: &mut Cue) -> Option<Instant> {
    match cue {
        Cue::Times(times) => times.recv().await,
        Cue::InFlight { .. } => std::future::pending().await,
    }
}
