//! Accounts.

use proto::{
    Error, ErrorCode,
    repo::{CreateUserRequest, CredentialsResponse, GetUsersRequest, User},
};
use sea_orm::{Condition, EntityTrait as _, QueryFilter as _};

use super::{IDS_MAX, Store, entity::user};
use crate::error::{Kind, kind, to_error};

fn to_proto(model: user::Model) -> User {
    User {
        user_id: model.user_id,
        name: model.name,
        display_name: model.display_name,
        guest: model.guest != 0,
        created_at_ms: model.created_at_ms,
    }
}

impl Store {
    /// Makes an account.
    ///
    /// # Errors
    /// `name_taken`; `unavailable` if the database is away.
    pub async fn create_user(&self, new: CreateUserRequest) -> Result<User, Error> {
        let model = user::Model {
            user_id: new.user_id,
            name: new.name,
            name_key: new.name_key,
            display_name: new.display_name,
            password_hash: new.password_hash,
            guest: new.guest.into(),
            created_at_ms: self.clock.now_ms(),
        };
        let insert = user::Entity::insert(user::ActiveModel::from(model.clone()));
        match insert.exec_without_returning(self.database.writer()).await {
            Ok(_) => Ok(to_proto(model)),
            Err(error) if kind(&error) == Kind::Constraint => Err(ErrorCode::NameTaken.into()),
            Err(error) => Err(to_error(&error)),
        }
    }

    /// Accounts by id and by folded name; unknown ones are left out.
    ///
    /// # Errors
    /// `unavailable` if the database is away.
    pub async fn users(&self, query: GetUsersRequest) -> Result<Vec<User>, Error> {
        if query.user_ids.len() + query.name_keys.len() > IDS_MAX {
            return Err(Error::invalid("user_ids", format_args!("at most {IDS_MAX}")));
        }
        let any = Condition::any()
            .add(user::COLUMN.user_id.is_in(query.user_ids))
            .add(user::COLUMN.name_key.is_in(query.name_keys.iter().map(String::as_str)));
        let rows =
            user::Entity::find().filter(any).all(self.database.reader()).await.map_err(|error| to_error(&error))?;
        Ok(rows.into_iter().map(to_proto).collect())
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
