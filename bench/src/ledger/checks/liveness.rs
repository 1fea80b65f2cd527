//! Once nothing is wrong any more, everything is answered.

use super::{super::view::View, PARKED, Report, Violation};

/// How long the system may take to find itself again after the last fault: sessions, leases and backoffs that run out.
const GRACE_US: u64 = 10_000_000;
/// How long an answer may take then. A gateway gives up on a command after twenty seconds, and says so.
const ANSWER_MAX_US: u64 = 30_000_000;
pub(super) fn check(view: &View<'_>, report: &mut Report) {
    for ((conversation, user, command), codes) in &view.rejected {
        // Faults pass by themselves, so no command that meets one is to be given up.
        if view.healed_us.is_some() && codes.contains(&PARKED) {
            let what = format!("{conversation}, user {user}: {command} was parked");
            report.violations.push(Violation::Unanswered(what));
        }
    }
    let (Some(healed_us), Some(ended_us)) = (view.healed_us, view.ended_us) else { return };
    for (key, sent_us) in &view.sent_last {
        if view.acks.contains_key(key) || view.rejected.contains_key(key) {
            continue;
        }
        let asked_us = *sent_us.max(&(healed_us + GRACE_US));
        if asked_us + ANSWER_MAX_US <= ended_us {
            let (conversation, user, command) = key;
            let waited_s = (ended_us - asked_us) / 1_000_000;
            let what = format!("{conversation}, user {user}: {command} had no outcome for {waited_s} s");
            report.violations.push(Violation::Unanswered(what));
        }
    }
}
