//! A user on one device who keeps talking whatever happens to the servers.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use proto::{
    client::{Read, Send as Say, client_frame::Frame as Out, server_frame::Frame as In},
    message::{Content, Entry, Text, content},
};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, sleep_until, timeout_at};

use super::{
    hearing::Hearing,
    recorder::Recorder,
    socket::{Gone, Socket},
    user::{Session, User, is_outcome},
};
use crate::ledger::Event;

/// Commands without an outcome at the same time.
const OPEN_MAX: usize = 16;
/// A connection that owes an answer and says nothing for so long is given up.
const SILENCE_MAX: Duration = Duration::from_secs(5);
/// Before coming again.
const PAUSE: Duration = Duration::from_millis(50);
/// For how long who was deaf only reads.
const CATCH_UP: Duration = Duration::from_secs(1);
/// One in so many pushed entries is read.
const READ_EVERY: u64 = 8;

/// Comes again whenever the connection ends, at another gateway if there is one, and sends again what has no outcome.
pub(super) struct Talker {
    pub(super) recorder: Arc<Recorder>,
    pub(super) hearing: Arc<Hearing>,
    pub(super) addresses: Vec<String>,
    /// At which of them it begins.
    pub(super) home: usize,
    /// Of the user, from 0 on.
    pub(super) number: usize,
    pub(super) user: User,
    pub(super) session: Session,
    pub(super) conversations: Vec<String>,
    /// Between two messages.
    pub(super) pace: Duration,
}

/// What a device keeps over its connections.
struct Talk {
    talker: Talker,
    /// Sent and not answered, oldest first.
    open: VecDeque<(String, String)>,
    made: usize,
    pushed: u64,
}

/// What is known of a connection's life.
struct Life {
    /// Until when it certainly lived.
    heard: Instant,
    /// When its client last fell deaf.
    deaf_since: Option<Instant>,
}

impl Talker {
    /// Until there is nothing more to say and everything has an outcome.
    pub(super) async fn talk(self) {
        let mut turn = self.home;
        let mut talk = Talk { talker: self, open: VecDeque::new(), made: 0, pushed: 0 };
        while !talk.is_over() {
            let address = &talk.talker.addresses[turn % talk.talker.addresses.len()];
            turn += 1;
            let Some(socket) = Socket::open(address, &talk.talker.session, talk.talker.hearing.narrow).await else {
                sleep(PAUSE).await;
                continue;
            };
            let (recorder, user) = (talk.talker.recorder.clone(), talk.talker.user.id);
            let client = recorder.next_client();
            recorder.note(Event::Connected { at_us: recorder.now_us(), client, user });
            recorder.note(Event::Device { client, device: talk.talker.session.device });
            let heard = talk.connected(client, socket).await;
            // Where it fell silent it was gone from then on, as far as anybody can say.
            recorder.note(Event::Disconnected { at_us: recorder.us_of(heard.into_std()), client });
        }
    }
}

impl Talk {
    fn is_over(&self) -> bool {
        self.talker.recorder.stopping.is_cancelled() && self.open.is_empty()
    }

    /// One connection's life; answers until when it certainly lived. Of one that was deaf and ends nobody can say when its gateway
    /// gave it up: what was behind that it is not owed, but nothing may be missing before what it read.
    async fn connected(&mut self, client: u64, mut socket: Socket) -> Instant {
        let mut life = Life { heard: Instant::now(), deaf_since: None };
        let Err(gone) = self.converse(client, &mut socket, &mut life).await else { return Instant::now() };
        if life.deaf_since.is_some() && gone.is_too_slow() {
            self.talker.hearing.count_too_slow();
        }
        life.deaf_since.unwrap_or(life.heard)
    }

    /// Until there is nothing more to say, or the connection is over.
    async fn converse(&mut self, client: u64, socket: &mut Socket, life: &mut Life) -> Result<(), Gone> {
        for (conversation, command) in self.open.clone() {
            self.say(socket, client, conversation, command).await?;
        }
        let mut ear = self.talker.hearing.ear(self.talker.number);
        let mut tick = interval(self.talker.pace);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // Counts from when an answer was owed, if that is later.
        let mut owed = Instant::now();
        while !self.is_over() {
            if self.open.is_empty() {
                owed = Instant::now();
            }
            tokio::select! {
                _ = tick.tick() => {
                    if self.talker.recorder.stopping.is_cancelled() || self.open.len() >= OPEN_MAX {
                        continue;
                    }
                    let (conversation, command) = self.make();
                    self.say(socket, client, conversation, command).await?;
                }
                frame = socket.next() => {
                    let taken = frame.and_then(|frame| self.take(client, frame));
                    life.heard = Instant::now();
                    if let Some(read) = taken? {
                        socket.send(Out::Read(read)).await?;
                    }
                }
                () = ear.loses() => {
                    let since = Instant::now();
                    life.deaf_since = Some(since);
                    ear.hears().await;
                    self.was_deaf(client, since);
                    self.catch_up(client, socket).await?;
                    life.heard = Instant::now();
                }
                () = sleep_until(life.heard.max(owed) + SILENCE_MAX), if !self.open.is_empty() => {
                    return Err(Gone::default());
                }
            }
        }
        Ok(())
    }

