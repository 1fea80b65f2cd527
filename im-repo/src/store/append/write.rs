//! Writes what was planned beside the conversations' rows, as few statements as there are tables (with MySQL entries may take
//! a few more).

use im_infra::database::Engine;
use prost::Message as _;
use sea_orm::{
    ColumnTrait as _, DatabaseTransaction, DbErr, EntityTrait as _, ExprTrait as _, QueryFilter as _, Set,
    sea_query::Expr,
};

use super::super::{
    cursors::{self, CursorRow},
    entity::{entry, member, rejection, user},
    lengths::parts,
};
use crate::domain::{MemberWrite, Plan};

pub(super) async fn write(
    transaction: &DatabaseTransaction,
    engine: Engine,
    plans: &[(&str, Plan)],
    now_ms: i64,
) -> Result<(), DbErr> {
    let entries: Vec<_> = plans.iter().flat_map(|(_, plan)| &plan.entries).map(entry_row).collect();
    for some in parts(engine, entries) {
        entry::Entity::insert_many(some).exec_without_returning(transaction).await?;
    }
    let rejections: Vec<_> = plans.iter().flat_map(|(id, plan)| rejection_rows(id, plan, now_ms)).collect();
    if !rejections.is_empty() {
        rejection::Entity::insert_many(rejections).exec_without_returning(transaction).await?;
    }
    for (id, plan) in plans {
        for (&user_id, change) in &plan.members {
            write_member(transaction, id, user_id, change).await?;
        }
        for (user_id, display_name) in &plan.display_names {
            user::Entity::update_many()
                .col_expr(user::Column::DisplayName, Expr::value(display_name.clone()))
                .filter(user::Column::UserId.eq(*user_id))
                .exec(transaction)
                .await?;
        }
    }
    let moved = plans
        .iter()
        .flat_map(|(id, plan)| plan.cursors.iter().map(|cursor| CursorRow { conversation_id: id, cursor: *cursor }));
    cursors::merge(transaction, engine, &moved.collect::<Vec<_>>()).await
}

fn entry_row((entry, hash, countable): &(proto::message::Entry, bytes::Bytes, bool)) -> entry::ActiveModel {
    entry::ActiveModel {
        conversation_id: Set(entry.conversation_id.clone()),
        seq: Set(entry.seq),
        message_id: Set(entry.message_id),
        sender_id: Set(entry.sender_id),
        command_id: Set(entry.command_id.clone()),
        payload_hash: Set(hash.to_vec()),
        body: Set(entry.body.clone().unwrap_or_default().encode_to_vec()),
        countable: Set(i32::from(*countable)),
        msg_no: Set(entry.msg_no),
        created_at_ms: Set(entry.created_at_ms),
    }
}

fn rejection_rows(id: &str, plan: &Plan, now_ms: i64) -> Vec<rejection::ActiveModel> {
    let row = |(sender_id, command_id, hash, error): &(i64, String, bytes::Bytes, proto::common::Error)| {
        rejection::ActiveModel {
            conversation_id: Set(id.to_owned()),
            sender_id: Set(*sender_id),
            command_id: Set(command_id.clone()),
            payload_hash: Set(hash.to_vec()),
            error: Set(error.encode_to_vec()),
            created_at_ms: Set(now_ms),
        }
    };
    plan.rejections.iter().map(row).collect()
}

async fn write_member(
    transaction: &DatabaseTransaction,
    id: &str,
    user_id: i64,
    change: &MemberWrite,
) -> Result<(), DbErr> {
    let same = member::Column::ConversationId.eq(id).and(member::Column::UserId.eq(user_id));
    let left_seq = change.left_seq.unwrap_or(0);
    let Some((role, visible_from)) = change.put else {
        let ended = member::Entity::update_many().col_expr(member::Column::LeftSeq, Expr::value(left_seq)).filter(same);
        return ended.exec(transaction).await.map(drop);
    };
    // Joining again replaces the interval. Delete and insert is the upsert that every engine has.
    member::Entity::delete_many().filter(same).exec(transaction).await?;
    let row = member::Model { conversation_id: id.to_owned(), user_id, role, visible_from, left_seq };
    member::Entity::insert(member::ActiveModel::from(row)).exec_without_returning(transaction).await.map(drop)
}
