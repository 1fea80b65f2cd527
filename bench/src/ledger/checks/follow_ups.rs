//! What the server adds by itself follows from an entry before it, of the right kind, and once.

use super::{
    super::{entry::Entry, view::View},
    Report, Violation,
};

/// What ends the id of the entry by which a conversation becomes large.
const LARGE: &str = "large";

/// Whether an entry is the server's own.
pub(super) fn is_one(entry: &Entry) -> bool {
    entry.sender == 0
}

pub(super) fn check(view: &View<'_>, report: &mut Report) {
    for (conversation, log) in &view.logs {
        let mut flipped = None;
        for entry in log.iter().filter(|entry| is_one(entry)) {
            let place = format!("{conversation}/{} ({})", entry.seq, entry.command);
            let Some(cause) = cause(conversation, entry) else {
                report.violations.push(Violation::Phantom(format!("{place} follows from nothing")));
                continue;
            };
            // Only that somebody came makes a conversation large.
            if !log.iter().any(|found| found.seq == cause && !found.members.is_empty()) {
                let what = format!("{place}: at {cause} is no entry by which anybody came");
                report.violations.push(Violation::Phantom(what));
            }
            if let Some(first) = flipped.replace(entry.seq) {
                report.violations.push(Violation::Doubled(format!("{place}: it was large since {first}")));
            }
        }
    }
}

/// The place of the entry that it names as its cause, `~conversation:seq:large`; none if it cannot be one.
fn cause(conversation: &str, entry: &Entry) -> Option<i64> {
    let rest = entry.command.strip_prefix('~')?.strip_prefix(conversation)?.strip_prefix(':')?;
    let (cause, kind) = rest.split_once(':')?;
    let cause = cause.parse::<i64>().ok()?;
    (kind == LARGE && !entry.countable && (1..entry.seq).contains(&cause)).then_some(cause)
}
