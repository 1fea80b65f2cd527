//! Counts agree with the log and the cursor, on every device of a user; in the log messages are numbered one by one.

use super::{super::view::View, Report, Violation};

pub(super) fn check(view: &View<'_>, report: &mut Report) {
    numbers(view, report);
    for ((user, conversation), told) in &view.unread {
        let Some(first) = told.first().filter(|_| view.is_known(conversation)) else { continue };
        for other in told.iter().filter(|other| (other.unread, other.read_seq) != (first.unread, first.read_seq)) {
            let what = format!(
                "{conversation} of user {user}: {} after {} on device {}, {} after {} on device {}",
                first.unread, first.read_seq, first.device, other.unread, other.read_seq, other.device
            );
            report.violations.push(Violation::WrongUnread(what));
        }
        let visible = view.visible(*user, conversation);
        let after = visible.iter().filter(|entry| entry.countable && entry.seq > first.read_seq).count();
        if i64::try_from(after).ok() != Some(first.unread) {
            let what =
                format!("{conversation} of user {user}: told {}, {after} after {}", first.unread, first.read_seq);
            report.violations.push(Violation::WrongUnread(what));
        }
    }
}

/// What unread counts are made of.
fn numbers(view: &View<'_>, report: &mut Report) {
    for (conversation, log) in &view.logs {
        let mut messages = log.iter().filter(|entry| entry.countable).zip(1..);
        if let Some((entry, number)) = messages.find(|(entry, number)| entry.msg_no != *number) {
            let what = format!("{conversation}/{} is message {number}, and is numbered {}", entry.seq, entry.msg_no);
            report.violations.push(Violation::WrongUnread(what));
        }
    }
}
