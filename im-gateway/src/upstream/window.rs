//! The commands in flight: what bounds admission, and who waits for which outcome.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;
use im_infra::{ids::UserId, telemetry::Telemetry};
use proto::{Error, ErrorCode, mq};
use tokio::sync::oneshot;

use crate::{config::WindowOptions, connections::Connection, metrics::Metrics};

/// When to come again if the window is full.
const RETRY_AFTER_MS: u64 = 200;
/// Who may wait for one command at once: its resends.
const WAITERS_MAX: usize = 16;

/// A command's identity.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// Who.
    pub user_id: UserId,
    /// To what.
    pub conversation_id: String,
    /// Unique per user and conversation.
    pub command_id: String,
}

/// Who waits for an outcome.
pub trait Waits {
    /// Whether nobody is there any more: another one may have the place.
    fn has_gone(&self) -> bool;
}

/// Who wants to know.
pub(crate) enum Waiter {
    /// A connection: gets a frame.
    Connection(Arc<Connection>),
    /// An HTTP request.
    Request(oneshot::Sender<mq::outcome::Result>),
}

impl Waits for Waiter {
    fn has_gone(&self) -> bool {
        matches!(self, Self::Request(request) if request.is_closed())
    }
}

/// The table of commands in flight.
pub struct Window<W> {
    state: Mutex<State<W>>,
    options: WindowOptions,
    metrics: Arc<Metrics>,
}

struct State<W> {
    commands: HashMap<Key, InFlight<W>>,
    /// In the order of admission; what has been answered is skipped.
    ages: VecDeque<(Instant, Key)>,
    bytes: usize,
}

struct InFlight<W> {
    admitted: Instant,
    payload_hash: Bytes,
    bytes: usize,
    waiters: Vec<W>,
}

/// What to do with an admitted command.
#[derive(Debug, PartialEq, Eq)]
pub enum Admitted {
    /// Produce it.
    New,
    /// It is in flight: the waiter was added to it.
    Attached,
}

impl<W: Waits> Window<W> {
    pub(crate) fn new(options: WindowOptions, metrics: Arc<Metrics>) -> Self {
        let state = State { commands: HashMap::new(), ages: VecDeque::new(), bytes: 0 };
        Self { state: Mutex::new(state), options, metrics }
    }

    /// A window of its own, for who has no gateway around it.
    pub fn alone(options: WindowOptions, telemetry: &Telemetry) -> Self {
        Self::new(options, Arc::new(Metrics::new(telemetry)))
    }

    fn lock(&self) -> MutexGuard<'_, State<W>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Admits a command of this hash and so many bytes, or refuses it for now.
    ///
    /// # Errors
    /// `overloaded` if there is no room; `conflict` if the same id is in flight with another payload.
    pub fn admit(
        &self,
        key: Key,
        (payload_hash, bytes): (Bytes, usize),
        waiter: W,
        now: Instant,
    ) -> Result<Admitted, Error> {
        let mut state = self.lock();
        let overloaded = || Error::new(ErrorCode::Overloaded).retry_after_ms(RETRY_AFTER_MS);
        if let Some(same) = state.commands.get_mut(&key) {
            if same.payload_hash != payload_hash {
                return Err(ErrorCode::Conflict.into());
            }
            // Requests whose client has gone make room.
            same.waiters.retain(|waiter| !waiter.has_gone());
            if same.waiters.len() >= WAITERS_MAX {
                return Err(overloaded());
            }
            same.waiters.push(waiter);
            return Ok(Admitted::Attached);
        }
        let oldest = state.ages.front().map_or(Duration::ZERO, |(admitted, _)| now - *admitted);
        let full = state.commands.len() >= self.options.commands_max
            || state.bytes + bytes > self.options.bytes_max
            || oldest > Duration::from_millis(self.options.age_max_ms);
        if full {
            return Err(overloaded());
        }
        state.bytes += bytes;
        state.ages.push_back((now, key.clone()));
        state.commands.insert(key, InFlight { admitted: now, payload_hash, bytes, waiters: vec![waiter] });
        drop(state);
        self.metrics.window_commands.add(1, &[]);
        Ok(Admitted::New)
    }

    /// The outcome of a command of this hash came: who waits for it. An outcome may come late and more than once, and meanwhile
    /// the id may have come with another payload: who waits for that goes on to wait. Without a hash, from an im-logic of before,
    /// it is taken for the outcome of whatever is in flight.
    pub fn settle(&self, key: &Key, payload_hash: &[u8]) -> Vec<W> {
        let mut state = self.lock();
        let is_another = |command: &InFlight<W>| !payload_hash.is_empty() && command.payload_hash != payload_hash;
        if state.commands.get(key).is_some_and(is_another) {
            return Vec::new();
        }
        let settled = state.remove(key);
        drop(state);
        let Some(settled) = settled else { return Vec::new() };
        self.metrics.window_commands.add(-1, &[]);
        self.metrics.window_duration.record(settled.admitted.elapsed().as_secs_f64(), &[]);
        settled.waiters
    }

    /// Gives up what waited too long: the outcome is unknown.
    pub fn expire(&self, now: Instant) -> Vec<(Key, Vec<W>)> {
        let age_max = Duration::from_millis(self.options.age_max_ms);
        let mut state = self.lock();
        let mut expired = Vec::new();
        while let Some((admitted, key)) = state.ages.front().cloned()
            && now.saturating_duration_since(admitted) >= age_max
        {
            state.ages.pop_front();
            if let Some(command) = state.remove(&key) {
                expired.push((key, command.waiters));
            }
        }
        drop(state);
        self.metrics.window_commands.add(-i64::try_from(expired.len()).unwrap_or(0), &[]);
        expired
    }
}

