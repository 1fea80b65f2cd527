//! How a floor is measured, and what its operations carry.

use std::{fmt, time::Instant};

use crate::measure::Length;

/// Connections of the floors that have many, unless something else is asked for.
pub(crate) const SOCKETS: u32 = 5_000;

/// When an operation begins.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Pace {
    /// So many a second at intended times, one after the other: how long an operation takes. Its CPU has all that waking up
    /// costs.
    Rate(f64),
    /// The same over so many lanes: with others beside it on the machine, an operation takes longer than until the next one is due.
    Dealt { rate: f64, lanes: u32 },
    /// So many unanswered, each as soon as the one before it is done: the CPU of an operation under load, which is what a
    /// closed loop compares with.
    InFlight(u32),
}

impl fmt::Display for Pace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rate(rate) | Self::Dealt { rate, .. } => write!(f, "{rate}/s"),
            Self::InFlight(lanes) => write!(f, "{lanes} in flight"),
        }
    }
}

/// How they are measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FloorPlan {
    pub(crate) pace: Pace,
    pub(crate) length: Length,
    pub(crate) payload_bytes: u32,
    /// Connections of the floors that have many.
    pub(crate) sockets: u32,
    /// When it begins, with others that begin then; else as soon as it can.
    pub(crate) begin: Option<Instant>,
    pub(crate) seed: u64,
}

impl FloorPlan {
    /// So many operations a second.
    pub(crate) const fn at_rate(rate: f64, length: Length, payload_bytes: u32, seed: u64) -> Self {
        Self { pace: Pace::Rate(rate), length, payload_bytes, sockets: SOCKETS, begin: None, seed }
    }

    /// How many operations there are at the same time.
    pub(super) const fn lanes(&self) -> u32 {
        match self.pace {
            Pace::Rate(_) => 1,
            Pace::Dealt { lanes, .. } | Pace::InFlight(lanes) => lanes,
        }
    }

    /// The bytes of an operation, which begin with its number.
    pub(super) fn payload(&self, number: u64) -> Vec<u8> {
        let mut bytes = vec![b'x'; self.payload_bytes as usize];
        let head = number.to_be_bytes();
        let length = head.len().min(bytes.len());
        bytes[..length].copy_from_slice(&head[..length]);
        bytes
    }
}

/// The number at the beginning of a payload.
pub(super) fn number_of(payload: &[u8]) -> Option<u64> {
    payload.first_chunk().map(|head| u64::from_be_bytes(*head))
}

/// Whose an operation is.
pub(super) fn lane<T>(lanes: &[T], number: u64) -> &T {
    &lanes[(number % lanes.len() as u64) as usize]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_has_its_size_and_tells_its_number() {
        let plan = FloorPlan::at_rate(1.0, Length { seconds: 1, warm_up_seconds: 0 }, 200, 1);
        assert_eq!(plan.payload(70_000).len(), 200);
        assert_eq!(number_of(&plan.payload(70_000)), Some(70_000));
        assert_eq!(number_of(b"short"), None);
        assert_eq!([0, 1, 2, 3, 7].map(|number| *lane(&["a", "b", "c"], number)), ["a", "b", "c", "a", "b"]);
    }
}
