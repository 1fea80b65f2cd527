//! A round of a batch, as im-logic makes it: states, im-logic's own fold, the append, what its answers make of the commands.

use std::{
    collections::{BTreeMap, HashMap},
    mem,
    sync::Arc,
};

use im_infra::ids::LeaseLost;
use im_logic::domain::{
    self, Audience, Reach, Settled, decide, fold_commands, follow_up, moved,
    remembered::{keep_members, tells_of},
    settle, stored,
};
use proto::{
    mq::{Receipt, outcome},
    repo::{self, Decision, GroupOutcome, StateQuery, decision::Verdict},
};

use super::logic::{Done, Round, Stage, Work};
use crate::{
    bug::Bug,
    event::{Address, StoreAnswer, StoreCall},
    world::World,
};

/// How often a batch is decided anew without getting further, as in im-logic.
const ROUNDS_MAX: u32 = 16;

fn everything(conversation_id: String) -> StateQuery {
    StateQuery { conversation_id, user_ids: Vec::new(), all: true }
}

impl World {
    pub(crate) fn answered_by_store(&mut self, address: Address, mut work: Box<Work>, answer: StoreAnswer) {
        match (work.stage, answer) {
            (Stage::Cursors, StoreAnswer::Moved(moved)) if moved.is_empty() => self.begin_round(address, work),
            (Stage::Cursors, StoreAnswer::Moved(moved)) => {
                let queries = moved.iter().map(|cursor| everything(cursor.conversation_id.clone())).collect();
                work.moved = moved;
                self.ask(address, work, Stage::ReceiptStates, StoreCall::States(queries));
            }
            (Stage::ReceiptStates, StoreAnswer::States(states)) => {
                for (cursor, state) in mem::take(&mut work.moved).into_iter().zip(&states) {
                    let recipients = Audience::of(state).present();
                    if recipients.contains(&cursor.user_id) {
                        let (conversation_id, user_id, read_seq) =
                            (cursor.conversation_id, cursor.user_id, cursor.read_seq);
                        work.receipts.push(Receipt { conversation_id, user_id, read_seq, recipients });
                    }
                }
                self.begin_round(address, work);
            }
            (Stage::States, StoreAnswer::States(states)) => {
                let remembered = &mut self.logics[address.logic].remembered;
                for mut state in states {
                    let id = state.conversation_id.clone();
                    if let Some(before) = remembered.get(&id) {
                        keep_members(&mut state, before);
                    }
                    let state = Arc::new(state);
                    if state.state_version > 0 {
                        remembered.insert(id.clone(), state.clone());
                    }
                    work.states.insert(id, state);
                }
                self.fold_and_append(address, work);
            }
            (Stage::Append, StoreAnswer::Appended(outcomes)) => self.appended(address, work, outcomes),
            (Stage::After, StoreAnswer::States(states)) => {
                let now = states.into_iter().map(|state| (state.conversation_id.clone(), state)).collect();
                self.settle_round(address, work, &now);
            }
            (_, _) => self.retry(address, work),
        }
    }

    /// States of conversations that are not remembered; of large ones the places that the commands concern.
    pub(crate) fn begin_round(&mut self, address: Address, mut work: Box<Work>) {
        if work.open.is_empty() {
            return self.wait(address, work, Stage::Outcomes);
        }
        let mut concerned: BTreeMap<String, Vec<i64>> = BTreeMap::new();
        work.states = BTreeMap::new();
        for &at in &work.open {
            let command = &work.arrivals[at].command;
            concerned.entry(command.conversation.to_string()).or_default().extend(command.concerned());
        }
        let remembered = &self.logics[address.logic].remembered;
        concerned.retain(|id, users| match remembered.get(id) {
            Some(state) if tells_of(state, users.iter().copied()) => {
                work.states.insert(id.clone(), state.clone());
                false
            }
            _ => true,
        });
        if concerned.is_empty() {
            return self.fold_and_append(address, work);
        }
        let query = |(conversation_id, user_ids)| StateQuery { conversation_id, user_ids, all: true };
        let queries = concerned.into_iter().map(query).collect();
        self.ask(address, work, Stage::States, StoreCall::States(queries));
    }