impl<W> State<W> {
    fn remove(&mut self, key: &Key) -> Option<InFlight<W>> {
        let command = self.commands.remove(key)?;
        self.bytes -= command.bytes;
        while let Some((admitted, oldest)) = self.ages.front()
            && self.commands.get(oldest).is_none_or(|command| command.admitted != *admitted)
        {
            self.ages.pop_front();
        }
        Some(command)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(commands_max: usize, bytes_max: usize) -> Window<Waiter> {
        Window::alone(WindowOptions { commands_max, bytes_max, age_max_ms: 1_000 }, &Telemetry::for_tests())
    }

    fn key(command_id: &str) -> Key {
        Key { user_id: 1, conversation_id: "d:1:2".into(), command_id: command_id.into() }
    }

    fn admit(window: &Window<Waiter>, command_id: &str, bytes: usize) -> Result<Admitted, ErrorCode> {
        let (sender, _) = oneshot::channel();
        let command = (Bytes::from_static(b"h"), bytes);
        window.admit(key(command_id), command, Waiter::Request(sender), Instant::now()).map_err(|error| error.code())
    }

    #[test]
    fn r01_a_resend_of_a_command_in_flight_attaches_to_it() {
        let window = window(10, 1_000);
        let mut requests = Vec::new();
        let mut admit = |hash: &'static str| {
            let (sender, receiver) = oneshot::channel();
            requests.push(receiver);
            let command = (Bytes::from_static(hash.as_bytes()), 1);
            window.admit(key("a"), command, Waiter::Request(sender), Instant::now()).map_err(|error| error.code())
        };
        assert_eq!(admit("h"), Ok(Admitted::New));
        assert_eq!(admit("h"), Ok(Admitted::Attached));
        assert_eq!(admit("other"), Err(ErrorCode::Conflict));
        // A request whose client has gone makes room for the next.
        drop(requests.remove(1));
        let again = || (Bytes::from_static(b"h"), 1);
        let admit = |_| window.admit(key("a"), again(), Waiter::Request(oneshot::channel().0), Instant::now());
        assert!((0..2 * WAITERS_MAX).all(|number| admit(number).is_ok()));
        assert!(!window.settle(&key("a"), b"h").is_empty());
        assert!(window.settle(&key("a"), b"h").is_empty());
    }

    #[test]
    fn r01_an_outcome_settles_only_who_waits_for_its_payload() {
        let window = window(10, 1_000);
        let admit = |hash: &'static str, now: Instant| {
            let (sender, receiver) = oneshot::channel();
            let command = (Bytes::from_static(hash.as_bytes()), 1);
            let admitted = window.admit(key("a"), command, Waiter::Request(sender), now).map_err(|error| error.code());
            (admitted, receiver)
        };
        let (begin, later) = (Instant::now(), Instant::now() + Duration::from_secs(2));
        let (first, _first) = admit("first", begin);
        let (second, mut refused) = admit("second", begin);
        assert_eq!((first, second), (Ok(Admitted::New), Err(ErrorCode::Conflict)));
        // Nobody keeps the second one's waiter: it is not told what became of the first.
        assert_eq!(refused.try_recv(), Err(oneshot::error::TryRecvError::Closed));
        assert_eq!(window.expire(later).len(), 1);
        // The first one is given up, and its outcome comes after all.
        let (second, _second) = admit("second", later);
        assert_eq!(second, Ok(Admitted::New));
        assert!(window.settle(&key("a"), b"first").is_empty());
        let (again, _again) = admit("second", later);
        assert_eq!(again, Ok(Admitted::Attached), "it is in flight as before");
        assert_eq!(window.settle(&key("a"), b"second").len(), 2);
        assert!(window.settle(&key("a"), b"second").is_empty());
    }

    #[test]
    fn r01_an_outcome_without_a_hash_settles_whatever_is_in_flight() {
        let window = window(10, 1_000);
        admit(&window, "a", 1).unwrap();
        assert_eq!(window.settle(&key("a"), b"").len(), 1);
        assert!(window.settle(&key("a"), b"").is_empty());
    }

    #[test]
    fn r01_the_window_is_bounded_by_count_and_bytes() {
        let by_count = window(2, 1_000);
        assert!(admit(&by_count, "a", 1).is_ok() && admit(&by_count, "b", 1).is_ok());
        assert_eq!(admit(&by_count, "c", 1), Err(ErrorCode::Overloaded));
        by_count.settle(&key("a"), b"h");
        assert!(admit(&by_count, "c", 1).is_ok());
        let by_bytes = window(10, 10);
        assert!(admit(&by_bytes, "a", 8).is_ok());
        assert_eq!(admit(&by_bytes, "b", 8), Err(ErrorCode::Overloaded));
    }

    #[test]
    fn r01_only_age_ends_the_waiting() {
        let window = window(10, 1_000);
        admit(&window, "a", 1).unwrap();
        admit(&window, "b", 1).unwrap();
        window.settle(&key("a"), b"h");
        assert!(window.expire(Instant::now()).is_empty());
        let expired = window.expire(Instant::now() + Duration::from_secs(2));
        assert_eq!(expired.iter().map(|(key, _)| &*key.command_id).collect::<Vec<_>>(), ["b"]);
    }
}
