//! From a batch of records to stored decisions to what leaves.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use async_trait::async_trait;
use im_infra::{
    clock::Clock,
    failpoint::{Point, reach},
    ids::{Mint, UserId},
    mq::{Failure, Handler, Record},
    planted::{self, Bug},
    telemetry::trace_context,
};
use proto::{
    Error, ErrorCode, mq,
    repo::{self, AppendGroup, AppendRequest, GroupOutcome},
};

use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::{
    Outbox,
    batch::{Arrival, Batch, decode},
    cursors,
    decided::Decided,
    outbox,
    states::States,
};
use crate::{
    config::RememberOptions,
    domain::{Audience, Limits, Settled, State, decide, fold_commands, follow_up, moved, settle, stored},
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
            group.row = self.states.row(id).await;
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
                let is_silent = outcome.repeated_command && planted::is(Bug::DedupWithoutPush);
                match settle(decision, outcome, &mut audience) {
                    Settled::Stored(entry, reach) => {
                        let result = mq::outcome::Result::Stored(stored(&entry));
                        let follow_up = follow_up::of(&entry, &state, &self.limits, self.clock.now_ms());
                        done.push(Decided { arrival, result, push: (!is_silent).then_some((entry, reach)), follow_up });
                    }
                    Settled::Refused(error) => {
                        let result = mq::outcome::Result::Error(error);
                        done.push(Decided { arrival, result, push: None, follow_up: None });
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
            let moved = moved(group, &outcomes.outcomes);
            if moved.forget {
                self.states.forget(&group.conversation_id).await;
            }
            if moved.read_again {
                met_again.insert(group.conversation_id.clone(), HashSet::new());
            }
        }
        self.states.read(met_again).await.map_err(Failure::of)
    }

    /// Decides one conversation's commands in order; each gets a message id, in case it is accepted.
    fn fold(
        &self,
        id: &str,
        state: Option<&repo::State>,
        arrivals: &[&Arrival],
        users: &HashSet<UserId>,
    ) -> Result<(AppendGroup, State), Failure> {
        fold_commands(id, state, arrivals.iter().map(|arrival| &arrival.command), |at, state| {
            let message_id = self.mint.next().map_err(|_| Failure::of(ErrorCode::Unavailable.into()))?;
            let arrival = arrivals[at];
            Ok(arrival.span.in_scope(|| decide(&arrival.command, state, users, &self.limits, message_id)))
        })
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
        reach(Point::LogicAfterAppend);
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
        let trace_parent = record.header(trace_context::TRACE_PARENT).unwrap_or_default().to_owned();
        self.outbox.send(outbox::Batch::parked(upstream, trace_parent)).await.map_err(Failure::of)
    }
}
