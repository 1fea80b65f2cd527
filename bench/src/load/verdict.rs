//! What the ledger says of a load.

use std::collections::{BTreeSet, HashMap};

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use im_bench::ledger::{self, Event, Report};
use serde::{Deserialize, Serialize};

use super::account::{Accounts, Guest};

/// Histories read at the same time.
const HISTORIES_AT_ONCE: usize = 8;
/// Violations that are told with the result; all are counted.
const VIOLATIONS_TOLD: usize = 20;

/// What happened to a conversation.
#[derive(Default)]
pub(super) struct History {
    pub(super) conversation: String,
    /// A member who may see the whole log.
    pub(super) reader: Guest,
    pub(super) events: Vec<Event>,
}

/// What the ledger says, with the readers' history as the log: the database itself is not asked.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Verdict {
    pub(crate) sent: usize,
    pub(crate) acknowledged: usize,
    pub(crate) unknown: usize,
    pub(crate) entries: usize,
    pub(crate) pushes: usize,
    pub(crate) pushes_due: usize,
    pub(crate) violations: usize,
    pub(crate) told: Vec<String>,
}

/// Reads what the readers may see in the end and checks each conversation by itself: they share nothing.
pub(super) async fn judge(
    accounts: &Accounts,
    histories: impl IntoIterator<Item = History>,
) -> anyhow::Result<Verdict> {
    let reading = stream::iter(histories).map(|mut history| async move {
        history.read_log(accounts).await?;
        anyhow::Ok(ledger::check(&history.events))
    });
    let reports: Vec<Report> = reading.buffer_unordered(HISTORIES_AT_ONCE).try_collect().await?;
    let mut verdict = Verdict::default();
    for report in &reports {
        verdict.add(report);
    }
    Ok(verdict)
}

/// The same for one conversation of which more came to its members than should be events at the same time: part by part,
/// each with the connections of some members and what was pushed to them.
pub(super) async fn judge_in_parts(
    accounts: &Accounts,
    mut history: History,
    parts: impl Iterator<Item = Vec<Event>>,
) -> anyhow::Result<Verdict> {
    history.read_log(accounts).await?;
    let mut events = history.events;
    let shared = events.len();
    let (mut verdict, mut found) = (Verdict::default(), BTreeSet::new());
    for part in parts {
        events.truncate(shared);
        events.extend(part);
        let report = ledger::check(&events);
        let (pushes, pushes_due) = (verdict.pushes, verdict.pushes_due);
        verdict = Verdict::default();
        verdict.add(&report);
        verdict.pushes += pushes;
        verdict.pushes_due += pushes_due;
        // What is wrong with the log shows in every part.
        found.extend(report.violations.iter().map(ToString::to_string));
    }
    verdict.violations = found.len();
    verdict.told = found.into_iter().take(VIOLATIONS_TOLD).collect();
    Ok(verdict)
}

/// Events by the conversation that they are about; connections, devices, processes and faults are about none.
pub(super) fn by_conversation(events: impl IntoIterator<Item = Event>) -> HashMap<String, Vec<Event>> {
    let mut sorted: HashMap<String, Vec<Event>> = HashMap::new();
    for event in events {
        let conversation = match &event {
            Event::Connected { .. }
            | Event::Disconnected { .. }
            | Event::Device { .. }
            | Event::Resynced { .. }
            | Event::Deaf { .. }
            | Event::Memory { .. }
            | Event::Struck { .. }
            | Event::Healed { .. }
            | Event::Ended { .. }
            | Event::Presence { .. } => continue,
            Event::Sent { conversation, .. }
            | Event::Stored { conversation, .. }
            | Event::Rejected { conversation, .. }
            | Event::Pushed { conversation, .. }
            | Event::Seen { conversation, .. }
            | Event::Unread { conversation, .. }
            | Event::Log { conversation, .. } => conversation,
        };
        match sorted.get_mut(conversation) {
            Some(events) => events.push(event),
            None => drop(sorted.insert(conversation.clone(), vec![event])),
        }
    }
    sorted
}

impl History {
    async fn read_log(&mut self, accounts: &Accounts) -> anyhow::Result<()> {
        if !self.events.iter().any(|event| matches!(event, Event::Stored { .. } | Event::Pushed { .. })) {
            // As far as can be seen nothing was ever stored, so there may be no such conversation.
            return Ok(());
        }
        let history = accounts.history(&self.reader, &self.conversation).await?;
        let entries = history.into_iter().map(ledger::Entry::from).collect();
        self.events.push(Event::Log { conversation: self.conversation.clone(), entries });
        Ok(())
    }
}

impl Verdict {
    fn add(&mut self, report: &Report) {
        self.sent += report.sent;
        self.acknowledged += report.acknowledged;
        self.unknown += report.unknown;
        self.entries += report.entries;
        self.pushes += report.pushes;
        self.pushes_due += report.pushes_due;
        self.violations += report.violations.len();
        let room = VIOLATIONS_TOLD - self.told.len();
        self.told.extend(report.violations.iter().take(room).map(ToString::to_string));
    }

    /// What it found that must not be.
    pub(super) fn fault(&self) -> Option<String> {
        (self.violations > 0)
            .then(|| format!("the ledger found {} violations: {}", self.violations, self.told.join("; ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_sorted_by_what_they_are_about() {
        let log = |conversation: &str| Event::Log { conversation: conversation.into(), entries: Vec::new() };
        let sorted = by_conversation([log("a"), Event::Disconnected { at_us: 1, client: 1 }, log("b"), log("a")]);
        assert_eq!((sorted.len(), sorted["a"].len(), sorted["b"].len()), (2, 2, 1));
    }
}
