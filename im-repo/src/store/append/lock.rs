//! The conversations' rows: made where they are missing, then locked in the order of their ids, so that two appends seldom
//! wait for each other in a circle.

use std::collections::HashMap;

use im_infra::database::Engine;
use proto::repo::AppendGroup;
use sea_orm::{
    ColumnTrait as _, Condition, DatabaseTransaction, DbErr, EntityTrait as _, QueryFilter as _, QueryOrder as _,
    QuerySelect as _,
    sea_query::{CaseStatement, Expr, OnConflict},
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

/// A row that moves on.
#[derive(Clone, Copy)]
pub(super) struct Move<'a> {
    pub(super) id: &'a str,
    /// As it is expected to stand.
    pub(super) from: &'a Row,
    pub(super) to: &'a Row,
}

impl Move<'_> {
    fn same_id(self) -> Condition {
        Condition::all().add(conversation::Column::ConversationId.eq(self.id))
    }

    fn stands(self) -> Condition {
        let same = self.same_id().add(conversation::Column::LastSeq.eq(self.from.last_seq));
        same.add(conversation::Column::StateVersion.eq(self.from.state_version))
            .add(conversation::Column::HasRejections.eq(0))
    }
}

/// Rows of one statement: each is a branch of an OR, and SQLite's expressions go 1,000 deep.
const ROWS_AT_ONCE: usize = 256;

/// Moves rows on if all of them still stand as expected, which locks them; answers whether they do. The rows come in any order:
/// who waits for another append in a circle is told so by the database, and tries again.
pub(super) async fn move_on(transaction: &DatabaseTransaction, moves: &[Move<'_>]) -> Result<bool, DbErr> {
    for some in moves.chunks(ROWS_AT_ONCE) {
        if !move_some(transaction, some.to_vec()).await? {
            return Ok(false);
        }
    }
    Ok(true)
}

async fn move_some(transaction: &DatabaseTransaction, moves: Vec<Move<'_>>) -> Result<bool, DbErr> {
    let count = moves.len() as u64;
    let moves = padded(moves);
    let each = |value: fn(&Row) -> Expr| {
        let cases = moves.iter().fold(CaseStatement::new(), |cases, one| cases.case(one.same_id(), value(one.to)));
        Expr::Case(Box::new(cases))
    };
    let all_stand = moves.iter().fold(Condition::any(), |any, one| any.add(one.stands()));
    let moved = conversation::Entity::update_many()
        .col_expr(conversation::Column::LastSeq, each(|row| Expr::value(row.last_seq)))
        .col_expr(conversation::Column::LastMsgNo, each(|row| Expr::value(row.last_msg_no)))
        .col_expr(conversation::Column::LastCreatedAtMs, each(|row| Expr::value(row.last_created_at_ms)))
        .col_expr(conversation::Column::ActiveHour, each(|row| Expr::value(active_hour(row.last_created_at_ms))))
        .filter(all_stand)
        .exec(transaction)
        .await?;
    Ok(moved.rows_affected == count)
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
