//! Everybody gets what they may see, nobody gets anything else, and all see the same.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::{
    super::view::{Life, View},
    Report, Violation,
};

/// How long a connection must have lived on both sides of a command for its push to be judged: shorter lives may have ended
/// while the push was on its way.
const MARGIN_US: u64 = 2_000_000;
/// How long after it for a connection that ended while faults were at work: the way to it may have been cut for as long.
const MARGIN_UNDER_FAULTS_US: u64 = 10_000_000;
/// For how long before it a `resync` makes up for what was not pushed. Routes are looked after every thirty seconds.
const RESYNC_MAX_US: u64 = 40_000_000;

pub(super) fn check(view: &View<'_>, report: &mut Report) {
    pushes(view, report);
    pushes_due(view, report);
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
        let mut told: HashMap<i64, i64> = HashMap::new();
        for (seq, message_id) in pushed {
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
            if !view.was_member(user, conversation, *seq) {
                report
                    .violations
                    .push(Violation::Misdelivered(format!("{conversation}/{seq} was pushed to user {user}")));
            }
        }
    }
}

/// Pushes are judged on live connections, without any history call.
fn pushes_due(view: &View<'_>, report: &mut Report) {
    let got: HashMap<_, HashSet<i64>> =
        view.pushed.iter().map(|(key, pushed)| (*key, pushed.iter().map(|(seq, _)| *seq).collect())).collect();
    let nothing = HashSet::new();
    for ((conversation, user, command), acks) in &view.acks {
        let (Some((sent_us, _)), Some(ack)) = (view.sent.get(&(*conversation, *user, *command)), acks.first()) else {
            continue;
        };
        let alive =
            |life: &Life| life.from_us + MARGIN_US <= *sent_us && ack.at_us + margin_after_us(view, life) <= life.to_us;
        for (client, life) in view.lives.iter().filter(|(_, life)| alive(life)) {
            if !view.was_member(life.user, conversation, ack.seq) {
                continue;
            }
            report.pushes_due += 1;
            if got.get(&(*client, *conversation)).unwrap_or(&nothing).contains(&ack.seq) {
                continue;
            }
            let excused = |told_us: &u64| (ack.at_us..=ack.at_us + RESYNC_MAX_US).contains(told_us);
            if view.resynced.get(client).is_some_and(excused) {
                report.excused += 1;
            } else {
                let what = format!("{conversation}/{} to user {} on connection {client}", ack.seq, life.user);
                report.violations.push(Violation::MissedPush(what));
            }
        }
    }
}

fn margin_after_us(view: &View<'_>, life: &Life) -> u64 {
    let ended_under_faults = view.struck_us.is_some_and(|struck_us| {
        struck_us <= life.to_us
            && view.healed_us.is_none_or(|healed_us| life.to_us < healed_us + MARGIN_UNDER_FAULTS_US)
    });
    if ended_under_faults && life.to_us != u64::MAX { MARGIN_UNDER_FAULTS_US } else { MARGIN_US }
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
