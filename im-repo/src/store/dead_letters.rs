//! Records that were given up, for operators.

use prost::Message as _;
use proto::{
    Error, ErrorCode, mq,
    repo::{DeadLetter, DeadLetterState, ListDeadLettersRequest, ListDeadLettersResponse, MarkDeadLetterRequest},
};
use sea_orm::{
    DbErr, EntityTrait as _, NotSet, QueryFilter as _, QueryOrder as _, QuerySelect as _, Set, sea_query::Expr,
};

use super::{Store, entity::dead_letter};
use crate::error::{Kind, kind, to_error};

fn to_proto(model: &dead_letter::Model) -> Result<DeadLetter, DbErr> {
    let record = mq::Dead::decode(&*model.record).map_err(|error| DbErr::Type(error.to_string()))?;
    Ok(DeadLetter { dead_letter_id: model.dead_letter_id, record: Some(record), state: model.state })
}

impl Store {
    /// Keeps a dead letter; the same record (topic, partition, offset) once.
    ///
    /// # Errors
    /// `unavailable` if the database is away.
    pub async fn put_dead_letter(&self, record: &mq::Dead) -> Result<DeadLetter, Error> {
        let shard = i32::try_from(record.partition).unwrap_or(i32::MAX);
        let row = dead_letter::ActiveModel {
            dead_letter_id: NotSet,
            topic: Set(record.topic.clone()),
            shard: Set(shard),
            position: Set(record.offset),
            record: Set(record.encode_to_vec()),
            state: Set(DeadLetterState::Parked.into()),
            died_at_ms: Set(record.died_at_ms),
        };
        match dead_letter::Entity::insert(row).exec_without_returning(self.database.writer()).await {
            Ok(_) => {}
            Err(error) if kind(&error) == Kind::Constraint => {}
            Err(error) => return Err(to_error(&error)),
        }
        let same = dead_letter::Entity::find()
            .filter(dead_letter::COLUMN.topic.eq(&*record.topic))
            .filter(dead_letter::COLUMN.shard.eq(shard))
            .filter(dead_letter::COLUMN.position.eq(record.offset));
        let found = same.one(self.database.writer()).await.map_err(|error| to_error(&error))?;
        found
            .as_ref()
            .map_or_else(|| Err(ErrorCode::NotFound.into()), |row| to_proto(row).map_err(|error| to_error(&error)))
    }

    /// Dead letters by ascending id.
    ///
    /// # Errors
    /// `unavailable` if the database is away.
    pub async fn dead_letters(&self, query: &ListDeadLettersRequest) -> Result<ListDeadLettersResponse, Error> {
        let limit = u64::from(query.limit.clamp(1, 200));
        let mut select = dead_letter::Entity::find()
            .filter(dead_letter::COLUMN.dead_letter_id.gt(query.after))
            .order_by_asc(dead_letter::Column::DeadLetterId)
            .limit(limit + 1);
        if query.state != 0 {
            select = select.filter(dead_letter::COLUMN.state.eq(query.state));
        }
        let rows = select.all(self.database.reader()).await.map_err(|error| to_error(&error))?;
        let more = rows.len() as u64 > limit;
        let page = rows.iter().take(usize::try_from(limit).unwrap_or(usize::MAX));
        let dead_letters = page.map(to_proto).collect::<Result<_, _>>().map_err(|error| to_error(&error))?;
        Ok(ListDeadLettersResponse { dead_letters, more })
    }

    /// One dead letter.
    ///
    /// # Errors
    /// `not_found`; `unavailable` if the database is away.
    pub async fn dead_letter(&self, id: i64) -> Result<DeadLetter, Error> {
        let row =
            dead_letter::Entity::find_by_id(id).one(self.database.reader()).await.map_err(|error| to_error(&error))?;
        let row = row.ok_or_else(|| Error::new(ErrorCode::NotFound).with("dead_letter_id", id))?;
        to_proto(&row).map_err(|error| to_error(&error))
    }

    /// Notes what an operator did with it. What was dropped stays dropped, and what is too old is replayed by force only.
    ///
    /// # Errors
    /// `not_found`, `dead_letter_dropped`, `dead_letter_too_old`; `unavailable` if the database is away.
    pub async fn mark_dead_letter(&self, mark: &MarkDeadLetterRequest) -> Result<DeadLetter, Error> {
        let id = mark.dead_letter_id;
        let letter = self.dead_letter(id).await?;
        if mark.state() == DeadLetterState::Replaying && !mark.force {
            self.check_age(&letter)?;
        }
        // In the same statement: somebody else may drop it now.
        let mut change = dead_letter::Entity::update_many()
            .col_expr(dead_letter::Column::State, Expr::value(mark.state))
            .filter(dead_letter::COLUMN.dead_letter_id.eq(id));
        if mark.state() != DeadLetterState::Dropped {
            change = change.filter(dead_letter::COLUMN.state.ne(i32::from(DeadLetterState::Dropped)));
        }
        let changed = change.exec(self.database.writer()).await.map_err(|error| to_error(&error))?;
        if changed.rows_affected == 0 {
            return Err(Error::new(ErrorCode::DeadLetterDropped).with("dead_letter_id", id));
        }
        self.dead_letter(id).await
    }

    fn check_age(&self, letter: &DeadLetter) -> Result<(), Error> {
        let died_at_ms = letter.record.as_ref().map_or(0, |record| record.died_at_ms);
        let (age_ms, age_max_ms) = (self.clock.now_ms().saturating_sub(died_at_ms), self.options.replay_age_max_ms);
        if age_ms <= age_max_ms || letter.state() == DeadLetterState::Dropped {
            return Ok(());
        }
        Err(Error::new(ErrorCode::DeadLetterTooOld)
            .with("dead_letter_id", letter.dead_letter_id)
            .with("age_ms", age_ms)
            .with("age_max_ms", age_max_ms))
    }
}
