//! The conversations' rows: made where they are missing, then locked in the order of their ids, so that two appends never
//! wait for each other in a circle.

use std::collections::HashMap;

use proto::repo::AppendGroup;
use sea_orm::{
    DatabaseTransaction, DbErr, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _, Set,
    sea_query::OnConflict,
};

use super::super::{Store, entity::conversation};
use crate::domain::{Locked, Row};

pub(super) fn sorted_ids(groups: &[AppendGroup]) -> Vec<String> {
    let mut ids: Vec<String> = groups.iter().map(|group| group.conversation_id.clone()).collect();
    ids.sort_unstable();
    ids
}

/// Makes empty rows in a statement of its own: under the lock an insert could wait for another append's.
pub(super) async fn make_rows(store: &Store, missing: impl Iterator<Item = &String>) -> Result<(), DbErr> {
    let rows = missing.map(|id| conversation::ActiveModel::from(empty(id.clone())));
    // Somebody else may make the same rows now: theirs are as good.
    let nothing = OnConflict::column(conversation::Column::ConversationId)
        .do_nothing_on([conversation::Column::ConversationId])
        .to_owned();
    conversation::Entity::insert_many(rows)
        .on_conflict(nothing)
        .exec_without_returning(store.database.writer())
        .await?;
    Ok(())
}

fn empty(conversation_id: String) -> conversation::Model {
    conversation::Model {
        conversation_id,
        kind: 0,
        title: String::new(),
        open: 0,
        fan_out: 0,
        last_seq: 0,
        last_msg_no: 0,
        first_seq: 1,
        state_version: 0,
        member_count: 0,
        last_created_at_ms: 0,
        active_hour: 0,
    }
}

/// Locks the rows that are there.
pub(super) async fn lock_rows(
    transaction: &DatabaseTransaction,
    ids: &[String],
) -> Result<HashMap<String, Locked>, DbErr> {
    let rows = conversation::Entity::find()
        .filter(conversation::COLUMN.conversation_id.is_in(ids))
        .order_by_asc(conversation::Column::ConversationId)
        .lock_exclusive()
        .all(transaction)
        .await?;
    Ok(rows
        .into_iter()
        .map(|row| (row.conversation_id.clone(), Locked { row: Row::from(row), ..Locked::default() }))
        .collect())
}

/// An index of the exact time would be written anew with each append.
fn active_hour(last_created_at_ms: i64) -> i32 {
    i32::try_from(last_created_at_ms / 3_600_000).unwrap_or(i32::MAX)
}

pub(super) fn update(row: Row, conversation_id: &str) -> conversation::ActiveModel {
    conversation::ActiveModel {
        conversation_id: Set(conversation_id.to_owned()),
        kind: Set(row.kind),
        title: Set(row.title),
        open: Set(row.open.into()),
        fan_out: Set(row.fan_out),
        last_seq: Set(row.last_seq),
        last_msg_no: Set(row.last_msg_no),
        state_version: Set(row.state_version),
        member_count: Set(row.member_count),
        last_created_at_ms: Set(row.last_created_at_ms),
        active_hour: Set(active_hour(row.last_created_at_ms)),
        ..Default::default()
    }
}
