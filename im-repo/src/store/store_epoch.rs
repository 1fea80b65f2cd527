//! What this store is: clients with state of another epoch drop it.

use proto::Error;
use sea_orm::{EntityTrait as _, Set};

use super::{Store, entity::store};
use crate::error::{Kind, kind, to_error};

impl Store {
    /// The epoch; `fresh` becomes it if there is none yet.
    ///
    /// # Errors
    /// `unavailable` if the database is away.
    pub async fn epoch(&self, fresh: &str) -> Result<String, Error> {
        let database = &self.database;
        if let Some(row) =
            store::Entity::find_by_id(1).one(database.reader()).await.map_err(|error| to_error(&error))?
        {
            return Ok(row.epoch);
        }
        let row = store::ActiveModel { id: Set(1), epoch: Set(fresh.to_owned()) };
        match store::Entity::insert(row).exec_without_returning(database.writer()).await {
            Ok(_) => {}
            // Another process was first; its row counts.
            Err(error) if kind(&error) == Kind::Constraint => {}
            Err(error) => return Err(to_error(&error)),
        }
        let row = store::Entity::find_by_id(1).one(database.writer()).await.map_err(|error| to_error(&error))?;
        Ok(row.map_or_else(|| fresh.to_owned(), |row| row.epoch))
    }
}
