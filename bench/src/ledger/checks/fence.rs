//! Who is no member writes nothing, and who is one is not refused as if there were no place for it.

use std::{collections::HashMap, ops::RangeInclusive};

use super::{
    super::{
        entry::User,
        view::{Key, View},
    },
    Report, Violation, follow_ups,
};

/// With what who is no member is refused, and whoever asks for a group that is not known.
const NO_PLACE: [&str; 2] = ["not_a_member", "unknown_conversation"];

pub(super) fn check(view: &View<'_>, report: &mut Report) {
    let mut places = Places { view, known: HashMap::new() };
    for (conversation, log) in &view.logs {
        for entry in log.iter().filter(|entry| !follow_ups::is_one(entry)) {
            let (sender, seq) = (entry.sender, entry.seq);
            if !places.of(sender, conversation).iter().any(|place| place.contains(&seq)) {
                let what = format!("{conversation}/{seq} ({}) is of user {sender}, no member there", entry.command);
                report.violations.push(Violation::Unfenced(what));
            }
        }
    }
    for (key, codes) in &view.rejected {
        let (conversation, user, command) = *key;
        let Some(code) = codes.iter().find(|code| NO_PLACE.contains(code)) else { continue };
        if let Some(place) = places.of(user, conversation).iter().find(|place| held(view, *key, place)) {
            let what = format!("{conversation}: {command} of user {user}, a member from {} on", place.start());
            report.violations.push(Violation::Unfenced(format!("{what}, was refused with {code}")));
        }
    }
}

/// Places of users in conversations, each looked for once.
struct Places<'v, 'a> {
    view: &'v View<'a>,
    known: HashMap<(User, &'a str), Vec<RangeInclusive<i64>>>,
}

impl<'a> Places<'_, 'a> {
    fn of(&mut self, user: User, conversation: &'a str) -> &[RangeInclusive<i64>] {
        self.known.entry((user, conversation)).or_insert_with(|| self.view.places(user, conversation))
    }
}

/// Whether the place was certainly the user's from before the command was sent until its outcome was told.
fn held(view: &View<'_>, key: Key<'_>, place: &RangeInclusive<i64>) -> bool {
    let (conversation, ..) = key;
    let Some(log) = view.logs.get(conversation) else { return false };
    let by = |seq: i64| {
        let found = log.binary_search_by_key(&seq, |entry| entry.seq).ok()?;
        Some((conversation, log[found].sender, &*log[found].command))
    };
    let (Some((sent_us, _)), Some(told_us)) = (view.sent.get(&key), view.rejected_us.get(&key)) else { return false };
    let came_us = by(*place.start()).and_then(|key| view.acks.get(&key)?.iter().map(|ack| ack.at_us).min());
    // Of a place that was never lost there is no last entry; a removal has its effect at some time after it was sent.
    let goes_us = by(*place.end()).map_or(u64::MAX, |key| view.sent.get(&key).map_or(0, |(at_us, _)| *at_us));
    came_us.is_some_and(|came_us| came_us < *sent_us) && *told_us < goes_us
}
