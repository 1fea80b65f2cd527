//! From a batch of records to stored decisions to what leaves.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use async_trait::async_trait;
use im_infra::{
    clock::Clock,
    ids::{Mint, UserId},
    mq::{Failure, Handler, Record},
    telemetry::trace_context,
};
use proto::{
    Error, ErrorCode, common, mq,
    repo::{
        self, AppendGroup, AppendOutcome, AppendRequest, Decision, GroupOutcome, append_outcome::Outcome,
        decision::Verdict,
    },
};

use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::{
    Outbox,
    batch::{Arrival, Batch, decode},
    cursors,
    decided::Decided,
    follow_up, outbox,
    states::States,
};
use crate::{
    config::RememberOptions,
    domain::{Audience, Limits, State, decide},
    metrics::Metrics,
    repo::Repo,
};

/// How often a batch is decided anew, without getting further, because the state moved meanwhile; then it waits a moment.
const ROUNDS_MAX: u32 = 16;

/// Decides what arrives.
pub(crate) struct Upstream {
    repo: Repo,
    states: States,
    outbox: Outbox,
    limits: Limits,
    mint: Arc<Mint>,
    clock: Clock,
    metrics: Metrics,
}

impl Upstream {
    pub(crate) fn new(
        (repo, remember): (Repo, &RememberOptions),
        outbox: Outbox,
        limits: Limits,
        mint: Arc<Mint>,
        (clock, metrics): (Clock, Metrics),
    ) -> Self {
        Self { states: States::new(repo.clone(), remember), repo, outbox, limits, mint, clock, metrics }
    }

    /// Remembers nothing of a store that was replaced by a backup.
    pub(crate) async fn follow_epoch(&self, stopping: CancellationToken) {
        self.states.follow_epoch(stopping).await;
    }

    async fn decide_all<'a>(&self, arrivals: &'a [Arrival]) -> Result<Vec<Decided<'a>>, Failure> {
        let mut open: Vec<&Arrival> = arrivals.iter().collect();
        let mut done = Vec::with_capacity(arrivals.len());
        let mut idle_rounds = 0;
        while idle_rounds < ROUNDS_MAX {
            if open.is_empty() {
                return Ok(done);
            }
            let before = done.len();
            open = self.round(open, &mut done).await?;
            idle_rounds = if done.len() == before { idle_rounds + 1 } else { 0 };
        }
        Err(Failure::Transient(Error::new(ErrorCode::Overloaded).with("reason", "the state keeps moving")))
    }

    /// Decides and appends; answers the commands whose state had moved.
    async fn round<'a>(
        &self,
        open: Vec<&'a Arrival>,
        done: &mut Vec<Decided<'a>>,
    ) -> Result<Vec<&'a Arrival>, Failure> {
        let states = self.states.of(&open).await.map_err(Failure::of)?;
        let users = self.states.users(&open).await.map_err(Failure::of)?;
        // One call for all of them: it is told in the trace of the first.
        let span = open.first().map_or_else(tracing::Span::none, |arrival| arrival.span.clone());
        let mut by_conversation: Vec<(String, Vec<&Arrival>)> = Vec::new();
        let mut at: HashMap<String, usize> = HashMap::new();
        for arrival in open {
            let id = arrival.command.conversation.to_string();
            let index = *at.entry(id.clone()).or_insert_with(|| {
                by_conversation.push((id, Vec::new()));
                by_conversation.len() - 1
            });
            by_conversation[index].1.push(arrival);
        }
        let (mut groups, mut folded) = (Vec::with_capacity(by_conversation.len()), Vec::new());
        for (id, arrivals) in &by_conversation {
            let (mut group, state) = self.fold(id, states.get(id), arrivals, &users)?;
            // Of several conversations all rows are read in one statement anyway.
            group.row = if by_conversation.len() == 1 { self.states.row(id).await } else { None };
            groups.push(group);
            folded.push(state);
        }
        let answer = self
            .repo
            .messages()
            .append(AppendRequest { groups: groups.clone() })
            .instrument(span)
            .await
            .map_err(|status| Failure::of(status.into()))?;
        let outcomes = answer.into_inner().groups;
        for outcome in &outcomes {
            self.states.stands(outcome).await;
        }
        let (mut again, mut poison) = (Vec::new(), Vec::new());
        let now = self.after(&groups, &outcomes).await?;
        let told = by_conversation.into_iter().zip(&groups).zip(folded).zip(outcomes);
        for ((((id, arrivals), group), folded), outcomes) in told {
            if outcomes.outcomes.len() != arrivals.len() {
                return Err(Failure::Unknown(Error::new(ErrorCode::Internal).with("part", "append outcomes")));
            }
            let state = now.get(&id).map_or(folded, State::of);
            let mut audience = now.get(&id).or_else(|| states.get(&id)).map(Audience::of).unwrap_or_default();
            for ((arrival, decision), outcome) in arrivals.into_iter().zip(&group.decisions).zip(outcomes.outcomes) {
                match settle(arrival, decision, outcome, &mut audience) {
                    Settled::Done(mut decided) => {
                        let entry = decided.push.as_ref().map(|(entry, _)| entry);
                        decided.follow_up =
                            entry.and_then(|entry| follow_up::of(entry, &state, &self.limits, self.clock.now_ms()));
                        done.push(*decided);
                    }
                    Settled::Again => again.push(arrival),
                    Settled::Failed(error) => poison.push((arrival.index, error)),
                }
            }
        }
        if poison.is_empty() { Ok(again) } else { Err(Failure::Poison(poison)) }
    }

    /// Forgets states that moved. Where a command was stored before, its entry may lie behind changes that the state read
    /// before the append does not have: those conversations are read as they are now, for whom the entry reaches.
    async fn after(
        &self,
        groups: &[AppendGroup],
        outcomes: &[GroupOutcome],
    ) -> Result<HashMap<String, repo::State>, Failure> {
        let mut met_again = HashMap::new();
        for (group, outcomes) in groups.iter().zip(outcomes) {
            let outcomes = &outcomes.outcomes;
            let repeated = outcomes.iter().any(|outcome| outcome.repeated_command);
            let open =
                outcomes.iter().any(|one| !matches!(one.outcome, Some(Outcome::Entry(_) | Outcome::Rejected(_))));
            if repeated || open || group.decisions.iter().any(changes_state) {
                self.states.forget(&group.conversation_id).await;
            }
            if repeated {
                met_again.insert(group.conversation_id.clone(), HashSet::new());
            }
        }
        self.states.read(met_again).await.map_err(Failure::of)
    }

    /// Decides one conversation's commands in order, each upon the effect of those before it; answers the last state, too.
    fn fold(
        &self,
        id: &str,
        state: Option<&repo::State>,
        arrivals: &[&Arrival],
        users: &HashSet<UserId>,
    ) -> Result<(AppendGroup, State), Failure> {
        let mut state = state.map(State::of).unwrap_or_default();
        let state_version = state.version;
        let mut seen = HashSet::new();
        let mut decisions = Vec::with_capacity(arrivals.len());
        for arrival in arrivals {
            let command = &arrival.command;
            let message_id = self.mint.next().map_err(|_| Failure::of(ErrorCode::Unavailable.into()))?;
            let verdict = arrival.span.in_scope(|| decide(command, &state, users, &self.limits, message_id));
            // A repetition inside the batch gets the first one's outcome, and has no effect on what follows.
            let is_first = seen.insert((command.sender, &command.id));
            if let (true, Verdict::Accepted(accepted)) = (is_first, &verdict) {
                state.apply(&accepted.changes);
            }
            decisions.push(Decision {
                sender_id: command.sender,
                command_id: command.id.to_string(),
                payload_hash: command.payload_hash.clone(),
                verdict: Some(verdict),
            });
        }
        Ok((AppendGroup { conversation_id: id.to_owned(), state_version, decisions, row: None }, state))
    }
}

