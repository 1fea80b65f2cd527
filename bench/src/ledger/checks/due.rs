//! What a live connection had to be pushed, judged without any history call.
//!
//! Whatever is stored after the welcome is pushed, and pushes of a conversation come in the order of its log: a batch that failed is
//! repeated from its beginning, and nothing behind it goes first. So what was passed over will never come, whatever becomes of the
//! connection; time has to tell only of the tail, behind which nothing came. A `resync` makes up for what was stored before it, as
//! long as the way was not open: what came behind an entry shows that it was.

use super::{
    super::{
        entry::Entry,
        view::{Life, Push, View},
    },
    Report, Violation,
};

/// How long a push of the tail may take: a connection that ended sooner may have ended while it was on its way.
const MARGIN_US: u64 = 2_000_000;
/// The same of a connection that ended while faults were at work: the way to it may have been cut for as long.
const MARGIN_UNDER_FAULTS_US: u64 = 10_000_000;
/// For how long before it a `resync` makes up for what was not pushed. Routes are looked after every thirty seconds.
const RESYNC_MAX_US: u64 = 40_000_000;
/// A route is there again a moment before its connection is told: what comes by it may come first.
const RESYNC_LATE_US: u64 = 2_000_000;

pub(super) fn check(view: &View<'_>, report: &mut Report) {
    for (conversation, log) in &view.logs {
        let stored = stored(view, conversation, log);
        for (client, life) in &view.lives {
            let places = view.places(life.user, conversation);
            let came = Came::of(view.pushed.get(&(*client, *conversation)).map_or(&[][..], Vec::as_slice));
            let resyncs = view.resynced.get(client).map_or(&[][..], Vec::as_slice);
            let may_see = |entry: &&Stored| places.iter().any(|place| place.contains(&entry.seq));
            for entry in stored.iter().filter(|entry| life.from_us < entry.from_us).filter(may_see) {
                let passed_us = came.behind_us(entry.seq);
                if passed_us.is_none() && !entry.is_overdue(life.to_us, margin_us(view, life)) {
                    continue;
                }
                report.pushes_due += 1;
                if came.has(entry.seq) {
                    continue;
                }
                if resyncs.iter().any(|told_us| entry.is_made_up_for(*told_us, passed_us)) {
                    report.excused += 1;
                    continue;
                }
                let passed = if passed_us.is_some() { ", which got what is behind it" } else { "" };
                let what = format!("{conversation}/{} to user {} on connection {client}{passed}", entry.seq, life.user);
                report.violations.push(Violation::MissedPush(what));
            }
        }
    }
}

/// When an entry was stored, as far as clients can tell.
struct Stored {
    seq: i64,
    /// Not before its command was first sent, nor that of any entry before it; 0 where that is not known.
    from_us: u64,
    /// Not after it was acknowledged, or any entry behind it.
    by_us: Option<u64>,
}

fn stored<'a>(view: &View<'a>, conversation: &'a str, log: &'a [Entry]) -> Vec<Stored> {
    let mut stored = Vec::with_capacity(log.len());
    let mut from_us = 0;
    for entry in log {
        let sent = view.sent.get(&(conversation, entry.sender, entry.command.as_str()));
        from_us = sent.map_or(0, |(at_us, _)| *at_us).max(from_us);
        let acks = view.acks.get(&(conversation, entry.sender, entry.command.as_str()));
        let by_us = acks.and_then(|acks| acks.iter().map(|ack| ack.at_us).min());
        stored.push(Stored { seq: entry.seq, from_us, by_us });
    }
    let mut by_us = None;
    for entry in stored.iter_mut().rev() {
        by_us = [by_us, entry.by_us].into_iter().flatten().min();
        entry.by_us = by_us;
    }
    stored
}

impl Stored {
    /// Whether its push would have come to a connection up to whose end there was this much time.
    fn is_overdue(&self, to_us: u64, margin_us: u64) -> bool {
        self.by_us.is_some_and(|by_us| by_us + margin_us <= to_us)
    }

    /// Whether the sync that a connection was told to do then has it, and had to be done for it.
    fn is_made_up_for(&self, told_us: u64, passed_us: Option<u64>) -> bool {
        self.from_us <= told_us
            && self.by_us.is_none_or(|by_us| told_us <= by_us + RESYNC_MAX_US)
            && passed_us.is_none_or(|passed_us| told_us <= passed_us + RESYNC_LATE_US)
    }
}

/// What came to a connection of a conversation: places, ascending, each with when it, or one behind it, came first.
struct Came(Vec<(i64, u64)>);

impl Came {
    fn of(pushes: &[Push]) -> Self {
        let mut places: Vec<(i64, u64)> = pushes.iter().map(|push| (push.seq, push.at_us)).collect();
        places.sort_unstable();
        places.dedup_by_key(|(seq, _)| *seq);
        let mut first_us = u64::MAX;
        for (_, at_us) in places.iter_mut().rev() {
            first_us = first_us.min(*at_us);
            *at_us = first_us;
        }
        Self(places)
    }

    fn has(&self, seq: i64) -> bool {
        self.0.binary_search_by_key(&seq, |(place, _)| *place).is_ok()
    }

    /// When anything behind a place came first.
    fn behind_us(&self, seq: i64) -> Option<u64> {
        let next = self.0.partition_point(|(place, _)| *place <= seq);
        self.0.get(next).map(|(_, at_us)| *at_us)
    }
}

fn margin_us(view: &View<'_>, life: &Life) -> u64 {
    let ended_under_faults = view.struck_us.is_some_and(|struck_us| {
        struck_us <= life.to_us
            && view.healed_us.is_none_or(|healed_us| life.to_us < healed_us + MARGIN_UNDER_FAULTS_US)
    });
    if ended_under_faults && life.to_us != u64::MAX { MARGIN_UNDER_FAULTS_US } else { MARGIN_US }
}