    fn was_deaf(&self, client: u64, since: Instant) {
        let recorder = &self.talker.recorder;
        let (from_us, to_us) = (recorder.us_of(since.into_std()), recorder.now_us());
        if let Some(room) = self.talker.hearing.room() {
            recorder.note(Event::Deaf { from_us, to_us, client, room });
        }
    }

    /// Reads what waited, and says nothing: a gateway that closes while something waits to be read by it resets the connection, and
    /// its last words are lost (RFC 1122, section 4.2.2.13).
    async fn catch_up(&mut self, client: u64, socket: &mut Socket) -> Result<(), Gone> {
        let until = Instant::now() + CATCH_UP;
        while let Ok(frame) = timeout_at(until, socket.next()).await {
            self.take(client, frame?)?;
        }
        Ok(())
    }

    fn make(&mut self) -> (String, String) {
        let conversations = &self.talker.conversations;
        let conversation = conversations[self.made % conversations.len()].clone();
        let command = format!("{}-{}-{}", self.talker.user.name, self.talker.session.device, self.made);
        self.made += 1;
        self.open.push_back((conversation.clone(), command.clone()));
        (conversation, command)
    }

    async fn say(&self, socket: &mut Socket, client: u64, conversation: String, command: String) -> Result<(), Gone> {
        self.talker.recorder.sent(client, self.talker.user.id, (&conversation, &command));
        let bytes = self.talker.hearing.text_bytes();
        let text = format!("{command:.<bytes$}");
        let content = Some(Content { kind: Some(content::Kind::Text(Text { text })) });
        socket.send(Out::Send(Say { conversation_id: conversation, command_id: command, content })).await
    }

    /// Answers up to where the user then has read, if that is told.
    fn take(&mut self, client: u64, frame: In) -> Result<Option<Read>, Gone> {
        let (recorder, user) = (self.talker.recorder.clone(), self.talker.user.id);
        let at_us = recorder.now_us();
        match frame {
            In::Ack(ack) => {
                let (conversation, command) = (ack.conversation_id, ack.command_id);
                self.answered(&conversation, &command);
                let (seq, message_id) = (ack.seq, ack.message_id);
                recorder.note(Event::Stored { at_us, client, user, conversation, command, seq, message_id });
            }
            In::Entry(entry) => {
                let read = self.reads(&entry);
                let (conversation, command) = (entry.conversation_id, entry.command_id);
                let (seq, message_id) = (entry.seq, entry.message_id);
                recorder.note(Event::Pushed { at_us, client, user, conversation, seq, message_id, command });
                return Ok(read);
            }
            In::Error(frame) => {
                let error = proto::Error::from(frame.error.unwrap_or_default());
                if !is_outcome(error.code()) {
                    // Come again with everything that is open, in order.
                    return Err(Gone::default());
                }
                let (conversation, command, code) = (frame.conversation_id, frame.command_id, error.code().to_string());
                self.answered(&conversation, &command);
                recorder.note(Event::Rejected { at_us, user, conversation, command, code });
            }
            // This client has no state to sync, so it begins anew.
            In::Resync(_) => {
                recorder.note(Event::Resynced { at_us, client });
                return Err(Gone::default());
            }
            In::Reconnect(_) | In::Kicked(_) => return Err(Gone::default()),
            _ => {}
        }
        Ok(None)
    }

    fn answered(&mut self, conversation: &str, command: &str) {
        self.open.retain(|open| (&*open.0, &*open.1) != (conversation, command));
    }

    /// Cursors move, too.
    fn reads(&mut self, entry: &Entry) -> Option<Read> {
        self.pushed += 1;
        let read = Read { conversation_id: entry.conversation_id.clone(), read_seq: entry.seq };
        self.pushed.is_multiple_of(READ_EVERY).then_some(read)
    }
}
