//! Accounts.

use proto::{
    Error,
    repo::{CreateUserRequest, CredentialsResponse, GetUsersRequest, User},
};
use sea_orm::{DbErr, EntityTrait as _, QueryFilter as _};

use super::{IDS_MAX, Store, entity::user};
use crate::{
    cache::{Change, NameKey, UserKey},
    error::to_error,
};

pub(super) fn to_proto(model: user::Model) -> User {
    User {
        user_id: model.user_id,
        name: model.name,
        display_name: model.display_name,
        guest: model.guest != 0,
        created_at_ms: model.created_at_ms,
    }
}

/// The row of an account that is made now.
pub(super) fn row(new: CreateUserRequest, now_ms: i64) -> user::Model {
    user::Model {
        user_id: new.user_id,
        name: new.name,
        name_key: new.name_key,
        display_name: new.display_name,
        password_hash: new.password_hash,
        guest: new.guest.into(),
        created_at_ms: now_ms,
    }
}

impl Store {
    /// Somebody may have asked for them before they were there.
    pub(super) fn changes_of_new(&self, model: &user::Model) -> [Change; 2] {
        [self.aside.unknown(&NameKey(model.name_key.clone())), self.aside.unknown(&UserKey(model.user_id))]
    }

    /// Accounts by id and by folded name; unknown ones are left out.
    ///
    /// # Errors
    /// `unavailable` if the database is away.
    pub async fn users(&self, query: GetUsersRequest) -> Result<Vec<User>, Error> {
        if query.user_ids.len() + query.name_keys.len() > IDS_MAX {
            return Err(Error::invalid("user_ids", format_args!("at most {IDS_MAX}")));
        }
        self.try_users(query).await.map_err(|error| to_error(&error))
    }

    async fn try_users(&self, query: GetUsersRequest) -> Result<Vec<User>, DbErr> {
        let names = query.name_keys.into_iter().map(NameKey).collect();
        let named = self.aside.get(names, |missing| self.read_names(missing)).await?;
        let ids = query.user_ids.into_iter().chain(named.into_values()).map(UserKey).collect();
        let users = self.aside.get(ids, |missing| self.read_users(missing)).await?;
        Ok(users.into_values().collect())
    }

    async fn read_names(&self, keys: Vec<NameKey>) -> Result<Vec<(NameKey, i64)>, DbErr> {
        let these = user::COLUMN.name_key.is_in(keys.iter().map(|key| &*key.0));
        let rows = user::Entity::find().filter(these).all(self.database.reader()).await?;
        Ok(rows.into_iter().map(|row| (NameKey(row.name_key), row.user_id)).collect())
    }

    async fn read_users(&self, keys: Vec<UserKey>) -> Result<Vec<(UserKey, User)>, DbErr> {
        let these = user::COLUMN.user_id.is_in(keys.iter().map(|key| key.0));
        let rows = user::Entity::find().filter(these).all(self.database.reader()).await?;
        Ok(rows.into_iter().map(|row| (UserKey(row.user_id), to_proto(row))).collect())
    }

    /// Whose name it is, and the hash of their password.
    ///
    /// # Errors
    /// `unavailable` if the database is away.
    pub async fn credentials(&self, name_key: &str) -> Result<CredentialsResponse, Error> {
        let row = user::Entity::find().filter(user::COLUMN.name_key.eq(name_key)).one(self.database.reader()).await;
        let found = row.map_err(|error| to_error(&error))?;
        Ok(found.map_or_else(CredentialsResponse::default, |row| CredentialsResponse {
            user_id: row.user_id,
            password_hash: row.password_hash,
        }))
    }
}
