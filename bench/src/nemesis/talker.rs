//! A user on one device who keeps talking whatever happens to the servers.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use proto::{
    client::{Read, Send as Say, client_frame::Frame as Out, server_frame::Frame as In},
    message::{Content, Entry, Text, content},
};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, sleep_until};

use super::{
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
/// One in so many pushed entries is read.
const READ_EVERY: u64 = 8;

/// Comes again whenever the connection ends, at another gateway if there is one, and sends again what has no outcome.
pub(super) struct Talker {
    pub(super) recorder: Arc<Recorder>,
    pub(super) addresses: Vec<String>,
    /// At which of them it begins.
    pub(super) home: usize,
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

impl Talker {
    /// Until there is nothing more to say and everything has an outcome.
    pub(super) async fn talk(self) {
        let mut turn = self.home;
        let mut talk = Talk { talker: self, open: VecDeque::new(), made: 0, pushed: 0 };
        while !talk.is_over() {
            let address = &talk.talker.addresses[turn % talk.talker.addresses.len()];
            turn += 1;
            let Some(socket) = Socket::open(address, &talk.talker.session).await else {
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

    /// One connection's life; answers until when it certainly lived.
    async fn connected(&mut self, client: u64, mut socket: Socket) -> Instant {
        let mut heard = Instant::now();
        for (conversation, command) in self.open.clone() {
            if self.say(&mut socket, client, conversation, command).await.is_err() {
                return heard;
            }
        }
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
                    if self.say(&mut socket, client, conversation, command).await.is_err() {
                        return heard;
                    }
                }
                frame = socket.next() => {
                    let Ok(frame) = frame else { return Instant::now() };
                    heard = Instant::now();
                    if self.take(client, &mut socket, frame).await.is_err() {
                        return Instant::now();
                    }
                }
                () = sleep_until(heard.max(owed) + SILENCE_MAX), if !self.open.is_empty() => return heard,
            }
        }
        Instant::now()
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
        let content = Some(Content { kind: Some(content::Kind::Text(Text { text: command.clone() })) });
        socket.send(Out::Send(Say { conversation_id: conversation, command_id: command, content })).await
    }

    async fn take(&mut self, client: u64, socket: &mut Socket, frame: In) -> Result<(), Gone> {
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
                if let Some(read) = read {
                    socket.send(Out::Read(read)).await?;
                }
            }
            In::Error(frame) => {
                let error = proto::Error::from(frame.error.unwrap_or_default());
                if !is_outcome(error.code()) {
                    // Come again with everything that is open, in order.
                    return Err(Gone);
                }
                let (conversation, command, code) = (frame.conversation_id, frame.command_id, error.code().to_string());
                self.answered(&conversation, &command);
                recorder.note(Event::Rejected { at_us, user, conversation, command, code });
            }
            // This client has no state to sync, so it begins anew.
            In::Resync(_) => {
                recorder.note(Event::Resynced { at_us, client });
                return Err(Gone);
            }
            In::Reconnect(_) | In::Kicked(_) => return Err(Gone),
            _ => {}
        }
        Ok(())
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
