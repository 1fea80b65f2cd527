//! The append: rules R3 and R4 of the design. One transaction for the whole batch where nothing stands against it; where
//! data breaks a rule of the schema the batch is halved until the one bad record stands alone.

mod known;
mod lock;
mod tell;
mod write;

use std::{collections::HashMap, time::Instant};

use im_infra::{
    failpoint::{Point, reach},
    planted::{self, Bug},
};
use proto::{
    Error, ErrorCode,
    repo::{AppendGroup, AppendOutcome, DecideAgain, GroupOutcome, Row, append_outcome::Outcome},
};
use sea_orm::{DatabaseTransaction, DbErr};

use super::Store;
use crate::{
    domain::{Locked, Plan, expected, plan},
    error::{Kind, kind, to_error},
};

impl Store {
    /// Stores decisions; one outcome each, in order. Atomic per conversation.
    ///
    /// # Errors
    /// `invalid_argument` if a conversation comes twice, `unavailable` if the database is away: nothing may be known then
    /// of what was stored, the same call tells.
    pub async fn append(&self, groups: Vec<AppendGroup>) -> Result<Vec<GroupOutcome>, Error> {
        let order: Vec<String> = groups.iter().map(|group| group.conversation_id.clone()).collect();
        let empty = |id: &String| (id.clone(), GroupOutcome { conversation_id: id.clone(), ..GroupOutcome::default() });
        let mut outcomes: HashMap<String, GroupOutcome> = order.iter().map(empty).collect();
        if outcomes.len() < order.len() {
            return Err(Error::invalid("groups", "each conversation once"));
        }
        let started = Instant::now();
        // A stack of parts still to do, the next one on top.
        let (upon, read): (Vec<_>, Vec<_>) = groups.into_iter().partition(|group| expected(group).is_some());
        let mut parts: Vec<_> = [read, upon].into_iter().filter(|part| !part.is_empty()).collect();
        while let Some(part) = parts.pop() {
            match self.append_part(&part).await {
                Ok(done) => {
                    for group in done {
                        let all = outcomes.entry(group.conversation_id).or_default();
                        all.outcomes.extend(group.outcomes);
                        all.row = group.row;
                    }
                }
                Err(error) if kind(&error) == Kind::Constraint => {
                    self.metrics.bisected();
                    match halves(part) {
                        Ok((first, second)) => parts.extend([second, first]),
                        Err(alone) => fail_rest(alone, &error, &mut parts, &mut outcomes),
                    }
                }
                Err(error) => return Err(to_error(&error)),
            }
        }
        self.metrics.appended(started.elapsed().as_secs_f64());
        let done: Vec<GroupOutcome> = order.iter().filter_map(|id| outcomes.remove(id)).collect();
        done.iter().flat_map(|group| &group.outcomes).for_each(|outcome| self.metrics.outcome(outcome));
        Ok(done)
    }

    async fn append_part(&self, groups: &[AppendGroup]) -> Result<Vec<GroupOutcome>, DbErr> {
        let rows: Option<Vec<&Row>> = groups.iter().map(expected).collect();
        if let Some(rows) = rows
            && let Some(done) = self.append_upon(groups, &rows).await?
        {
            return Ok(done);
        }
        let ids = lock::sorted_ids(groups);
        let mut transaction = self.database.begin().await?;
        let mut locked = lock::lock_rows(&transaction, &ids).await?;
        if locked.len() < ids.len() {
            // Seldom: the rows are made in a statement of their own, then all are locked anew.
            transaction.rollback().await?;
            lock::make_rows(self, ids.iter().filter(|id| !locked.contains_key(*id))).await?;
            transaction = self.database.begin().await?;
            locked = lock::lock_rows(&transaction, &ids).await?;
        }
        if locked.len() < ids.len() {
            // Pruned between the two statements: the call is repeated.
            return Err(DbErr::ConnectionAcquire(sea_orm::ConnAcquireErr::Timeout));
        }
        known::read(&transaction, groups, &mut locked).await?;
        if planted::is(Bug::SeqFromCache) {
            lock::believe(groups, &mut locked);
        }
        let now_ms = self.clock.now_ms();
        let plans: Vec<(&str, Plan)> = groups
            .iter()
            .map(|group| {
                let locked = locked.remove(&group.conversation_id).unwrap_or_default();
                (group.conversation_id.as_str(), plan(locked, group, now_ms))
            })
            .collect();
        write::write(&transaction, self.database.engine(), &plans, now_ms).await?;
        let written = plans.iter().filter(|(_, plan)| plan.writes());
        let written = written.map(|(id, plan)| (*id, &plan.row));
        lock::put_rows(&transaction, self.database.engine(), written).await?;
        self.finish(transaction, groups, plans).await
    }

