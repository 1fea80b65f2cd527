//! Routes that ran out, put aside to be removed with a later look-up.

use std::{
    mem,
    sync::{Mutex, PoisonError},
};

use redis::Pipeline;

/// How many are remembered; what does not fit is found again.
const STALE_MAX: usize = 1_000;

/// Removes a field that nobody has written again since it was read.
const REMOVE_UNCHANGED: &str = "
    if redis.call('HGET', KEYS[1], ARGV[1]) == ARGV[2] then
        return redis.call('HDEL', KEYS[1], ARGV[1])
    end
    return 0";

/// Routes that ran out.
#[derive(Default)]
pub(super) struct StaleRoutes {
    waiting: Mutex<Vec<Stale>>,
}

/// A route that ran out, as it was read.
pub(super) struct Stale {
    pub(super) key: String,
    pub(super) field: String,
    pub(super) value: String,
}

impl StaleRoutes {
    pub(super) fn put_aside(&self, stale: Stale) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() < STALE_MAX {
            waiting.push(stale);
        }
    }

    /// Lets the commands remove what was put aside.
    pub(super) fn clear_away(&self, pipe: &mut Pipeline) {
        let waiting = mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        for Stale { key, field, value } in waiting {
            pipe.cmd("EVAL").arg(REMOVE_UNCHANGED).arg(1).arg(key).arg(field).arg(value).ignore();
        }
    }
}
