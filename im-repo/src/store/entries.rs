//! Reading the log.

use prost::Message as _;
use proto::{
    Error,
    message::{Entry, EntryBody},
    repo::RangeRequest,
};
use sea_orm::{Condition, DbErr, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _};

use super::{KEYS_AT_ONCE, Store, entity::entry};
use crate::error::to_error;

/// Entries of one answer.
const ENTRIES_MAX: u32 = 500;

pub(crate) fn to_proto(model: entry::Model) -> Result<Entry, DbErr> {
    let body = EntryBody::decode(&*model.body).map_err(|error| DbErr::Type(error.to_string()))?;
    Ok(Entry {
        conversation_id: model.conversation_id,
        seq: model.seq,
        message_id: model.message_id,
        sender_id: model.sender_id,
        command_id: model.command_id,
        created_at_ms: model.created_at_ms,
        msg_no: model.msg_no,
        body: Some(body),
    })
}

impl Store {
    /// Entries of a range, ascending; the oldest or the newest of them where there are more than `limit`.
    ///
    /// # Errors
    /// `unavailable` if the database is away.
    pub async fn range(&self, query: &RangeRequest) -> Result<Vec<Entry>, Error> {
        let bounds = Condition::all()
            .add(entry::COLUMN.conversation_id.eq(&*query.conversation_id))
            .add(entry::COLUMN.seq.gte(query.from_seq))
            .add(entry::COLUMN.seq.lte(query.to_seq));
        let select = entry::Entity::find().filter(bounds).limit(u64::from(query.limit.clamp(1, ENTRIES_MAX)));
        let ordered = if query.newest {
            select.order_by_desc(entry::Column::Seq)
        } else {
            select.order_by_asc(entry::Column::Seq)
        };
        let rows = ordered.all(self.database.reader()).await.map_err(|error| to_error(&error))?;
        let mut entries: Vec<Entry> =
            rows.into_iter().map(to_proto).collect::<Result<_, _>>().map_err(|error| to_error(&error))?;
        if query.newest {
            entries.reverse();
        }
        Ok(entries)
    }

    /// The entries at these places, in any order; those that are not there are left out.
    pub(super) async fn entries_at(&self, places: &[(String, i64)]) -> Result<Vec<Entry>, DbErr> {
        let mut found = Vec::with_capacity(places.len());
        for some in places.chunks(KEYS_AT_ONCE) {
            let same = |(conversation_id, seq): &(String, i64)| {
                let conversation = entry::COLUMN.conversation_id.eq(&**conversation_id);
                Condition::all().add(conversation).add(entry::COLUMN.seq.eq(*seq))
            };
            let any = some.iter().map(same).fold(Condition::any(), Condition::add);
            for row in entry::Entity::find().filter(any).all(self.database.reader()).await? {
                found.push(to_proto(row)?);
            }
        }
        Ok(found)
    }
}
