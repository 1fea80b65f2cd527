//! Logins and their refresh secrets.

use proto::{
    Error,
    repo::{CreateSessionRequest, RotateRequest, RotateResponse, Session, rotate_response},
};
use sea_orm::{
    ActiveModelTrait as _, ColumnTrait as _, Condition, DbErr, EntityTrait as _, QueryFilter as _, QueryOrder as _,
    QuerySelect as _, Set,
};

use super::{IDS_MAX, Store, entity::session};
use crate::error::to_error;

fn to_proto(model: session::Model) -> Session {
    Session {
        session_id: model.session_id,
        user_id: model.user_id,
        device_id: model.device_id,
        platform: model.platform,
        created_at_ms: model.created_at_ms,
        last_used_at_ms: model.last_used_at_ms,
        expires_at_ms: model.expires_at_ms,
        revoked_at_ms: model.revoked_at_ms,
    }
}

/// Bytes of a hash.
const HASH_BYTES: usize = 32;

/// The used hashes with one more; past so many the oldest are forgotten.
fn remember(used: &[u8], hash: &[u8], used_max: usize) -> Vec<u8> {
    let mut all = used.to_vec();
    all.extend_from_slice(hash);
    let excess = all.len().saturating_sub(used_max * HASH_BYTES);
    all.split_off(excess)
}

/// The row of a new login.
pub(super) fn row(new: CreateSessionRequest) -> session::Model {
    let session = new.session.unwrap_or_default();
    session::Model {
        session_id: session.session_id,
        user_id: session.user_id,
        device_id: session.device_id,
        platform: session.platform,
        refresh_hash: new.refresh_hash.to_vec(),
        used_hashes: Vec::new(),
        created_at_ms: session.created_at_ms,
        last_used_at_ms: session.created_at_ms,
        expires_at_ms: session.expires_at_ms,
        revoked_at_ms: 0,
    }
}

impl Store {
    /// Remembers a login.
    ///
    /// # Errors
    /// `unavailable` if the database is away.
    pub async fn create_session(&self, new: CreateSessionRequest) -> Result<Session, Error> {
        let model = row(new);
        let insert = session::Entity::insert(session::ActiveModel::from(model.clone()));
        insert.exec_without_returning(self.database.writer()).await.map_err(|error| to_error(&error))?;
        Ok(to_proto(model))
    }

    /// Swaps the refresh secret. One that was used before ends the session; one that never was changes nothing.
    ///
    /// # Errors
    /// `unavailable` if the database is away.
    pub async fn rotate(&self, rotate: &RotateRequest) -> Result<RotateResponse, Error> {
        self.try_rotate(rotate).await.map_err(|error| to_error(&error))
    }

    async fn try_rotate(&self, rotate: &RotateRequest) -> Result<RotateResponse, DbErr> {
        let transaction = self.database.begin().await?;
        let found = session::Entity::find_by_id(rotate.session_id.clone()).lock_exclusive().one(&transaction).await?;
        let Some(mut model) = found.filter(|row| row.revoked_at_ms == 0 && row.expires_at_ms > rotate.now_ms) else {
            return Ok(RotateResponse { result: rotate_response::Result::Unknown.into(), session: None });
        };
        let change = session::ActiveModel { session_id: Set(model.session_id.clone()), ..Default::default() };
        let (change, result) = if model.refresh_hash == rotate.refresh_hash {
            model.last_used_at_ms = rotate.now_ms;
            model.expires_at_ms = rotate.expires_at_ms;
            let change = session::ActiveModel {
                used_hashes: Set(remember(&model.used_hashes, &model.refresh_hash, self.options.used_tokens_max)),
                refresh_hash: Set(rotate.next_hash.to_vec()),
                last_used_at_ms: Set(rotate.now_ms),
                expires_at_ms: Set(rotate.expires_at_ms),
                ..change
            };
            (change, rotate_response::Result::Rotated)
        } else if model.used_hashes.chunks(HASH_BYTES).any(|used| used == rotate.refresh_hash) {
            model.revoked_at_ms = rotate.now_ms;
            (session::ActiveModel { revoked_at_ms: Set(rotate.now_ms), ..change }, rotate_response::Result::Reused)
        } else {
            // Made up: whoever guesses must not be able to end sessions.
            return Ok(RotateResponse { result: rotate_response::Result::Unknown.into(), session: None });
        };
        change.update_without_returning(&transaction).await?;
        transaction.commit().await?;
        Ok(RotateResponse { result: result.into(), session: Some(to_proto(model)) })
    }

