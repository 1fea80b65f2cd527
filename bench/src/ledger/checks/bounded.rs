//! What waits for a client is bounded, and so is what a process takes.

use super::{super::view::View, Report, Violation};

pub(super) fn check(view: &View<'_>, report: &mut Report) {
    waiting(view, report);
    for (process, (bytes, bytes_max)) in view.memory.iter().filter(|(_, (bytes, bytes_max))| bytes > bytes_max) {
        let what = format!("{process} took {} MB, {} are allowed", bytes >> 20, bytes_max >> 20);
        report.violations.push(Violation::Unbounded(what));
    }
}

/// What was stored while a client read nothing, and came to it all the same.
fn waiting(view: &View<'_>, report: &mut Report) {
    if view.deaf.is_empty() {
        return;
    }
    let known_us = view.known_us();
    for deaf in &view.deaf {
        let mine = view.pushed.iter().filter(|((client, _), _)| *client == deaf.client);
        let waited = mine.flat_map(|((_, conversation), pushes)| pushes.iter().map(move |push| (*conversation, push)));
        let waited = waited.filter(|(conversation, push)| {
            let was_stored = known_us.get(&(*conversation, push.seq));
            push.at_us >= deaf.to_us
                && was_stored.is_some_and(|known_us| (deaf.from_us..deaf.to_us).contains(known_us))
                && is_message(view, conversation, push.seq)
        });
        let waited = waited.count();
        if waited as u64 > deaf.room {
            let (client, room) = (deaf.client, deaf.room);
            let seconds = (deaf.to_us - deaf.from_us) / 1_000_000;
            let what =
                format!("connection {client} read nothing for {seconds} s, {waited} messages waited, {room} may");
            report.violations.push(Violation::Unbounded(what));
        }
    }
}

/// The room is for messages: what else is stored is small.
fn is_message(view: &View<'_>, conversation: &str, seq: i64) -> bool {
    let Some(log) = view.logs.get(conversation) else { return false };
    log.binary_search_by_key(&seq, |entry| entry.seq).is_ok_and(|found| log[found].countable)
}
