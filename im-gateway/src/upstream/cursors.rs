//! Read cursors, coalesced: the highest per user and conversation, once a second.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use im_infra::ids::UserId;
use proto::{Error, ErrorCode, mq::ReadCursor};

use super::Intake;

/// Cursors that may wait for the next second.
const WAITING_MAX: usize = 100_000;

/// And of one user: they travel in one record.
const OF_USER_MAX: usize = 1_000;

/// Cursors that wait.
#[derive(Default)]
pub(crate) struct Cursors {
    waiting: Mutex<HashMap<UserId, HashMap<String, i64>>>,
}

impl Cursors {
    pub(crate) fn put(&self, user_id: UserId, conversation_id: String, read_seq: i64) -> Result<(), Error> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() >= WAITING_MAX && !waiting.contains_key(&user_id) {
            return Err(Error::new(ErrorCode::Overloaded).retry_after_ms(1_000));
        }
        let of_user = waiting.entry(user_id).or_default();
        if of_user.len() >= OF_USER_MAX && !of_user.contains_key(&conversation_id) {
            return Err(Error::new(ErrorCode::Overloaded).retry_after_ms(1_000));
        }
        let slot = of_user.entry(conversation_id).or_default();
        *slot = (*slot).max(read_seq);
        Ok(())
    }

    /// Sends what waits; what cannot be sent now waits on.
    pub(crate) fn flush(&self, intake: &Intake) {
        let waiting = std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        for (user_id, cursors) in waiting {
            let cursor = |(conversation_id, read_seq): (&String, &i64)| ReadCursor {
                conversation_id: conversation_id.clone(),
                read_seq: *read_seq,
            };
            if intake.take_cursors(user_id, cursors.iter().map(cursor).collect()).is_err() {
                for (conversation_id, read_seq) in cursors {
                    // Full again: the device's next sync carries its cursors.
                    let _ = self.put(user_id, conversation_id, read_seq);
                }
            }
        }
    }
}