    /// A user's live sessions, newest first.
    ///
    /// # Errors
    /// `unavailable` if the database is away.
    pub async fn sessions(&self, user_id: i64) -> Result<Vec<Session>, Error> {
        let rows = session::Entity::find()
            .filter(session::COLUMN.user_id.eq(user_id))
            .filter(session::COLUMN.revoked_at_ms.eq(0))
            .filter(session::COLUMN.expires_at_ms.gt(self.clock.now_ms()))
            .order_by_desc(session::Column::CreatedAtMs)
            .limit(IDS_MAX as u64)
            .all(self.database.reader())
            .await
            .map_err(|error| to_error(&error))?;
        Ok(rows.into_iter().map(to_proto).collect())
    }

    /// Ends one or all sessions of a user; answers those that were live.
    ///
    /// # Errors
    /// `unavailable` if the database is away.
    pub async fn revoke(&self, user_id: i64, session_id: &str, now_ms: i64) -> Result<Vec<Session>, Error> {
        self.try_revoke(user_id, session_id, now_ms).await.map_err(|error| to_error(&error))
    }

    async fn try_revoke(&self, user_id: i64, session_id: &str, now_ms: i64) -> Result<Vec<Session>, DbErr> {
        let transaction = self.database.begin().await?;
        let mut live = session::Entity::find()
            .filter(session::COLUMN.user_id.eq(user_id))
            .filter(session::COLUMN.revoked_at_ms.eq(0));
        if !session_id.is_empty() {
            live = live.filter(session::COLUMN.session_id.eq(session_id));
        }
        let rows = live.lock_exclusive().all(&transaction).await?;
        let ids = rows.iter().map(|row| row.session_id.clone());
        session::Entity::update_many()
            .set(session::ActiveModel { revoked_at_ms: Set(now_ms), ..Default::default() })
            .filter(session::Column::SessionId.is_in(ids))
            .exec(&transaction)
            .await?;
        transaction.commit().await?;
        Ok(rows.into_iter().map(|row| to_proto(session::Model { revoked_at_ms: now_ms, ..row })).collect())
    }

    /// Sessions ended at or after a time, oldest end first. All of them, however many: one left out would live on.
    ///
    /// # Errors
    /// `unavailable` if the database is away.
    pub async fn revoked_since(&self, since_ms: i64) -> Result<Vec<Session>, Error> {
        self.try_revoked_since(since_ms).await.map_err(|error| to_error(&error))
    }

    /// Page by page, so that no statement grows with their number.
    async fn try_revoked_since(&self, since_ms: i64) -> Result<Vec<Session>, DbErr> {
        let mut sessions: Vec<Session> = Vec::new();
        loop {
            let (since_ms, after) =
                sessions.last().map_or((since_ms.max(1), ""), |session| (session.revoked_at_ms, &*session.session_id));
            let same_time = Condition::all()
                .add(session::COLUMN.revoked_at_ms.eq(since_ms))
                .add(session::COLUMN.session_id.gt(after));
            let page = session::Entity::find()
                .filter(Condition::any().add(session::COLUMN.revoked_at_ms.gt(since_ms)).add(same_time))
                .order_by_asc(session::Column::RevokedAtMs)
                .order_by_asc(session::Column::SessionId)
                .limit(IDS_MAX as u64)
                .all(self.database.reader())
                .await?;
            let is_last = page.len() < IDS_MAX;
            sessions.extend(page.into_iter().map(to_proto));
            if is_last {
                return Ok(sessions);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_used_hashes_are_forgotten() {
        let hash = |number: u8| [number; HASH_BYTES];
        let two = remember(&hash(1), &hash(2), 2);
        assert_eq!(two, [hash(1), hash(2)].concat());
        assert_eq!(remember(&two, &hash(3), 2), [hash(2), hash(3)].concat());
        assert_eq!(remember(&two, &hash(3), 1), hash(3), "as an operator has lowered it");
    }
}
