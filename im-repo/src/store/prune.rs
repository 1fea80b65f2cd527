//! Forgetting what is too old to be asked for: rejections, and the empty rows of conversations that were made for nothing else.

use std::collections::{BTreeSet, HashMap, HashSet};

use proto::Error;
use sea_orm::{
    ColumnTrait as _, Condition, DatabaseTransaction, DbErr, EntityTrait as _, QueryFilter as _, QueryOrder as _,
    QuerySelect as _, sea_query::Expr,
};

use super::{
    KEYS_AT_ONCE, Store,
    entity::{conversation, rejection},
};
use crate::error::to_error;

/// What a pass has deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pruned {
    /// Rejections.
    pub rejections: u64,
    /// Conversations that had nothing else.
    pub conversations: u64,
    /// Whether there may be more to delete.
    pub more: bool,
}

/// Conversation, sender, command.
type RejectionKey = (String, i64, String);

impl Store {
    /// Deletes rejections of before a time, the oldest first and so many at once, and the conversations that are empty then.
    ///
    /// # Errors
    /// `unavailable` if the database is away.
    pub async fn prune(&self, before_ms: i64) -> Result<Pruned, Error> {
        let pruned = self.try_prune(before_ms).await.map_err(|error| to_error(&error))?;
        self.metrics.pruned("rejection", pruned.rejections);
        self.metrics.pruned("conversation", pruned.conversations);
        Ok(pruned)
    }

    async fn try_prune(&self, before_ms: i64) -> Result<Pruned, DbErr> {
        let old: Vec<RejectionKey> = rejection::Entity::find()
            .select_only()
            .column(rejection::Column::ConversationId)
            .column(rejection::Column::SenderId)
            .column(rejection::Column::CommandId)
            .filter(rejection::COLUMN.created_at_ms.lt(before_ms))
            .order_by_asc(rejection::Column::CreatedAtMs)
            .limit(KEYS_AT_ONCE as u64)
            .into_tuple()
            .all(self.database.reader())
            .await?;
        let more = old.len() == KEYS_AT_ONCE;
        if old.is_empty() {
            return Ok(Pruned { rejections: 0, conversations: 0, more });
        }
        let transaction = self.database.begin().await?;
        // As an append does: the conversations first, in the order of their ids. Nobody adds a rejection to them meanwhile.
        let locked = lock(&transaction, &old).await?;
        let deleted = rejection::Entity::delete_many().filter(these(&old, before_ms)).exec(&transaction).await?;
        let conversations = tidy(&transaction, locked).await?;
        transaction.commit().await?;
        Ok(Pruned { rejections: deleted.rows_affected, conversations, more })
    }
}

/// The conversations of these rejections, with whether they have an entry.
async fn lock(transaction: &DatabaseTransaction, old: &[RejectionKey]) -> Result<Vec<(String, bool)>, DbErr> {
    let ids: BTreeSet<&str> = old.iter().map(|(conversation_id, ..)| &**conversation_id).collect();
    let rows = conversation::Entity::find()
        .filter(conversation::COLUMN.conversation_id.is_in(ids))
        .order_by_asc(conversation::Column::ConversationId)
        .lock_exclusive()
        .all(transaction)
        .await?;
    Ok(rows.into_iter().map(|row| (row.conversation_id, row.last_seq > 0)).collect())
}

/// Of the locked rows that have no rejection any more, those without an entry are deleted, and the others say so; answers how
/// many were deleted.
async fn tidy(transaction: &DatabaseTransaction, locked: Vec<(String, bool)>) -> Result<u64, DbErr> {
    let used: Vec<String> = rejection::Entity::find()
        .select_only()
        .distinct()
        .column(rejection::Column::ConversationId)
        .filter(rejection::COLUMN.conversation_id.is_in(locked.iter().map(|(id, _)| id.as_str())))
        .into_tuple()
        .all(transaction)
        .await?;
    let used: HashSet<String> = used.into_iter().collect();
    let free = locked.into_iter().filter(|(id, _)| !used.contains(id));
    let (kept, bare): (Vec<_>, Vec<_>) = free.partition(|(_, has_entries)| *has_entries);
    let ids = |rows: Vec<(String, bool)>| rows.into_iter().map(|(id, _)| id);
    if !kept.is_empty() {
        let these = conversation::Column::ConversationId.is_in(ids(kept));
        let none = Expr::value(0);
        let clear = conversation::Entity::update_many().col_expr(conversation::Column::HasRejections, none);
        clear.filter(these).exec(transaction).await?;
    }
    if bare.is_empty() {
        return Ok(0);
    }
    let bare = conversation::Column::ConversationId.is_in(ids(bare));
    Ok(conversation::Entity::delete_many().filter(bare).exec(transaction).await?.rows_affected)
}

/// Of these keys the rows that are old: one may be gone by now, and its command rejected anew.
fn these(old: &[RejectionKey], before_ms: i64) -> Condition {
    let mut by_sender: HashMap<(&str, i64), Vec<&str>> = HashMap::new();
    for (conversation_id, sender_id, command_id) in old {
        by_sender.entry((conversation_id, *sender_id)).or_default().push(command_id);
    }
    let any = by_sender.into_iter().fold(Condition::any(), |any, ((conversation_id, sender_id), commands)| {
        let same = Condition::all()
            .add(rejection::Column::ConversationId.eq(conversation_id))
            .add(rejection::Column::SenderId.eq(sender_id))
            .add(rejection::Column::CommandId.is_in(commands));
        any.add(same)
    });
    Condition::all().add(any).add(rejection::Column::CreatedAtMs.lt(before_ms))
}
