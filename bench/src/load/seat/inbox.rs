//! What one connection was pushed, kept small: thousands of connections are, and each entry comes to all of them.

use std::collections::HashSet;

use im_bench::ledger::Event;
use proto::message::Entry;

use super::{
    naming::{Name, Run},
    witness::Witness,
};

/// What an entry came of.
enum Cause {
    Ours(Name),
    Other(Box<str>),
}

/// A pushed entry.
struct Push {
    at_us: u64,
    seq: i64,
    message_id: i64,
    /// Index of its conversation.
    conversation: usize,
    cause: Cause,
    /// Whether it had not come before.
    is_first: bool,
}

/// A conversation of which something came.
struct Known {
    id: String,
    newest: i64,
}

/// Everything that was pushed.
pub(crate) struct Inbox {
    pub(crate) witness: Witness,
    run: Run,
    known: Vec<Known>,
    pushes: Vec<Push>,
    come: HashSet<Name>,
}

impl Inbox {
    pub(crate) fn of(witness: Witness, run: Run) -> Self {
        Self { witness, run, known: Vec::new(), pushes: Vec::new(), come: HashSet::new() }
    }

    /// Keeps an entry; answers whether it is a message of this run that had not come before.
    pub(crate) fn take(&mut self, at_us: u64, entry: Entry) -> bool {
        // A handful at most.
        let known = self.known.iter().position(|known| known.id == entry.conversation_id);
        let conversation = known.unwrap_or_else(|| {
            self.known.push(Known { id: entry.conversation_id, newest: 0 });
            self.known.len() - 1
        });
        let newest = &mut self.known[conversation].newest;
        *newest = entry.seq.max(*newest);
        let (cause, is_first) = match self.run.name_of(&entry.command_id) {
            Some(name) => (Cause::Ours(name), self.come.insert(name)),
            None => (Cause::Other(entry.command_id.into()), false),
        };
        let (seq, message_id) = (entry.seq, entry.message_id);
        self.pushes.push(Push { at_us, seq, message_id, conversation, cause, is_first });
        is_first
    }

    /// The highest seq of a conversation that came; 0 if nothing did.
    pub(crate) fn newest(&self, conversation: &str) -> i64 {
        self.known.iter().find(|known| known.id == conversation).map_or(0, |known| known.newest)
    }

    /// The run's messages, by when each came first.
    pub(crate) fn arrivals(&self) -> impl Iterator<Item = (Name, u64)> {
        self.pushes.iter().filter(|push| push.is_first).filter_map(|push| match push.cause {
            Cause::Ours(name) => Some((name, push.at_us)),
            Cause::Other(_) => None,
        })
    }

    /// Pushes of a conversation, for the ledger.
    pub(crate) fn events(&self, conversation: &str) -> impl Iterator<Item = Event> {
        let index = self.known.iter().position(|known| known.id == conversation);
        self.pushes.iter().filter(move |push| Some(push.conversation) == index).map(move |push| {
            let (client, user) = (self.witness.client, self.witness.user);
            let command = match &push.cause {
                Cause::Ours(name) => self.run.command(*name),
                Cause::Other(command) => command.to_string(),
            };
            let (at_us, seq, message_id) = (push.at_us, push.seq, push.message_id);
            let conversation = self.known[push.conversation].id.clone();
            Event::Pushed { at_us, client, user, conversation, seq, message_id, command }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_twice_counts_once_and_is_told_twice() {
        let run = Run::begin();
        let mut inbox = Inbox::of(Witness { client: 1, user: 2 }, run.clone());
        let command_id = run.command(Name { client: 0, number: 4 });
        let entry = |seq, command_id: &str| Entry {
            conversation_id: "g:1".into(),
            seq,
            message_id: seq * 10,
            command_id: command_id.into(),
            ..Entry::default()
        };
        assert!(inbox.take(5, entry(2, &command_id)));
        assert!(!inbox.take(6, entry(2, &command_id)));
        assert!(!inbox.take(7, entry(3, "~g:1:2:fan_out")));
        assert_eq!(inbox.arrivals().collect::<Vec<_>>(), [(Name { client: 0, number: 4 }, 5)]);
        let commands: Vec<String> = inbox
            .events("g:1")
            .map(|event| match event {
                Event::Pushed { command, .. } => command,
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(commands, [command_id.as_str(), command_id.as_str(), "~g:1:2:fan_out"]);
        assert_eq!((inbox.newest("g:1"), inbox.newest("g:2"), inbox.events("g:2").count()), (3, 0, 0));
    }
}
