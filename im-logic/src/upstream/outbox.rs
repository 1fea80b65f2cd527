//! What leaves: outcomes to the gateways that wait, entries to the gateways that hold those who may see them, entries of large
//! conversations to im-task, and what follows from an entry back to `im.upstream`.

use std::{collections::BTreeMap, mem};

use im_infra::{
    clock::Clock,
    failpoint::{Point, reach},
    gateways::{Gateway, Gateways, Letters},
    ids::UserId,
    mq::{NewRecord, Queue, Room, Topic},
    telemetry::trace_context::{self, TRACE_PARENT},
};
use prost::Message as _;
use proto::{
    Error, ErrorCode,
    auth::RevokedSession,
    message::Entry,
    mq::{FanOut, FanOutEntry, Origin, Outcome, Receipt, Revocation, Task, Upstream, outcome, task},
};

use super::decided::Decided;
use crate::domain::Reach;

/// Bytes after which a record for im-task is closed and another begun.
const TASK_BYTES: usize = 256 << 10;

/// The way out. Clones share.
#[derive(Clone)]
pub(crate) struct Outbox {
    queue: Queue,
    gateways: Gateways,
    clock: Clock,
}

/// What a batch sends.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) outcomes: Vec<(Origin, Outcome)>,
    /// Entries with their audience and trace, in seq order per conversation.
    pub(super) entries: Vec<(Entry, Reach, String)>,
    pub(super) receipts: Vec<Receipt>,
    /// With their traces.
    pub(super) follow_ups: Vec<(Upstream, String)>,
}

impl Batch {
    pub(super) fn of(decided: Vec<Decided<'_>>, receipts: Vec<Receipt>) -> Self {
        let mut batch = Self { receipts, ..Self::default() };
        for one in decided {
            let (arrival, trace_parent) = (one.arrival, trace_context::of(&one.arrival.span));
            let outcome = Outcome {
                user_id: arrival.command.sender,
                conversation_id: arrival.command.conversation.to_string(),
                command_id: arrival.command.id.to_string(),
                result: Some(one.result),
                trace_parent: trace_parent.clone(),
                payload_hash: arrival.command.payload_hash.clone(),
            };
            batch.outcomes.push((arrival.origin.clone(), outcome));
            batch.follow_ups.extend(one.follow_up.map(|command| (command, trace_parent.clone())));
            batch.entries.extend(one.push.map(|(entry, reach)| (entry, reach, trace_parent)));
        }
        // Conversations may have been decided in several rounds.
        batch.entries.sort_by(|(a, ..), (b, ..)| (&a.conversation_id, a.seq).cmp(&(&b.conversation_id, b.seq)));
        batch
    }

    /// Whoever waits for a command that was given up learns that its outcome is open until an operator acts.
    pub(super) fn parked(command: Upstream, trace_parent: String) -> Self {
        let outcome = Outcome {
            user_id: command.caller.map_or(0, |caller| caller.user_id),
            conversation_id: command.conversation_id,
            command_id: command.command_id,
            result: Some(outcome::Result::Error(Error::new(ErrorCode::Parked).into())),
            trace_parent,
            payload_hash: command.payload_hash,
        };
        Self { outcomes: vec![(command.origin.unwrap_or_default(), outcome)], ..Self::default() }
    }

    /// Everybody of whom it must be known where they are.
    fn users(&self) -> Vec<UserId> {
        let mut users: Vec<UserId> = self.receipts.iter().flat_map(|receipt| receipt.recipients.clone()).collect();
        for (_, reach, _) in &self.entries {
            if let Reach::Users(some) = reach {
                users.extend(some);
            }
        }
        users.sort_unstable();
        users.dedup();
        users
    }
}

impl Outbox {
    pub(crate) const fn new(queue: Queue, gateways: Gateways, clock: Clock) -> Self {
        Self { queue, gateways, clock }
    }

    pub(crate) fn now_ms(&self) -> i64 {
        self.clock.now_ms()
    }

    /// Sends a batch; returns when the queue has confirmed all of it. The outcome of a single command leaves at once: it need
    /// not wait until it is known where the recipients are. Those of several share records with the entries, which is half the
    /// work for the queue.
    pub(super) async fn send(&self, mut batch: Batch) -> Result<(), Error> {
        let alone = batch.outcomes.len() == 1;
        let outcomes = answers(mem::take(&mut batch.outcomes));
        let follow_ups = batch.follow_ups.drain(..).map(follow_up).collect();
        if alone {
            let (answered, delivered) = tokio::join!(self.post(outcomes), self.deliver(batch, Letters::default()));
            answered.and(delivered)?;
        } else {
            self.deliver(batch, outcomes).await?;
        }
        self.produce(Topic::Upstream, follow_ups).await
    }

    async fn post(&self, letters: Letters) -> Result<(), Error> {
        self.gateways.send(letters).await.map_err(|error| error.about(Topic::Downstream))
    }

    /// Adds what the recipients get to the letters, and sends them.
    async fn deliver(&self, batch: Batch, mut letters: Letters) -> Result<(), Error> {
        let users = batch.users();
        let mut tasks: BTreeMap<String, Vec<FanOutEntry>> = BTreeMap::new();
        let mut small = Vec::with_capacity(batch.entries.len());
        for (entry, reach, trace_parent) in batch.entries {
            match reach {
                Reach::Users(users) => small.push((entry, users, trace_parent)),
                Reach::Conversation => {
                    let id = entry.conversation_id.clone();
                    tasks.entry(id).or_default().push(FanOutEntry { entry: Some(entry), trace_parent });
                }
            }
        }
        if !users.is_empty() {
            let whereabouts = self.gateways.find(&users).await;
            for (entry, users, trace_parent) in small {
                for (gateway, recipients) in whereabouts.split(&users) {
                    letters.deliver(&gateway, &entry, &recipients, &trace_parent);
                }
            }
            for receipt in batch.receipts {
                for (gateway, recipients) in whereabouts.split(&receipt.recipients) {
                    let part = Receipt { recipients, ..receipt.clone() };
                    letters.to(&gateway, part.encoded_len()).receipts.push(part);
                }
            }
        }
        self.post(letters).await?;
        if !tasks.is_empty() {
            reach(Point::LogicBetweenRecords);
        }
        self.produce(Topic::Task, tasks.into_iter().flat_map(fan_outs).collect()).await
    }

