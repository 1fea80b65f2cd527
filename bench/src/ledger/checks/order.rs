//! One dense order; first in, first out per sender and device; what was known before something was sent comes before it.

use std::collections::BTreeMap;

use super::{
    super::{event::Client, view::View},
    Report, Violation,
};

/// A command with an outcome.
struct Told<'a> {
    sent_us: u64,
    /// By which connection it was first sent, and to which it was first acknowledged.
    client: Client,
    told: Client,
    /// When it was certainly stored: anybody had been told of it.
    known_us: u64,
    seq: i64,
    user: i64,
    command: &'a str,
}

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
    let known_us = view.known_us();
    let mut conversations: BTreeMap<&str, Vec<Told<'_>>> = BTreeMap::new();
    for ((conversation, user, command), acks) in &view.acks {
        let (Some(&(sent_us, client)), Some(ack)) = (view.sent.get(&(*conversation, *user, *command)), acks.first())
        else {
            continue;
        };
        let (told, seq) = (ack.client, ack.seq);
        let known_us = known_us.get(&(*conversation, seq)).map_or(ack.at_us, |known_us| ack.at_us.min(*known_us));
        let told = Told { sent_us, client, told, known_us, seq, user: *user, command };
        conversations.entry(conversation).or_default().push(told);
    }
    for (conversation, mut commands) in conversations {
        commands.sort_by_key(|told| (told.sent_us, told.seq));
        connections(conversation, &commands, report);
        devices(view, conversation, &commands, report);
        causes(conversation, &commands, report);
    }
}

/// Of what one connection sent and was told, each comes after the one before it.
fn connections(conversation: &str, commands: &[Told<'_>], report: &mut Report) {
    let mut last: BTreeMap<(i64, Client), &Told<'_>> = BTreeMap::new();
    for next in commands.iter().filter(|next| next.client == next.told) {
        in_order(conversation, last.insert((next.user, next.client), next), next, report);
    }
}

/// A device sends again, in order, what has no outcome: so its commands are in order over all of its connections.
fn devices(view: &View<'_>, conversation: &str, commands: &[Told<'_>], report: &mut Report) {
    let mut last: BTreeMap<(i64, u64), &Told<'_>> = BTreeMap::new();
    for next in commands {
        if let Some(device) = view.devices.get(&next.client) {
            in_order(conversation, last.insert((next.user, *device), next), next, report);
        }
    }
}

fn in_order(conversation: &str, before: Option<&Told<'_>>, next: &Told<'_>, report: &mut Report) {
    if let Some(before) = before.filter(|before| before.seq >= next.seq) {
        report.violations.push(reordered(conversation, before, next));
    }
}

/// Whoever sends something after something else, which was acknowledged, had been told to anybody, sends it behind that.
fn causes(conversation: &str, commands: &[Told<'_>], report: &mut Report) {
    // From the back: the lowest place among the commands that were sent then or later.
    let mut lowest: Vec<&Told<'_>> = Vec::with_capacity(commands.len());
    for told in commands.iter().rev() {
        let low = lowest.last().copied().filter(|low| low.seq <= told.seq).unwrap_or(told);
        lowest.push(low);
    }
    for cause in commands {
        let later = commands.len() - commands.partition_point(|told| told.sent_us <= cause.known_us);
        let Some(effect) = later.checked_sub(1).map(|index| lowest[index]) else { continue };
        if effect.seq <= cause.seq {
            report.violations.push(reordered(conversation, cause, effect));
        }
    }
}

fn reordered(conversation: &str, first: &Told<'_>, second: &Told<'_>) -> Violation {
    Violation::Reordered(format!(
        "{conversation}: {} of user {} was sent before {} of user {}, but {} >= {}",
        first.command, first.user, second.command, second.user, first.seq, second.seq
    ))
}