    /// Appends upon rows that still stand as their caller last saw them: nothing is read. None if one does not stand so, or if
    /// a command was stored before, which the unique key of the entries tells.
    async fn append_upon(&self, groups: &[AppendGroup], rows: &[&Row]) -> Result<Option<Vec<GroupOutcome>>, DbErr> {
        let now_ms = self.clock.now_ms();
        let mut plans: Vec<(&str, Plan)> = Vec::with_capacity(groups.len());
        for (group, row) in groups.iter().zip(rows) {
            let locked = Locked { row: Row::clone(row), ..Locked::default() };
            plans.push((&group.conversation_id, plan(locked, group, now_ms)));
        }
        let moves: Vec<lock::Move<'_>> =
            plans.iter().zip(rows).map(|((id, plan), from)| lock::Move { id, from, to: &plan.row }).collect();
        let transaction = self.database.begin().await?;
        let mut holds = lock::move_on(&transaction, &moves).await?;
        if holds {
            match write::write(&transaction, self.database.engine(), &plans, now_ms).await {
                Ok(()) => {}
                Err(error) if kind(&error) == Kind::Constraint => holds = false,
                Err(error) => return Err(error),
            }
        }
        self.metrics.expected(groups.len(), holds);
        if !holds {
            transaction.rollback().await?;
            return Ok(None);
        }
        self.finish(transaction, groups, plans).await.map(Some)
    }

    /// Commits, and tells the cache before anybody else knows.
    async fn finish(
        &self,
        transaction: DatabaseTransaction,
        groups: &[AppendGroup],
        plans: Vec<(&str, Plan)>,
    ) -> Result<Vec<GroupOutcome>, DbErr> {
        let changes = tell::changes(&self.aside, groups, &plans);
        // Without changes there is nothing to doubt either.
        let telling = (!changes.is_empty()).then(|| self.aside.telling());
        commit(transaction).await?;
        reach(Point::RepoAfterCommit);
        if let Some(telling) = telling {
            telling.tell(&changes).await;
        }
        let outcome = |(id, plan): (&str, Plan)| GroupOutcome {
            conversation_id: id.to_owned(),
            outcomes: plan.outcomes,
            row: Some(plan.row),
        };
        Ok(plans.into_iter().map(outcome).collect())
    }
}

async fn commit(transaction: DatabaseTransaction) -> Result<(), DbErr> {
    if planted::is(Bug::AckBeforeCommit) {
        planted::later(async move { drop(transaction.commit().await) });
        return Ok(());
    }
    if planted::is(Bug::PushBeforeCommit) && fastrand::u8(..) == 0 {
        return transaction.rollback().await;
    }
    transaction.commit().await
}

/// Two halves, by conversation first, then by record; or the one decision that cannot be halved.
fn halves(mut part: Vec<AppendGroup>) -> Result<(Vec<AppendGroup>, Vec<AppendGroup>), Vec<AppendGroup>> {
    if part.len() > 1 {
        let second = part.split_off(part.len() / 2);
        return Ok((part, second));
    }
    match part.first_mut() {
        Some(group) if group.decisions.len() > 1 => {
            let rest = group.decisions.split_off(group.decisions.len() / 2);
            // Where it stands after the first half is not known here.
            let second = AppendGroup { decisions: rest, row: None, ..group.clone() };
            Ok((part, vec![second]))
        }
        _ => Err(part),
    }
}

/// The decision alone fails; those of its conversation after it wait until it was set aside.
fn fail_rest(
    alone: Vec<AppendGroup>,
    error: &DbErr,
    parts: &mut Vec<Vec<AppendGroup>>,
    outcomes: &mut HashMap<String, GroupOutcome>,
) {
    let failed = Error::new(ErrorCode::Internal).with("part", "database").with("reason", error);
    for group in alone {
        let all = outcomes.entry(group.conversation_id.clone()).or_default();
        all.row = None;
        let answers = &mut all.outcomes;
        answers.push(AppendOutcome { outcome: Some(Outcome::Failed(failed.clone().into())), repeated_command: false });
        for part in parts.iter_mut() {
            part.retain(|later| {
                let same = later.conversation_id == group.conversation_id;
                if same {
                    let again =
                        AppendOutcome { outcome: Some(Outcome::DecideAgain(DecideAgain {})), repeated_command: false };
                    answers.extend(std::iter::repeat_n(again, later.decisions.len()));
                }
                !same
            });
        }
        parts.retain(|part| !part.is_empty());
    }
}
