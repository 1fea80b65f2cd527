//! The append: rules R3 and R4 of the design. One transaction for the whole batch where nothing stands against it; where
//! data breaks a rule of the schema the batch is halved until the one bad record stands alone.

mod known;
mod lock;
mod tell;
mod write;

use std::{collections::HashMap, time::Instant};

use proto::{
    Error, ErrorCode,
    repo::{AppendGroup, AppendOutcome, DecideAgain, GroupOutcome, append_outcome::Outcome},
};
use sea_orm::DbErr;

use super::Store;
use crate::{
    domain::{Plan, plan},
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
        let mut outcomes: HashMap<String, Vec<AppendOutcome>> =
            order.iter().map(|id| (id.clone(), Vec::new())).collect();
        if outcomes.len() < order.len() {
            return Err(Error::invalid("groups", "each conversation once"));
        }
        let started = Instant::now();
        // A stack of parts still to do, the next one on top.
        let mut parts = vec![groups];
        while let Some(part) = parts.pop() {
            match self.append_part(&part).await {
                Ok(done) => {
                    for group in done {
                        outcomes.entry(group.conversation_id).or_default().extend(group.outcomes);
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
        let take = |conversation_id: String| GroupOutcome {
            outcomes: outcomes.remove(&conversation_id).unwrap_or_default(),
            conversation_id,
        };
        let done: Vec<GroupOutcome> = order.into_iter().map(take).collect();
        done.iter().flat_map(|group| &group.outcomes).for_each(|outcome| self.metrics.outcome(outcome));
        Ok(done)
    }

    async fn append_part(&self, groups: &[AppendGroup]) -> Result<Vec<GroupOutcome>, DbErr> {
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
        let now_ms = self.clock.now_ms();
        let plans: Vec<(&str, Plan)> = groups
            .iter()
            .map(|group| {
                let locked = locked.remove(&group.conversation_id).unwrap_or_default();
                (group.conversation_id.as_str(), plan(locked, group, now_ms))
            })
            .collect();
        write::write(&transaction, self.database.engine(), &plans, now_ms).await?;
        let changes = tell::changes(&self.aside, groups, &plans);
        // Without changes there is nothing to doubt either.
        let telling = (!changes.is_empty()).then(|| self.aside.telling());
        transaction.commit().await?;
        if let Some(telling) = telling {
            telling.tell(&changes).await;
        }
        let outcome =
            |(id, plan): (&str, Plan)| GroupOutcome { conversation_id: id.to_owned(), outcomes: plan.outcomes };
        Ok(plans.into_iter().map(outcome).collect())
    }
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
            let second = AppendGroup { decisions: rest, ..group.clone() };
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
    outcomes: &mut HashMap<String, Vec<AppendOutcome>>,
) {
    let failed = Error::new(ErrorCode::Internal).with("part", "database").with("reason", error);
    for group in alone {
        let answers = outcomes.entry(group.conversation_id.clone()).or_default();
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
