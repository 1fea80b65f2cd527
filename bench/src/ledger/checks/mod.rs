//! What must hold of a history.

mod bounded;
mod delivery;
mod due;
mod durable;
mod fence;
mod follow_ups;
mod liveness;
mod order;
mod presence;
mod told;
mod unread;

use std::fmt;

use super::{event::Event, view::View};

/// The code of a command that was given up until an operator acts: no outcome, for what becomes of it is open.
const PARKED: &str = "parked";

/// Something that must not be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Violation {
    /// Acknowledged, and not in the log.
    Lost(String),
    /// One command, twice in the log, or with two outcomes; or one place with two contents.
    Doubled(String),
    /// Not where the ack said, a hole, or another order than that of sending.
    Reordered(String),
    /// In the log or pushed, and never sent.
    Phantom(String),
    /// Given to somebody who may not see it.
    Misdelivered(String),
    /// Written by somebody who was no member, or refused as if by one.
    Unfenced(String),
    /// A live connection never got an entry it was entitled to.
    MissedPush(String),
    /// Two users see different logs.
    Diverged(String),
    /// The count is not what the log and the cursor say, or not the same on all devices of a user.
    WrongUnread(String),
    /// A command stayed without an outcome although nothing was wrong any more.
    Unanswered(String),
    /// Who is connected is said to be away, or the other way round, after there was time to notice.
    WrongPresence(String),
    /// More was kept for a client that read nothing, or taken of memory, than there is a limit for.
    Unbounded(String),
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

/// What the ledger found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// All of them; none is what is hoped for.
    pub violations: Vec<Violation>,
    /// Commands that were sent.
    pub sent: usize,
    /// Commands that were acknowledged.
    pub acknowledged: usize,
    /// Commands without an outcome: unknown, not failed.
    pub unknown: usize,
    /// Entries in all logs.
    pub entries: usize,
    /// Pushes to live connections.
    pub pushes: usize,
    /// Entries that a live connection had to be pushed.
    pub pushes_due: usize,
    /// Of these, those that did not come, and the connection was told to sync before anything behind them came.
    pub excused: usize,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { violations, sent, acknowledged, unknown, entries, pushes, pushes_due, excused } = self;
        write!(
            f,
            "ledger: {sent} sent, {acknowledged} acknowledged, {unknown} unknown, {entries} entries, {pushes} pushes ({pushes_due} due, {excused} made up for by a resync), {} violations",
            violations.len()
        )?;
        violations.iter().take(20).try_for_each(|violation| write!(f, "\n  {violation}"))
    }
}

/// Checks a history.
pub fn check(events: &[Event]) -> Report {
    check_view(&View::of(events, true))
}

/// Checks the beginning of a history that was cut short: what has an outcome by then, and what needs no more than is there.
pub fn check_beginning(events: &[Event]) -> Report {
    check_view(&View::of(events, false))
}

fn check_view(view: &View<'_>) -> Report {
    let mut report = Report {
        sent: view.sent.len(),
        acknowledged: view.acks.len(),
        unknown: view
            .sent
            .keys()
            .filter(|key| !view.acks.contains_key(*key) && !view.rejected.contains_key(*key))
            .count(),
        entries: view.logs.values().map(|log| log.len()).sum(),
        pushes: view.pushed.values().map(Vec::len).sum(),
        ..Report::default()
    };
    durable::check(view, &mut report);
    follow_ups::check(view, &mut report);
    told::check(view, &mut report);
    order::check(view, &mut report);
    fence::check(view, &mut report);
    delivery::check(view, &mut report);
    due::check(view, &mut report);
    unread::check(view, &mut report);
    liveness::check(view, &mut report);
    presence::check(view, &mut report);
    bounded::check(view, &mut report);
    report
}

#[cfg(test)]
mod tests;
