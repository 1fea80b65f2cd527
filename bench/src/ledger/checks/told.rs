//! Outcomes and pushes agree with each other, whatever the log says: the part that is left of a history without its end.

use std::collections::{BTreeMap, HashMap};

use super::{
    super::view::{Push, View},
    PARKED, Report, Violation,
};

pub(super) fn check(view: &View<'_>, report: &mut Report) {
    places(view, report);
    outcomes(view, report);
}

/// One place of a command, and one content of a place.
fn places(view: &View<'_>, report: &mut Report) {
    let mut places: BTreeMap<(&str, i64), (i64, &str)> = BTreeMap::new();
    for ((conversation, _, command), acks) in &view.acks {
        let Some(first) = acks.first() else { continue };
        for ack in &acks[1..] {
            if (ack.seq, ack.message_id) != (first.seq, first.message_id) {
                let what = format!("{conversation}: {command} was acknowledged at {} and at {}", first.seq, ack.seq);
                report.violations.push(Violation::Doubled(what));
            }
        }
        if let Some((id, other)) = places.insert((conversation, first.seq), (first.message_id, command)) {
            let what = format!("{conversation}/{} was promised to {other} ({id}) and to {command}", first.seq);
            report.violations.push(Violation::Doubled(what));
        }
    }
    let mut pushed: HashMap<(&str, i64), i64> = HashMap::new();
    for ((_, conversation), entries) in &view.pushed {
        for Push { seq, message_id, .. } in entries {
            let first = *pushed.entry((conversation, *seq)).or_insert(*message_id);
            let acked = places.get(&(*conversation, *seq)).map_or(first, |(id, _)| *id);
            if first != *message_id || acked != *message_id {
                let what = format!("{conversation}/{seq} was pushed as {message_id}, and is {first} or {acked}");
                report.violations.push(Violation::Diverged(what));
            }
        }
    }
}

/// A command that is sent again has the same outcome. What names no command that was sent is about something else.
fn outcomes(view: &View<'_>, report: &mut Report) {
    for (key, codes) in view.rejected.iter().filter(|(key, _)| view.sent.contains_key(*key)) {
        let (conversation, user, command) = key;
        let mut codes = codes.iter().filter(|code| **code != PARKED);
        let Some(first) = codes.next() else { continue };
        let other = codes.find(|code| *code != first).map(|code| format!("rejected with {code}"));
        let other = other.or_else(|| view.acks.contains_key(key).then(|| "acknowledged".to_owned()));
        if let Some(other) = other {
            let what = format!("{conversation}, user {user}: {command} was rejected with {first} and {other}");
            report.violations.push(Violation::Doubled(what));
        }
    }
}
