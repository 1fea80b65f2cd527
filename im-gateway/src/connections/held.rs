//! What a refusal for now holds back, so that nothing overtakes a refused command: R2 of the design.

use std::collections::{HashMap, VecDeque};

use proto::{Error, ErrorCode};

/// Commands that may be held at once; more than a client that listens has in flight.
const HELD_MAX: usize = 1_024;

/// Commands of one connection that were refused for now, by conversation, in their order: each waits for those before it to
/// come again. Nearly always empty, and then not allocated.
#[derive(Debug, Default)]
pub struct Held {
    waiting: Option<Box<Waiting>>,
}

#[derive(Debug, Default)]
struct Waiting {
    /// Never empty ones.
    conversations: HashMap<String, VecDeque<String>>,
    commands: usize,
}

impl Held {
    /// Whether a command may go ahead: not behind another one that was refused for now. If it may not, it is refused for now
    /// itself, and what is sent after it waits for it, too: the refusal may reach its client after the client sent more.
    ///
    /// # Errors
    /// `retry_in_order`, with the id of the first refused command; `out_of_step` if there is no room to remember this one.
    pub fn check(&mut self, conversation_id: &str, command_id: &str) -> Result<(), Error> {
        let Some(waiting) = self.waiting.as_mut() else { return Ok(()) };
        let Some(refused) = waiting.conversations.get_mut(conversation_id) else { return Ok(()) };
        let Some(first) = refused.front().filter(|first| *first != command_id) else {
            self.abandon(conversation_id, command_id);
            return Ok(());
        };
        let error = Error::new(ErrorCode::RetryInOrder).with("command_id", first).retry_after_ms(100);
        if refused.iter().any(|held| held == command_id) {
            return Err(error);
        }
        if waiting.commands >= HELD_MAX {
            return Err(ErrorCode::OutOfStep.into());
        }
        waiting.commands += 1;
        refused.push_back(command_id.to_owned());
        Err(error)
    }

    /// A command that might go ahead was refused for now. False: there is no room to remember it, the client has to start over.
    #[must_use]
    pub fn hold(&mut self, conversation_id: &str, command_id: &str) -> bool {
        let waiting = self.waiting.get_or_insert_default();
        if waiting.commands >= HELD_MAX {
            return false;
        }
        waiting.commands += 1;
        // What was refused behind it has not come again.
        waiting.conversations.entry(conversation_id.to_owned()).or_default().push_front(command_id.to_owned());
        true
    }

    /// Nothing waits for this command any more.
    pub fn abandon(&mut self, conversation_id: &str, command_id: &str) {
        let Some(waiting) = self.waiting.as_mut() else { return };
        let Some(refused) = waiting.conversations.get_mut(conversation_id) else { return };
        let Some(place) = refused.iter().position(|held| held == command_id) else { return };
        refused.remove(place);
        waiting.commands -= 1;
        if refused.is_empty() {
            waiting.conversations.remove(conversation_id);
        }
        if waiting.commands == 0 {
            self.waiting = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(held: &mut Held, command_id: &str) -> Result<(), String> {
        held.check("d:1:2", command_id).map_err(|error| match error.code() {
            ErrorCode::RetryInOrder => error.params()["command_id"].clone(),
            code => code.to_string(),
        })
    }

    #[test]
    fn r02_whatever_was_refused_comes_again_in_its_order_before_anything_new() {
        let mut held = Held::default();
        assert!(held.hold("d:1:2", "a"));
        // Two are on their way still when `a` is refused.
        assert_eq!((check(&mut held, "b"), check(&mut held, "c")), (Err("a".into()), Err("a".into())));
        assert_eq!(check(&mut held, "a"), Ok(()));
        // Sent before the client learned that `b` and `c` were refused.
        assert_eq!(check(&mut held, "d"), Err("b".into()));
        assert_eq!(check(&mut held, "c"), Err("b".into()), "in their order");
        assert_eq!(check(&mut held, "b"), Ok(()));
        assert!(held.hold("d:1:2", "b"), "refused for now once more");
        assert_eq!(check(&mut held, "c"), Err("b".into()));
        for command in ["b", "c", "d", "e"] {
            assert_eq!(check(&mut held, command), Ok(()), "{command}");
        }
        assert!(held.waiting.is_none());
    }

    #[test]
    fn r02_what_is_abandoned_lets_the_next_one_go_ahead_and_no_other() {
        let mut held = Held::default();
        assert!(held.hold("d:1:2", "a"));
        assert_eq!((check(&mut held, "b"), check(&mut held, "c")), (Err("a".into()), Err("a".into())));
        held.abandon("d:1:2", "a");
        assert_eq!(check(&mut held, "d"), Err("b".into()));
        held.abandon("d:1:2", "c");
        assert_eq!((check(&mut held, "b"), check(&mut held, "d"), check(&mut held, "c")), (Ok(()), Ok(()), Ok(())));
        assert!(held.waiting.is_none());
    }

    #[test]
    fn r02_what_is_held_is_bounded() {
        let mut held = Held::default();
        assert!(held.hold("d:1:2", "0"));
        for number in 1..HELD_MAX {
            assert_eq!(check(&mut held, &number.to_string()), Err("0".into()));
        }
        assert_eq!(check(&mut held, "more"), Err("out_of_step".into()));
        assert!(!held.hold("d:1:3", "more"));
        assert_eq!(check(&mut held, "1"), Err("0".into()), "one that is held takes no room");
    }
}
