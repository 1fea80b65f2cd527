//! The stored outcomes of the commands at hand.

use std::collections::{BTreeSet, HashMap};

use prost::Message as _;
use proto::{
    common,
    message::{Entry, EntryBody},
    repo::AppendGroup,
};
use sea_orm::{
    Condition, ConnectionTrait as _, DatabaseTransaction, DbErr,
    sea_query::{Expr, Query, SelectStatement, UnionType},
};

use super::super::{
    entity::{entry, rejection},
    lengths::padded,
};
use crate::domain::{Known, Locked};

/// Conversation, sender, id.
type Command<'a> = (&'a str, i64, &'a str);

/// Commands of one statement: each is a branch of an OR, and SQLite's expressions go 1,000 deep.
const COMMANDS_AT_ONCE: usize = 256;

/// Entries and rejections in one statement: it is asked for every append.
pub(super) async fn read(
    transaction: &DatabaseTransaction,
    groups: &[AppendGroup],
    locked: &mut HashMap<String, Locked>,
) -> Result<(), DbErr> {
    for some in commands(groups).chunks(COMMANDS_AT_ONCE) {
        read_some(transaction, padded(some.to_vec()), locked).await?;
    }
    Ok(())
}

async fn read_some(
    transaction: &DatabaseTransaction,
    commands: Vec<Command<'_>>,
    locked: &mut HashMap<String, Locked>,
) -> Result<(), DbErr> {
    for row in transaction.query_all(&statement(&commands)).await? {
        let conversation_id: String = row.try_get("", "conversation_id")?;
        let Some(locked) = locked.get_mut(&conversation_id) else { continue };
        let (sender_id, command_id): (i64, String) = (row.try_get("", "sender_id")?, row.try_get("", "command_id")?);
        let payload_hash: Vec<u8> = row.try_get("", "payload_hash")?;
        let (seq, body): (i64, Vec<u8>) = (row.try_get("", "seq")?, row.try_get("", "body")?);
        let outcome = if seq == 0 {
            Err(common::Error::decode(&*body).map_err(|error| DbErr::Type(error.to_string()))?)
        } else {
            Ok(Entry {
                conversation_id,
                seq,
                message_id: row.try_get("", "message_id")?,
                sender_id,
                command_id: command_id.clone(),
                created_at_ms: row.try_get("", "created_at_ms")?,
                msg_no: row.try_get("", "msg_no")?,
                body: Some(EntryBody::decode(&*body).map_err(|error| DbErr::Type(error.to_string()))?),
            })
        };
        locked.known.insert((sender_id, command_id), Known { payload_hash: payload_hash.into(), outcome });
    }
    Ok(())
}

/// The columns of both tables under the names of an entry's; a rejection has no place, which is 0.
fn statement(commands: &[Command<'_>]) -> SelectStatement {
    use {entry::Column as E, rejection::Column as R};
    let rejections = Query::select()
        .columns([R::ConversationId, R::SenderId, R::CommandId, R::PayloadHash, R::Error])
        .exprs([Expr::value(0_i64), Expr::value(0_i64), Expr::value(0_i64), Expr::value(0_i64)])
        .from(rejection::Entity)
        .cond_where(any_of(commands, (R::ConversationId, R::SenderId, R::CommandId)))
        .to_owned();
    Query::select()
        .columns([E::ConversationId, E::SenderId, E::CommandId, E::PayloadHash, E::Body])
        .columns([E::Seq, E::MessageId, E::MsgNo, E::CreatedAtMs])
        .from(entry::Entity)
        .cond_where(any_of(commands, (E::ConversationId, E::SenderId, E::CommandId)))
        .union(UnionType::All, rejections)
        .to_owned()
}

/// Each once.
fn commands(groups: &[AppendGroup]) -> Vec<Command<'_>> {
    fn of_group(group: &AppendGroup) -> impl Iterator<Item = Command<'_>> {
        let id = group.conversation_id.as_str();
        group.decisions.iter().map(move |decision| (id, decision.sender_id, decision.command_id.as_str()))
    }
    let commands: BTreeSet<Command<'_>> = groups.iter().flat_map(of_group).collect();
    commands.into_iter().collect()
}

/// `(conversation = ? and sender = ? and command = ?) or ...`: every engine answers it from the unique key.
fn any_of<C: sea_orm::ColumnTrait>(commands: &[Command<'_>], (conversation, sender, command): (C, C, C)) -> Condition {
    let same = |&(conversation_id, sender_id, command_id): &Command<'_>| {
        let id = Condition::all().add(conversation.eq(conversation_id)).add(sender.eq(sender_id));
        id.add(command.eq(command_id))
    };
    commands.iter().map(same).fold(Condition::any(), Condition::add)
}
