//! What a refusal for now holds back, so that nothing overtakes the refused command: R2 of the design.

use std::collections::HashMap;

use proto::{Error, ErrorCode};

/// Conversations that may be held at once; more than a client can have in flight.
const HELD_MAX: usize = 1_024;

/// Conversations of one connection in which a command was refused for now, with that command: later ones wait for it. Nearly
/// always empty, and then not allocated.
#[derive(Debug, Default)]
pub struct Held {
    #[allow(clippy::box_collection)] // 8 bytes instead of 48 in every idle connection
    waiting: Option<Box<HashMap<String, String>>>,
}

impl Held {
    /// Whether a command may go ahead: not behind another one that was refused for now.
    ///
    /// # Errors
    /// `retry_in_order`, with the refused command's id.
    pub fn check(&mut self, conversation_id: &str, command_id: &str) -> Result<(), Error> {
        let Some(waiting) = self.waiting.as_mut() else { return Ok(()) };
        match waiting.get(conversation_id) {
            Some(refused) if refused != command_id => {
                Err(Error::new(ErrorCode::RetryInOrder).with("command_id", refused).retry_after_ms(100))
            }
            _ => {
                waiting.remove(conversation_id);
                if waiting.is_empty() {
                    self.waiting = None;
                }
                Ok(())
            }
        }
    }

    /// A command was refused for now. False: there is no room to remember it, the client has to start over.
    #[must_use]
    pub fn hold(&mut self, conversation_id: &str, command_id: &str) -> bool {
        let waiting = self.waiting.get_or_insert_default();
        if waiting.len() >= HELD_MAX {
            return false;
        }
        waiting.entry(conversation_id.to_owned()).or_insert_with(|| command_id.to_owned());
        true
    }
}
