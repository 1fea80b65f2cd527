//! What the ledger says of a load.

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use im_bench::ledger::{self, Event};
use proto::message::entry_body::Kind;
use serde::{Deserialize, Serialize};

use super::{account::Accounts, pair::Seen};

/// Histories read at the same time.
const HISTORIES_AT_ONCE: usize = 8;
/// Violations that are told with the result; all are counted.
const VIOLATIONS_TOLD: usize = 20;

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
pub(super) async fn judge(accounts: &Accounts, seen: &mut [Seen]) -> anyhow::Result<Verdict> {
    let reading = stream::iter(seen.iter_mut()).map(|pair| async move {
        if !pair.events.iter().any(|event| matches!(event, Event::Stored { .. } | Event::Pushed { .. })) {
            // As far as can be seen nothing was ever stored, so there may be no such conversation.
            return Ok(());
        }
        let history = accounts.history(&pair.reader, &pair.conversation).await?;
        let entries = history.into_iter().map(to_ledger).collect();
        pair.events.push(Event::Log { conversation: pair.conversation.clone(), entries });
        anyhow::Ok(())
    });
    reading.buffer_unordered(HISTORIES_AT_ONCE).try_collect::<Vec<()>>().await?;
    let mut verdict = Verdict::default();
    for pair in seen.iter() {
        let report = ledger::check(&pair.events);
        verdict.sent += report.sent;
        verdict.acknowledged += report.acknowledged;
        verdict.unknown += report.unknown;
        verdict.entries += report.entries;
        verdict.pushes += report.pushes;
        verdict.pushes_due += report.pushes_due;
        verdict.violations += report.violations.len();
        let room = VIOLATIONS_TOLD - verdict.told.len();
        verdict.told.extend(report.violations.iter().take(room).map(ToString::to_string));
    }
    Ok(verdict)
}

fn to_ledger(entry: proto::message::Entry) -> ledger::Entry {
    let kind = entry.body.and_then(|body| body.kind);
    let countable = matches!(kind, Some(Kind::Message(_)));
    // The first message of a direct conversation makes its members.
    let made = if entry.seq == 1 { entry.conversation_id.as_str() } else { "" };
    let members = made.split(':').skip(1).filter_map(|part| part.parse().ok()).collect();
    let (seq, message_id, sender, command) = (entry.seq, entry.message_id, entry.sender_id, entry.command_id);
    ledger::Entry { seq, message_id, sender, command, msg_no: entry.msg_no, members, left: Vec::new(), countable }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_message_of_a_direct_conversation_makes_its_members() {
        let entry = |seq| proto::message::Entry { conversation_id: "d:3:9".into(), seq, ..Default::default() };
        assert_eq!(to_ledger(entry(1)).members, [3, 9]);
        assert!(to_ledger(entry(2)).members.is_empty());
    }
}
