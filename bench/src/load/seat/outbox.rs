//! What one user sends over one connection, and what becomes of it.

use std::{collections::BTreeMap, sync::Arc, time::Instant};

use im_bench::ledger::Event;
use proto::{
    client::{self, Abandon, Ack, ErrorFrame, client_frame::Frame as Out},
    message::{Content, Text, content},
};

use super::{
    naming::{Name, Run},
    took::Took,
    witness::Witness,
};
use crate::{load::conversation::Conversation, measure::Window};

/// A message on its way, or answered.
pub(crate) struct Message {
    pub(crate) due: Instant,
    pub(crate) conversation: Arc<Conversation>,
    answer: Option<Answer>,
}

/// The first answer to a message.
#[derive(Clone, Copy)]
struct Answer {
    at: Instant,
    is_stored: bool,
}

/// Everything that was sent.
pub(crate) struct Outbox {
    witness: Witness,
    run: Run,
    body: Arc<str>,
    /// By number.
    pub(crate) messages: Vec<Message>,
    unanswered: usize,
    /// By code.
    pub(crate) refused: BTreeMap<String, u64>,
    pub(crate) events: Vec<Event>,
}

impl Message {
    /// When it was acknowledged, if it was.
    pub(crate) fn stored_at(&self) -> Option<Instant> {
        self.answer.filter(|answer| answer.is_stored).map(|answer| answer.at)
    }
}

impl Outbox {
    pub(crate) fn of(witness: Witness, run: Run, body: Arc<str>) -> Self {
        let (messages, refused, events) = (Vec::new(), BTreeMap::new(), Vec::new());
        Self { witness, run, body, messages, unanswered: 0, refused, events }
    }

    /// The next message, which counts as sent from here on.
    pub(crate) fn send(&mut self, window: &Window, conversation: &Arc<Conversation>, due: Instant) -> Out {
        let name = Name { client: self.witness.client, number: self.messages.len() };
        let command_id = self.run.command(name);
        self.events.push(self.witness.sent(window.at_us(Instant::now()), &conversation.id, &command_id));
        self.messages.push(Message { due, conversation: conversation.clone(), answer: None });
        self.unanswered += 1;
        let content = Content { kind: Some(content::Kind::Text(Text { text: self.body.to_string() })) };
        Out::Send(client::Send { conversation_id: conversation.id.clone(), command_id, content: Some(content) })
    }

    /// Takes an acknowledgement; answers the number of a message that has its first answer by it.
    pub(crate) fn acknowledged(&mut self, window: &Window, ack: Ack) -> Option<usize> {
        let now = Instant::now();
        let number = self.number_of(&ack.command_id);
        self.events.push(self.witness.stored(window.at_us(now), ack));
        number.filter(|&number| self.answered(number, Answer { at: now, is_stored: true }))
    }

    /// Takes a refusal. A refused message is given up, and those after it go on: answers what has to be sent for that. An
    /// error that is about no message is counted; one that ends the connection shows by that.
    pub(crate) fn refused(&mut self, window: &Window, frame: ErrorFrame) -> Option<Out> {
        let now = Instant::now();
        let error = proto::Error::from(frame.error.unwrap_or_default());
        *self.refused.entry(error.code().to_string()).or_default() += 1;
        let number = self.number_of(&frame.command_id)?;
        let conversation = self.messages.get(number)?.conversation.clone();
        self.answered(number, Answer { at: now, is_stored: false });
        let command_id = frame.command_id;
        if error.code().retryable() {
            return Some(Out::Abandon(Abandon { conversation_id: conversation.id.clone(), command_id }));
        }
        let code = error.code().to_string();
        self.events.push(self.witness.rejected(window.at_us(now), &conversation.id, command_id, code));
        None
    }

    /// Which of its messages a command is.
    pub(crate) fn number_of(&self, command: &str) -> Option<usize> {
        self.run.name_of(command).filter(|name| name.client == self.witness.client).map(|name| name.number)
    }

    /// Messages without an answer.
    pub(crate) const fn unanswered(&self) -> usize {
        self.unanswered
    }

