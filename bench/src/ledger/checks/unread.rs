//! Counts agree with the log and the cursor.

use super::{super::view::View, Report, Violation};

pub(super) fn check(view: &View<'_>, report: &mut Report) {
    for ((user, conversation), (told, read_seq)) in &view.unread {
        let visible = view.visible(*user, conversation);
        let after = visible.iter().filter(|entry| entry.countable && entry.seq > *read_seq).count();
        if i64::try_from(after).ok() != Some(*told) {
            let what = format!("{conversation} of user {user}: told {told}, {after} after {read_seq}");
            report.violations.push(Violation::WrongUnread(what));
        }
    }
}
