//! Reading ahead what will be asked for.

use proto::{Error, repo::HeadsRequest};
use sea_orm::{DbErr, EntityTrait as _, QueryOrder as _, QuerySelect as _};

use super::{IDS_MAX, Store, entity::conversation};
use crate::error::to_error;

impl Store {
    /// Reads the heads of the conversations that were active last into the cache; answers how many.
    ///
    /// # Errors
    /// `unavailable` if the database is away.
    pub async fn warm_up(&self, conversations: u64) -> Result<usize, Error> {
        let ids = self.active(conversations).await.map_err(|error| to_error(&error))?;
        for conversation_ids in ids.chunks(IDS_MAX) {
            self.heads(&HeadsRequest { conversation_ids: conversation_ids.to_vec(), last_entry: false, fresh: false })
                .await?;
        }
        Ok(ids.len())
    }

    /// From the end of an index: the same cost however many conversations there are.
    async fn active(&self, limit: u64) -> Result<Vec<String>, DbErr> {
        conversation::Entity::find()
            .select_only()
            .column(conversation::Column::ConversationId)
            .order_by_desc(conversation::Column::ActiveHour)
            .limit(limit)
            .into_tuple()
            .all(self.database.reader())
            .await
    }
}