    fn fold_and_append(&mut self, address: Address, mut work: Box<Work>) {
        let mut by_conversation: Vec<(String, Vec<usize>)> = Vec::new();
        let mut places: HashMap<String, usize> = HashMap::new();
        for &at in &work.open {
            let id = work.arrivals[at].command.conversation.to_string();
            let place = *places.entry(id.clone()).or_insert_with(|| {
                by_conversation.push((id, Vec::new()));
                by_conversation.len() - 1
            });
            by_conversation[place].1.push(at);
        }
        let alone = by_conversation.len() == 1;
        let mut round = Vec::with_capacity(by_conversation.len());
        for (id, arrivals) in by_conversation {
            let (mint, users, limits) = (&self.logics[address.logic].mint, &self.users, &self.limits);
            let commands = arrivals.iter().map(|&at| &work.arrivals[at].command);
            let state = work.states.get(&id).map(|state| &**state);
            let folded = fold_commands(&id, state, commands, |at, state| {
                let message_id = mint.next()?;
                let command = &work.arrivals[arrivals[at]].command;
                Ok::<_, LeaseLost>(decide(command, state, users, limits, message_id))
            });
            let Ok((mut group, folded)) = folded else { return self.retry(address, work) };
            group.row = self.logics[address.logic].rows.get(&id).filter(|_| alone).cloned();
            round.push(Round { id, arrivals, group, folded });
        }
        let groups = Arc::new(round.iter().map(|one| one.group.clone()).collect());
        work.round = round;
        self.leak(&mut work);
        self.ask(address, work, Stage::Append, StoreCall::Append(groups));
    }

    fn appended(&mut self, address: Address, mut work: Box<Work>, outcomes: Vec<GroupOutcome>) {
        let mut met_again = Vec::new();
        for (round, outcomes) in work.round.iter().zip(&outcomes) {
            if let Some(row) = &outcomes.row {
                self.logics[address.logic].rows.insert(round.id.clone(), row.clone());
            }
            let moved = moved(&round.group, &outcomes.outcomes);
            if moved.forget {
                self.logics[address.logic].remembered.remove(&round.id);
            }
            if moved.read_again {
                met_again.push(everything(round.id.clone()));
            }
        }
        work.outcomes = outcomes;
        if met_again.is_empty() {
            self.settle_round(address, work, &BTreeMap::new());
        } else {
            self.ask(address, work, Stage::After, StoreCall::States(met_again));
        }
    }

    fn settle_round(&mut self, address: Address, mut work: Box<Work>, now: &BTreeMap<String, repo::State>) {
        let before = work.done.len();
        let mut again = Vec::new();
        let (rounds, outcomes) = (mem::take(&mut work.round), mem::take(&mut work.outcomes));
        for (round, outcomes) in rounds.into_iter().zip(outcomes) {
            let Round { id, arrivals, group, folded } = round;
            let state = now.get(&id).map_or(folded, domain::State::of);
            let read = now.get(&id).or_else(|| work.states.get(&id).map(|state| &**state));
            let everybody: Vec<i64> =
                read.into_iter().flat_map(|state| &state.members).map(|member| member.user_id).collect();
            let mut audience = read.map(Audience::of).unwrap_or_default();
            for ((arrival, decision), outcome) in arrivals.into_iter().zip(&group.decisions).zip(outcomes.outcomes) {
                let is_repeated = outcome.repeated_command;
                let mut done = match settle(decision, outcome, &mut audience) {
                    Settled::Stored(entry, reach) => {
                        let result = outcome::Result::Stored(stored(&entry));
                        let now_ms = self.scheduler.clock.now_ms();
                        let follow_up = follow_up::of(&entry, &state, &self.limits, now_ms);
                        Done { arrival, result, push: Some((entry, reach)), follow_up }
                    }
                    Settled::Refused(error) => {
                        Done { arrival, result: outcome::Result::Error(error), push: None, follow_up: None }
                    }
                    Settled::Again | Settled::Failed(_) => {
                        again.push(arrival);
                        continue;
                    }
                };
                self.spoil(&mut done, decision, is_repeated, &everybody);
                work.done.push(done);
            }
        }
        work.idle_rounds = if work.done.len() == before { work.idle_rounds + 1 } else { 0 };
        work.open = again;
        if work.idle_rounds >= ROUNDS_MAX {
            return self.retry(address, work);
        }
        self.begin_round(address, work);
    }

    /// Planted bugs in what becomes of a command.
    fn spoil(&self, done: &mut Done, decision: &Decision, is_repeated: bool, everybody: &[i64]) {
        if self.has(Bug::DedupWithoutPush) && is_repeated {
            done.push = None;
        }
        if self.has(Bug::StoredOutcomeIgnored)
            && is_repeated
            && let Some(Verdict::Rejected(error)) = &decision.verdict
        {
            done.result = outcome::Result::Error(error.clone());
        }
        if self.has(Bug::AudienceForgotten)
            && let Some((_, reach @ Reach::Users(_))) = &mut done.push
        {
            *reach = Reach::Users(everybody.to_vec());
        }
    }
}
