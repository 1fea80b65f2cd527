//! One dense order; first in, first out per sender.

use std::collections::BTreeMap;

use super::{super::view::View, Report, Violation};

pub(super) fn check(view: &View<'_>, report: &mut Report) {
    for (conversation, log) in &view.logs {
        for (entry, expected) in log.iter().zip(1..) {
            if entry.seq != expected {
                report
                    .violations
                    .push(Violation::Reordered(format!("{conversation}: {} where {expected} should be", entry.seq)));
                break;
            }
        }
    }
    // By sender, conversation and connection, in the order of sending.
    let mut sends: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for ((conversation, user, command), acks) in &view.acks {
        let (Some(&(sent_us, client)), Some(ack)) = (view.sent.get(&(*conversation, *user, *command)), acks.first())
        else {
            continue;
        };
        sends
            .entry((*conversation, *user))
            .or_default()
            .push((sent_us, client, ack.at_us, ack.client, ack.seq, *command));
    }
    for ((conversation, user), mut sends) in sends {
        sends.sort_unstable();
        for (index, a) in sends.iter().enumerate() {
            // The next one of the same connection, and the first one sent after a's ack: those after them follow by themselves.
            let same_connection = sends[index + 1..].iter().find(|b| b.1 == a.1 && a.1 == a.3 && b.1 == b.3);
            let after_ack = sends[sends.partition_point(|b| b.0 <= a.2)..].first();
            for b in [same_connection, after_ack].into_iter().flatten().filter(|b| b.4 <= a.4) {
                let what =
                    format!("{conversation}, user {user}: {} was sent before {}, but {} >= {}", a.5, b.5, a.4, b.4);
                report.violations.push(Violation::Reordered(what));
            }
        }
    }
}