    async fn produce(&self, topic: Topic, records: Vec<NewRecord>) -> Result<(), Error> {
        self.queue.produce(topic, records, Room::Internal).await.map_err(|error| error.about(topic))
    }

    /// Tells every live gateway which sessions ended. Best effort: they ask, too.
    pub(crate) async fn revoke(&self, sessions: Vec<RevokedSession>) {
        let mut letters = Letters::default();
        for gateway in self.gateways.find(&[]).await.live() {
            let revocation = |session: &RevokedSession| Revocation {
                user_id: session.user_id,
                session_id: session.session_id.clone(),
            };
            letters.to(gateway, 0).revocations.extend(sessions.iter().map(revocation));
        }
        if let Err(error) = self.gateways.send(letters).await {
            tracing::warn!(%error, "revocation not pushed");
        }
    }
}

/// What the gateways of the senders get.
fn answers(outcomes: Vec<(Origin, Outcome)>) -> Letters {
    let mut letters = Letters::default();
    for (origin, outcome) in outcomes.into_iter().filter(|(origin, _)| !origin.instance.is_empty()) {
        let gateway = Gateway { instance: origin.instance, slot: origin.slot };
        letters.to(&gateway, outcome.encoded_len()).outcomes.push(outcome);
    }
    letters
}

/// One conversation's entries as records of a bounded size, in order.
fn fan_outs((conversation_id, entries): (String, Vec<FanOutEntry>)) -> Vec<NewRecord> {
    let mut parts: Vec<Vec<FanOutEntry>> = Vec::new();
    let mut bytes = usize::MAX;
    for entry in entries {
        bytes = bytes.saturating_add(entry.encoded_len());
        if bytes > TASK_BYTES {
            bytes = entry.encoded_len();
            parts.push(Vec::new());
        }
        if let Some(part) = parts.last_mut() {
            part.push(entry);
        }
    }
    let record = |entries: Vec<FanOutEntry>| {
        let trace_parent = entries.first().map_or_else(String::new, |entry| entry.trace_parent.clone());
        let fan_out = FanOut { conversation_id: conversation_id.clone(), entries };
        let task = Task { kind: Some(task::Kind::FanOut(fan_out)) };
        NewRecord::keyed(conversation_id.clone(), task.encode_to_vec()).header(TRACE_PARENT, trace_parent)
    };
    parts.into_iter().map(record).collect()
}

fn follow_up((command, trace_parent): (Upstream, String)) -> NewRecord {
    NewRecord::keyed(command.conversation_id.clone(), command.encode_to_vec()).header(TRACE_PARENT, trace_parent)
}

#[cfg(test)]
mod tests {
    use proto::mq::{Caller, Stored};

    use super::{super::batch::Arrival, *};
    use crate::domain::{Command, Kind};

    const HASH: &[u8] = b"hash";

    #[test]
    fn r01_every_outcome_says_of_which_payload_it_is() {
        let origin = Origin { instance: "gw".into(), slot: 3 };
        let command = Command {
            sender: 1,
            conversation: "d:1:2".parse().unwrap(),
            id: "c".parse().unwrap(),
            payload_hash: HASH.into(),
            kind: Kind::CreateDirect,
        };
        let span = tracing::Span::none();
        let arrival = Arrival { index: 0, command, origin: origin.clone(), received_at_ms: 0, span };
        let result = outcome::Result::Stored(Stored::default());
        let decided = Decided { arrival: &arrival, result, push: None, follow_up: None };
        let record = Upstream {
            caller: Some(Caller { user_id: 1, ..Caller::default() }),
            origin: Some(origin.clone()),
            conversation_id: "d:1:2".into(),
            command_id: "c".into(),
            payload_hash: HASH.into(),
            ..Upstream::default()
        };
        for batch in [Batch::of(vec![decided], Vec::new()), Batch::parked(record, String::new())] {
            let [(to, outcome)] = &batch.outcomes[..] else { panic!("one command, one outcome") };
            assert_eq!((to, &outcome.payload_hash[..]), (&origin, HASH));
            assert_eq!((outcome.user_id, &*outcome.conversation_id, &*outcome.command_id), (1, "d:1:2", "c"));
        }
    }

    #[test]
    fn r14_entries_for_im_task_keep_their_order_in_records_of_a_bounded_size() {
        let entry = |seq: i64| {
            let filler = "x".repeat(100_000);
            let entry = Entry { seq, command_id: filler, ..Entry::default() };
            FanOutEntry { entry: Some(entry), trace_parent: String::new() }
        };
        let records = fan_outs(("g:1".into(), (1..=5).map(entry).collect()));
        assert!(records.iter().all(|record| record.key == "g:1" && record.payload.len() <= TASK_BYTES));
        let seqs = |record: &NewRecord| match Task::decode(record.payload.clone()).unwrap().kind {
            Some(task::Kind::FanOut(fan_out)) => {
                fan_out.entries.into_iter().map(|entry| entry.entry.unwrap().seq).collect()
            }
            None => Vec::new(),
        };
        assert_eq!(records.iter().map(seqs).collect::<Vec<_>>(), [vec![1, 2], vec![3, 4], vec![5]]);
    }
}
