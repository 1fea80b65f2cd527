//! The stored outcomes of the commands at hand.

use std::collections::{BTreeSet, HashMap};

use bytes::Bytes;
use prost::Message as _;
use proto::{common, repo::AppendGroup};
use sea_orm::{Condition, DatabaseTransaction, DbErr, EntityTrait as _, QueryFilter as _};

use super::super::{
    entity::{entry, rejection},
    entries::to_proto,
};
use crate::domain::{Known, Locked};

pub(super) async fn read(
    transaction: &DatabaseTransaction,
    groups: &[AppendGroup],
    locked: &mut HashMap<String, Locked>,
) -> Result<(), DbErr> {
    let entries = entry::Entity::find()
        .filter(commands(groups, (entry::Column::ConversationId, entry::Column::SenderId, entry::Column::CommandId)));
    for model in entries.all(transaction).await? {
        let payload_hash = Bytes::from(model.payload_hash.clone());
        let entry = to_proto(model)?;
        if let Some(locked) = locked.get_mut(&entry.conversation_id) {
            let command = (entry.sender_id, entry.command_id.clone());
            locked.known.insert(command, Known { payload_hash, outcome: Ok(entry) });
        }
    }
    let rejections = rejection::Entity::find().filter(commands(
        groups,
        (rejection::Column::ConversationId, rejection::Column::SenderId, rejection::Column::CommandId),
    ));
    for model in rejections.all(transaction).await? {
        let error = common::Error::decode(&*model.error).map_err(|error| DbErr::Type(error.to_string()))?;
        if let Some(locked) = locked.get_mut(&model.conversation_id) {
            let known = Known { payload_hash: model.payload_hash.into(), outcome: Err(error) };
            locked.known.insert((model.sender_id, model.command_id), known);
        }
    }
    Ok(())
}

/// `(conversation = ? and sender = ? and command in (...)) or ...`: every engine answers it from the unique key.
fn commands<C: sea_orm::ColumnTrait>(groups: &[AppendGroup], (conversation, sender, command): (C, C, C)) -> Condition {
    let mut any = Condition::any();
    for group in groups {
        let mut by_sender: HashMap<i64, BTreeSet<&str>> = HashMap::new();
        for decision in &group.decisions {
            by_sender.entry(decision.sender_id).or_default().insert(&decision.command_id);
        }
        for (sender_id, ids) in by_sender {
            let same = Condition::all()
                .add(conversation.eq(&*group.conversation_id))
                .add(sender.eq(sender_id))
                .add(command.is_in(ids));
            any = any.add(same);
        }
    }
    any
}
