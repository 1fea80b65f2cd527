//! What this store is: clients with state of another epoch drop it.

use im_infra::database::Database;
use proto::Error;
use sea_orm::{EntityTrait as _, Set, sea_query::OnConflict};

use super::{Store, entity::store};
use crate::error::{Kind, kind, to_error};

impl Store {
    /// The epoch; `fresh` becomes it if there is none yet. The cache learns it, too.
    ///
    /// # Errors
    /// `unavailable` if the database is away.
    pub async fn epoch(&self, fresh: &str) -> Result<String, Error> {
        let epoch = epoch(&self.database, fresh).await?;
        self.aside.renew(&epoch);
        Ok(epoch)
    }
}

/// [`Store::epoch`], before there is a store.
pub(crate) async fn epoch(database: &Database, fresh: &str) -> Result<String, Error> {
    if let Some(row) = store::Entity::find_by_id(1).one(database.reader()).await.map_err(|error| to_error(&error))? {
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

/// Gives the store another epoch.
pub(crate) async fn renew(database: &Database, fresh: &str) -> Result<(), Error> {
    let row = store::ActiveModel { id: Set(1), epoch: Set(fresh.to_owned()) };
    let replace = OnConflict::column(store::Column::Id).update_column(store::Column::Epoch).to_owned();
    let insert = store::Entity::insert(row).on_conflict(replace);
    insert.exec_without_returning(database.writer()).await.map(drop).map_err(|error| to_error(&error))
}
