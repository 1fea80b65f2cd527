//! What was acknowledged is there, once; what is there was sent.

use std::collections::HashMap;

use super::{super::view::View, Report, Violation, follow_ups};

pub(super) fn check(view: &View<'_>, report: &mut Report) {
    for (conversation, log) in &view.logs {
        let mut places = HashMap::new();
        for entry in *log {
            let key = (*conversation, entry.sender, &*entry.command);
            if let Some(first) = places.insert((entry.sender, &*entry.command), entry) {
                let what = format!("{key:?} at {} and {}", first.seq, entry.seq);
                report.violations.push(Violation::Doubled(what));
            }
            if !view.sent.contains_key(&key) && !follow_ups::is_one(entry) {
                report.violations.push(Violation::Phantom(format!("{key:?} at {} was never sent", entry.seq)));
            }
            if let Some(code) = view.rejected.get(&key).and_then(|codes| codes.first()) {
                report
                    .violations
                    .push(Violation::Phantom(format!("{key:?} at {} was rejected with {code}", entry.seq)));
            }
        }
        for ((_, user, command), acks) in view.acks.iter().filter(|((acked, ..), _)| acked == conversation) {
            let key = (*conversation, *user, *command);
            for ack in acks {
                match places.get(&(*user, *command)) {
                    None => report.violations.push(Violation::Lost(format!("{key:?} acknowledged at {}", ack.seq))),
                    Some(entry) if (entry.seq, entry.message_id) != (ack.seq, ack.message_id) => {
                        let what = format!(
                            "{key:?} acknowledged at {} with id {}, is at {} with id {}",
                            ack.seq, ack.message_id, entry.seq, entry.message_id
                        );
                        report.violations.push(Violation::Reordered(what));
                    }
                    Some(_) => {}
                }
            }
        }
    }
    let without = view.acks.keys().filter(|(conversation, ..)| view.complete && !view.logs.contains_key(conversation));
    for (conversation, ..) in without {
        report.violations.push(Violation::Lost(format!("{conversation}: acknowledged, and there is no log of it")));
    }
}