fn changes_state(decision: &Decision) -> bool {
    matches!(&decision.verdict, Some(Verdict::Accepted(accepted)) if !accepted.changes.is_empty())
}

enum Settled<'a> {
    Done(Box<Decided<'a>>),
    Again,
    Failed(Error),
}

fn settle<'a>(
    arrival: &'a Arrival,
    decision: &Decision,
    outcome: AppendOutcome,
    audience: &mut Audience,
) -> Settled<'a> {
    let done = |result, push| Settled::Done(Box::new(Decided { arrival, result, push, follow_up: None }));
    let refused = |error: common::Error| done(mq::outcome::Result::Error(error), None);
    match outcome.outcome {
        Some(Outcome::Entry(entry)) => {
            if let Some(Verdict::Accepted(accepted)) = &decision.verdict {
                audience.apply(entry.seq, &accepted.changes);
            }
            let reach = audience.reach(entry.seq);
            let stored = mq::Stored {
                seq: entry.seq,
                message_id: entry.message_id,
                created_at_ms: entry.created_at_ms,
                msg_no: entry.msg_no,
            };
            done(mq::outcome::Result::Stored(stored), Some((entry, reach)))
        }
        Some(Outcome::Rejected(error)) => refused(error),
        Some(Outcome::Conflict(_)) => refused(Error::new(ErrorCode::Conflict).into()),
        Some(Outcome::Failed(error)) => Settled::Failed(error.into()),
        Some(Outcome::DecideAgain(_)) | None => Settled::Again,
    }
}

#[async_trait]
impl Handler for Upstream {
    async fn handle(&self, records: &[Record]) -> Result<(), Failure> {
        let batch = Batch::decode(records);
        if !batch.poison.is_empty() {
            return Err(Failure::Poison(batch.poison));
        }
        let receipts = cursors::put(&self.repo, &self.states, &batch.cursors).await?;
        let decided = self.decide_all(&batch.arrivals).await?;
        for one in &decided {
            let code = match &one.result {
                mq::outcome::Result::Stored(_) => "stored",
                mq::outcome::Result::Error(error) => &error.code,
            };
            self.metrics.decided(code, self.clock.now_ms() - one.arrival.received_at_ms);
        }
        self.outbox.send(outbox::Batch::of(decided, receipts)).await.map_err(Failure::of)
    }

    /// Whoever waits learns that the outcome is open until an operator acts.
    async fn parked(&self, record: &Record, _: &Error) -> Result<(), Failure> {
        let Ok(upstream) = decode(&record.payload) else { return Ok(()) };
        let outcome = mq::Outcome {
            user_id: upstream.caller.as_ref().map_or(0, |caller| caller.user_id),
            conversation_id: upstream.conversation_id,
            command_id: upstream.command_id,
            result: Some(mq::outcome::Result::Error(Error::new(ErrorCode::Parked).into())),
            trace_parent: record.header(trace_context::TRACE_PARENT).unwrap_or_default().to_owned(),
        };
        let batch = outbox::Batch {
            outcomes: vec![(upstream.origin.unwrap_or_default(), outcome)],
            ..outbox::Batch::default()
        };
        self.outbox.send(batch).await.map_err(Failure::of)
    }
}
