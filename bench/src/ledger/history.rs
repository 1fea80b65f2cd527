//! A history in a file: packed lines of JSON, first what it is of, then an event each, last how many there were.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, BufWriter, Read as _, Seek as _, Write as _},
    path::Path,
    time::{Duration, Instant},
};

use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use serde::{Deserialize, Serialize};

use super::event::Event;

/// How its lines are to be read.
const VERSION: u32 = 1;
/// How much of it a killed driver may lose.
const FLUSH_EVERY: Duration = Duration::from_secs(1);
/// The first bytes of a packed file (RFC 1952, 2.3.1).
const PACKED: [u8; 2] = [0x1f, 0x8b];

/// What a history is of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// How the lines are to be read.
    pub history: u32,
    /// What was done.
    pub scenario: String,
    /// From what it can be done again.
    pub seed: u64,
    /// The rest, as the driver has it.
    pub details: serde_json::Value,
}

impl Header {
    /// Of a history of this version.
    pub fn of(scenario: impl Into<String>, seed: u64, details: serde_json::Value) -> Self {
        Self { history: VERSION, scenario: scenario.into(), seed, details }
    }
}

/// The last line.
#[derive(Serialize, Deserialize)]
struct End {
    /// How many events came before it.
    events: usize,
}

/// What is read of the first line of any version.
#[derive(Deserialize)]
struct Version {
    history: u32,
}

/// Why a file holds no history.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// It cannot be read.
    #[error("cannot be read: {0}")]
    Unreadable(#[from] io::Error),
    /// It begins with something else.
    #[error("holds no history: {0}")]
    Foreign(String),
    /// Its lines are of another version.
    #[error("holds a history of version {0}; this program reads version {known}", known = VERSION)]
    Version(u32),
}

/// Writes a history while it happens.
pub struct HistoryWriter {
    file: GzEncoder<BufWriter<File>>,
    events: usize,
    flushed: Instant,
}

impl HistoryWriter {
    /// A new file; one that is there is replaced.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn create(path: &Path, header: &Header) -> io::Result<Self> {
        let file = GzEncoder::new(BufWriter::new(File::create(path)?), Compression::fast());
        let mut writer = Self { file, events: 0, flushed: Instant::now() };
        writer.line(header)?;
        writer.file.flush()?;
        Ok(writer)
    }

    /// Adds an event. What is a second old is in the file, whatever becomes of the driver.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn add(&mut self, event: &Event) -> io::Result<()> {
        self.line(event)?;
        self.events += 1;
        if self.flushed.elapsed() >= FLUSH_EVERY {
            self.file.flush()?;
            self.flushed = Instant::now();
        }
        Ok(())
    }

    /// Says that this is all.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn finish(mut self) -> io::Result<()> {
        let end = End { events: self.events };
        self.line(&end)?;
        self.file.finish()?.flush()
    }

    fn line(&mut self, line: &impl Serialize) -> io::Result<()> {
        serde_json::to_writer(&mut self.file, line)?;
        self.file.write_all(b"\n")
    }
}

/// A history as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct History {
    /// What it is of.
    pub header: Header,
    /// What happened.
    pub events: Vec<Event>,
    /// Whether its end is there. If not, [`super::check_beginning`] is what can be asked.
    pub complete: bool,
}

impl History {
    /// Reads a file, packed or not, up to its end or to where it was cut short or damaged.
    ///
    /// # Errors
    /// If it cannot be read or holds something else from the first line on.
    pub fn read(path: &Path) -> Result<Self, HistoryError> {
        let mut file = File::open(path)?;
        let mut first = [0; PACKED.len()];
        let packed = file.read_exact(&mut first).is_ok() && first == PACKED;
        file.rewind()?;
        if packed { Self::of(BufReader::new(GzDecoder::new(file))) } else { Self::of(BufReader::new(file)) }
    }

    fn of(mut lines: impl BufRead) -> Result<Self, HistoryError> {
        let mut line = Vec::new();
        lines.read_until(b'\n', &mut line)?;
        let foreign = |error: serde_json::Error| HistoryError::Foreign(error.to_string());
        let version = serde_json::from_slice::<Version>(&line).map_err(foreign)?.history;
        if version != VERSION {
            return Err(HistoryError::Version(version));
        }
        let header = serde_json::from_slice(&line).map_err(foreign)?;
        let mut history = Self { header, events: Vec::new(), complete: false };
        loop {
            line.clear();
            // A packed file that was cut short ends in an error.
            if !matches!(lines.read_until(b'\n', &mut line), Ok(1..)) {
                return Ok(history);
            }
            if let Ok(event) = serde_json::from_slice(&line) {
                history.events.push(event);
                continue;
            }
            let end = serde_json::from_slice::<End>(&line);
            history.complete = end.is_ok_and(|end| end.events == history.events.len());
            return Ok(history);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn events(count: u64) -> Vec<Event> {
        (0..count).map(|at_us| Event::Connected { at_us, client: at_us, user: 1 }).collect()
    }

    fn written(path: &Path, count: u64) -> Vec<Event> {
        let header = Header::of("a-scenario", 7, serde_json::json!({"users": 3}));
        let mut writer = HistoryWriter::create(path, &header).unwrap();
        let events = events(count);
        events.iter().for_each(|event| writer.add(event).unwrap());
        writer.finish().unwrap();
        events
    }

    #[test]
    fn a_history_is_read_as_it_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history");
        let events = written(&path, 100);
        let read = History::read(&path).unwrap();
        assert_eq!((read.events, read.complete), (events, true));
        assert_eq!((&*read.header.scenario, read.header.seed), ("a-scenario", 7));
        assert_eq!(read.header.details["users"], 3);
    }

    #[test]
    fn one_that_was_cut_short_is_read_as_far_as_it_goes() {
        let folder = tempfile::tempdir().unwrap();
        let (path, cut) = (folder.path().join("history"), folder.path().join("cut"));
        let events = written(&path, 2_000);
        let bytes = fs::read(&path).unwrap();
        for length in [bytes.len() / 2, bytes.len() - 9] {
            fs::write(&cut, &bytes[..length]).unwrap();
            let read = History::read(&cut).unwrap();
            assert!(!read.events.is_empty() && events.starts_with(&read.events), "{}", read.events.len());
        }
        // Unpacked, in the middle of a line.
        let mut text = serde_json::to_vec(&Header::of("x", 1, serde_json::Value::Null)).unwrap();
        text.push(b'\n');
        for event in &events[..3] {
            serde_json::to_writer(&mut text, event).unwrap();
            text.push(b'\n');
        }
        text.truncate(text.len() - 4);
        fs::write(&cut, text).unwrap();
        let read = History::read(&cut).unwrap();
        assert_eq!((read.events, read.complete), (events[..2].to_vec(), false));
    }

    #[test]
    fn what_is_no_history_is_refused_by_what_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("other");
        assert!(matches!(History::read(&path), Err(HistoryError::Unreadable(_))));
        fs::write(&path, "a text\n").unwrap();
        assert!(matches!(History::read(&path), Err(HistoryError::Foreign(_))));
        fs::write(&path, r#"{"history":2,"other":1}"#).unwrap();
        assert!(matches!(History::read(&path), Err(HistoryError::Version(2))));
    }
}
