//! Writes down what the clients see, in memory for the ledger and in a file for later.

use std::{
    collections::HashSet,
    io,
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use tokio_util::sync::CancellationToken;

use super::fault::Fault;
use crate::ledger::{Event, Header, HistoryWriter};

/// What has been seen so far.
struct Log {
    events: Vec<Event>,
    /// Commands without an outcome.
    open: HashSet<(String, i64, String)>,
    /// Until it fails, or is finished.
    file: Option<HistoryWriter>,
    failed: Option<io::Error>,
}

/// Shared by all who see something.
pub(super) struct Recorder {
    started: Instant,
    log: Mutex<Log>,
    clients: AtomicU64,
    /// Nobody is to say anything new.
    pub(super) stopping: CancellationToken,
}

impl Recorder {
    pub(super) fn create(path: &Path, header: &Header) -> io::Result<Arc<Self>> {
        let file = Some(HistoryWriter::create(path, header)?);
        let log = Log { events: Vec::new(), open: HashSet::new(), file, failed: None };
        let (started, clients, stopping) = (Instant::now(), AtomicU64::new(0), CancellationToken::new());
        Ok(Arc::new(Self { started, log: Mutex::new(log), clients, stopping }))
    }

    pub(super) fn now_us(&self) -> u64 {
        self.us_of(Instant::now())
    }

    /// When that was.
    pub(super) fn us_of(&self, time: Instant) -> u64 {
        u64::try_from(time.duration_since(self.started).as_micros()).unwrap_or(u64::MAX)
    }

    pub(super) fn note(&self, event: Event) {
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        let log = &mut *log;
        match &event {
            Event::Sent { user, conversation, command, .. } => {
                log.open.insert((conversation.clone(), *user, command.clone()));
            }
            Event::Stored { user, conversation, command, .. } | Event::Rejected { user, conversation, command, .. } => {
                log.open.remove(&(conversation.clone(), *user, command.clone()));
            }
            _ => {}
        }
        if let Some(Err(error)) = log.file.as_mut().map(|file| file.add(&event)) {
            (log.file, log.failed) = (None, Some(error));
        }
        log.events.push(event);
    }

    pub(super) fn next_client(&self) -> u64 {
        self.clients.fetch_add(1, Ordering::Relaxed)
    }

    pub(super) fn sent(&self, client: u64, user: i64, (conversation, command): (&str, &str)) {
        let (conversation, command) = (conversation.to_owned(), command.to_owned());
        self.note(Event::Sent { at_us: self.now_us(), client, user, conversation, command });
    }

    /// Commands without an outcome.
    pub(super) fn in_flight(&self) -> usize {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).open.len()
    }

    /// A fault has taken effect just now.
    pub(super) fn struck(&self, fault: Fault) {
        let in_flight = self.in_flight() as u64;
        self.note(Event::Struck { at_us: self.now_us(), fault: fault.to_string(), in_flight });
    }

    /// Ends the file, and gives what was written down.
    ///
    /// # Errors
    /// If not all of it is in the file.
    pub(super) fn finish(&self) -> io::Result<Vec<Event>> {
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(error) = log.failed.take() {
            return Err(error);
        }
        if let Some(file) = log.file.take() {
            file.finish()?;
        }
        Ok(std::mem::take(&mut log.events))
    }
}
