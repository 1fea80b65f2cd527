//! Everybody gets what they may see, nobody gets anything else, and all see the same.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::{
    super::view::{Push, View},
    Report, Violation,
};

pub(super) fn check(view: &View<'_>, report: &mut Report) {
    pushes(view, report);
    histories(view, report);
}

fn pushes(view: &View<'_>, report: &mut Report) {
    for ((client, conversation), pushed) in &view.pushed {
        let Some(user) = view.lives.get(client).map(|life| life.user) else { continue };
        let Some(log) = view.logs.get(conversation) else {
            if view.complete {
                report
                    .violations
                    .push(Violation::Phantom(format!("{conversation}: pushed, and there is no log of it")));
            }
            continue;
        };
        let ids: BTreeMap<i64, i64> = log.iter().map(|entry| (entry.seq, entry.message_id)).collect();
        let places = view.places(user, conversation);
        let mut told: HashMap<i64, i64> = HashMap::new();
        for Push { seq, message_id, .. } in pushed {
            if told.insert(*seq, *message_id).is_some_and(|before| before != *message_id) {
                report
                    .violations
                    .push(Violation::Doubled(format!("{conversation}/{seq} was pushed with two contents")));
            }
            match ids.get(seq) {
                Some(id) if id == message_id => {}
                _ => report.violations.push(Violation::Phantom(format!(
                    "{conversation}/{seq} ({message_id}) was pushed and is not in the log"
                ))),
            }
            if !places.iter().any(|place| place.contains(seq)) {
                report
                    .violations
                    .push(Violation::Misdelivered(format!("{conversation}/{seq} was pushed to user {user}")));
            }
        }
    }
}

fn histories(view: &View<'_>, report: &mut Report) {
    for ((user, conversation), seen) in view.seen.iter().filter(|((_, conversation), _)| view.is_known(conversation)) {
        let due: Vec<(i64, i64)> =
            view.visible(*user, conversation).iter().map(|entry| (entry.seq, entry.message_id)).collect();
        if due == *seen {
            continue;
        }
        let (due_set, seen_set): (HashSet<_>, HashSet<_>) = (due.iter().collect(), seen.iter().collect());
        let extra: Vec<_> = seen_set.difference(&due_set).collect();
        let missing: Vec<_> = due_set.difference(&seen_set).collect();
        let what = format!(
            "{conversation} of user {user}: {} too many {extra:?}, {} missing {missing:?}",
            extra.len(),
            missing.len()
        );
        let in_log = |(seq, id): &(i64, i64)| {
            view.logs.get(conversation).is_some_and(|log| log.iter().any(|e| (e.seq, e.message_id) == (*seq, *id)))
        };
        let violation = if extra.iter().any(|entry| in_log(entry)) {
            Violation::Misdelivered(what)
        } else {
            Violation::Diverged(what)
        };
        report.violations.push(violation);
    }
}
