//! The conversations' rows: made where they are missing, then locked in the order of their ids, so that two appends never
//! wait for each other in a circle.

use std::collections::HashMap;

use im_infra::database::Engine;
use proto::repo::AppendGroup;
use sea_orm::{
    DatabaseTransaction, DbErr, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _, Set,
    sea_query::OnConflict,
};

use super::super::{Store, entity::conversation, lengths::padded};
use crate::domain::{Locked, Row};

pub(super) fn sorted_ids(groups: &[AppendGroup]) -> Vec<String> {
    let mut ids: Vec<String> = groups.iter().map(|group| group.conversation_id.clone()).collect();
    ids.sort_unstable();
    ids
}

/// Makes empty rows in a statement of its own: under the lock an insert could wait for another append's.
pub(super) async fn make_rows(store: &Store, missing: impl Iterator<Item = &String>) -> Result<(), DbErr> {
    let empty = Row { first_seq: 1, ..Row::default() };
    let rows = missing.map(|id| conversation::ActiveModel::from(model(id, &empty)));
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

/// Locks the rows that are there.
pub(super) async fn lock_rows(
    transaction: &DatabaseTransaction,
    ids: &[String],
) -> Result<HashMap<String, Locked>, DbErr> {
    let rows = conversation::Entity::find()
        .filter(conversation::COLUMN.conversation_id.is_in(padded(ids.to_vec())))
        .order_by_asc(conversation::Column::ConversationId)
        .lock_exclusive()
        .all(transaction)
        .await?;
    Ok(rows
        .into_iter()
        .map(|row| (row.conversation_id.clone(), Locked { row: Row::from(row), ..Locked::default() }))
        .collect())
}

/// A planted bug: logs stand where the caller remembers them.
pub(super) fn believe(groups: &[AppendGroup], locked: &mut HashMap<String, Locked>) {
    for group in groups {
        if let (Some(row), Some(locked)) = (&group.row, locked.get_mut(&group.conversation_id)) {
            locked.row.last_seq = row.last_seq;
        }
    }
}

/// An index of the exact time would be written anew with each append.
fn active_hour(last_created_at_ms: i64) -> i32 {
    i32::try_from(last_created_at_ms / 3_600_000).unwrap_or(i32::MAX)
}

/// Moves a row on if it still stands as expected, which locks it; answers whether it does.
pub(super) async fn move_on(
    transaction: &DatabaseTransaction,
    conversation_id: &str,
    (expected, next): (&Row, &Row),
) -> Result<bool, DbErr> {
    let moved = conversation::Entity::update_many()
        .set(conversation::ActiveModel {
            last_seq: Set(next.last_seq),
            last_msg_no: Set(next.last_msg_no),
            last_created_at_ms: Set(next.last_created_at_ms),
            active_hour: Set(active_hour(next.last_created_at_ms)),
            ..Default::default()
        })
        .filter(conversation::COLUMN.conversation_id.eq(conversation_id))
        .filter(conversation::COLUMN.last_seq.eq(expected.last_seq))
        .filter(conversation::COLUMN.state_version.eq(expected.state_version))
        .filter(conversation::COLUMN.has_rejections.eq(0))
        .exec(transaction)
        .await?;
    Ok(moved.rows_affected == 1)
}

/// Writes locked rows in one statement. They are there, so it is always the conflict that is met.
pub(super) async fn put_rows(
    transaction: &DatabaseTransaction,
    engine: Engine,
    rows: impl Iterator<Item = (&str, &Row)>,
) -> Result<(), DbErr> {
    let mut rows: Vec<_> = rows.map(|(id, row)| conversation::ActiveModel::from(model(id, row))).collect();
    if engine == Engine::Mysql {
        // The others refuse a row that comes twice, and need no padding.
        rows = padded(rows);
    }
    if rows.is_empty() {
        return Ok(());
    }
    let over = OnConflict::column(conversation::Column::ConversationId)
        .update_columns([
            conversation::Column::Kind,
            conversation::Column::Title,
            conversation::Column::Open,
            conversation::Column::FanOut,
            conversation::Column::LastSeq,
            conversation::Column::LastMsgNo,
            conversation::Column::StateVersion,
            conversation::Column::MemberCount,
            conversation::Column::LastCreatedAtMs,
            conversation::Column::ActiveHour,
            conversation::Column::HasRejections,
        ])
        .to_owned();
    conversation::Entity::insert_many(rows).on_conflict(over).exec_without_returning(transaction).await.map(drop)
}

fn model(conversation_id: &str, row: &Row) -> conversation::Model {
    conversation::Model {
        conversation_id: conversation_id.to_owned(),
        kind: row.kind,
        title: row.title.clone(),
        open: row.open.into(),
        fan_out: row.fan_out,
        last_seq: row.last_seq,
        last_msg_no: row.last_msg_no,
        first_seq: row.first_seq,
        state_version: row.state_version,
        member_count: row.member_count,
        last_created_at_ms: row.last_created_at_ms,
        active_hour: active_hour(row.last_created_at_ms),
        has_rejections: row.has_rejections.into(),
    }
}