    /// Whether a message is known to be stored.
    pub(crate) fn is_stored(&self, number: usize) -> bool {
        self.messages.get(number).is_some_and(|message| message.stored_at().is_some())
    }

    /// Messages that were acknowledged.
    pub(crate) fn stored(&self) -> u64 {
        self.messages.iter().filter(|message| message.stored_at().is_some()).count() as u64
    }

    /// Messages that were acknowledged within the window, whenever they were sent.
    pub(crate) fn stored_within(&self, window: &Window) -> u64 {
        let at = self.messages.iter().filter_map(Message::stored_at);
        at.filter(|at| window.holds(*at)).count() as u64
    }

    /// When the first message behind this place in the log was acknowledged, in microseconds from the start of the window.
    pub(crate) fn stored_behind_us(&self, place: i64) -> Option<u64> {
        let behind = self.events.iter().filter_map(|event| match event {
            Event::Stored { at_us, seq, .. } if *seq > place => Some(*at_us),
            _ => None,
        });
        behind.min()
    }

    /// How long acknowledgements took.
    pub(crate) fn acks(&self) -> impl Iterator<Item = (&Message, Took)> {
        self.messages.iter().filter_map(|message| Some((message, Took::until(message.due, message.stored_at()?))))
    }

    /// Whether it is the first answer, which counts.
    fn answered(&mut self, number: usize, answer: Answer) -> bool {
        match self.messages.get_mut(number) {
            Some(message) if message.answer.is_none() => {
                message.answer = Some(answer);
                self.unanswered -= 1;
                true
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use proto::ErrorCode;

    use super::*;
    use crate::measure::Length;

    fn outbox() -> (Outbox, Window, Arc<Conversation>) {
        let window = Window::starting_now(Length { seconds: 60, warm_up_seconds: 0 });
        let witness = Witness { client: 3, user: 9 };
        (Outbox::of(witness, Run::begin(), "hello".into()), window, Arc::new(Conversation::direct(9, 4)))
    }

    fn id(frame: Out) -> String {
        let Out::Send(send) = frame else { panic!("a send is wanted") };
        send.command_id
    }

    #[test]
    fn the_first_answer_counts() {
        let (mut outbox, window, conversation) = outbox();
        let command_id = id(outbox.send(&window, &conversation, Instant::now()));
        let ack = Ack { conversation_id: conversation.id.clone(), command_id, seq: 1, message_id: 5, ..Ack::default() };
        assert_eq!(outbox.acknowledged(&window, ack.clone()), Some(0));
        assert_eq!(outbox.acknowledged(&window, ack), None);
        assert_eq!((outbox.unanswered(), outbox.stored(), outbox.stored_within(&window)), (0, 1, 1));
        assert!(outbox.stored_behind_us(0).is_some() && outbox.stored_behind_us(1).is_none(), "it is at place 1");
    }

    #[test]
    fn what_is_refused_for_now_is_abandoned_and_what_is_refused_for_good_is_told() {
        let (mut outbox, window, conversation) = outbox();
        let refusal = |code: ErrorCode, command_id| ErrorFrame {
            error: Some(proto::Error::new(code).into()),
            command_id,
            ..ErrorFrame::default()
        };
        let for_now = id(outbox.send(&window, &conversation, Instant::now()));
        let abandoned = outbox.refused(&window, refusal(ErrorCode::Overloaded, for_now.clone()));
        assert!(matches!(abandoned, Some(Out::Abandon(abandon)) if abandon.command_id == for_now));
        let for_good = id(outbox.send(&window, &conversation, Instant::now()));
        assert!(outbox.refused(&window, refusal(ErrorCode::NotAMember, for_good)).is_none());
        assert!(outbox.refused(&window, refusal(ErrorCode::Overloaded, String::new())).is_none());
        assert!(matches!(outbox.events.last(), Some(Event::Rejected { code, .. }) if code == "not_a_member"));
        assert_eq!((outbox.unanswered(), outbox.stored(), outbox.refused["overloaded"]), (0, 0, 2));
    }
}
