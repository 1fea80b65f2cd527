//! Read cursors: they only ever move forward.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    fmt::Write as _,
};

use im_infra::{database::Engine, ids::UserId};
use proto::{Error, repo::PutCursor};
use sea_orm::{
    ColumnTrait as _, Condition, ConnectionTrait, DbErr, EntityTrait as _, QueryFilter as _, Statement, Value,
};

use super::{
    IDS_MAX, KEYS_AT_ONCE, Store,
    entity::{conversation, cursor, member},
    lengths::padded,
};
use crate::{
    cache::{Change, CursorKey, ReadTo},
    domain::NewCursor,
    error::to_error,
};

/// A cursor with its conversation.
#[derive(Clone, Copy)]
pub(super) struct CursorRow<'a> {
    pub(super) conversation_id: &'a str,
    pub(super) cursor: NewCursor,
}

fn to_proto(((conversation_id, user_id), read_seq): ((String, UserId), i64)) -> PutCursor {
    PutCursor { user_id, conversation_id, read_seq }
}

/// Moves cursors forward, in the order of their keys so that two batches never wait in a circle.
pub(super) async fn merge(
    connection: &impl ConnectionTrait,
    engine: Engine,
    rows: &[CursorRow<'_>],
) -> Result<(), DbErr> {
    // One row per key: PostgreSQL refuses to touch a row twice in one statement.
    let mut merged: BTreeMap<(&str, UserId), (i64, i64)> = BTreeMap::new();
    for row in rows {
        let slot = merged.entry((row.conversation_id, row.cursor.user_id)).or_default();
        *slot = (slot.0.max(row.cursor.read_seq), slot.1.max(row.cursor.read_msg_no));
    }
    if merged.is_empty() {
        return Ok(());
    }
    let mut merged: Vec<_> = merged.into_iter().collect();
    if engine == Engine::Mysql {
        merged = padded(merged);
    }
    let mut sql = "insert into cursors (conversation_id, user_id, read_seq, read_msg_no) values ".to_owned();
    let mut values: Vec<Value> = Vec::with_capacity(merged.len() * 4);
    for (at, ((conversation_id, user_id), (read_seq, read_msg_no))) in merged.into_iter().enumerate() {
        sql.push_str(if at == 0 { "" } else { ", " });
        match engine {
            Engine::Postgres => {
                let first = at * 4;
                let _ = write!(sql, "(${}, ${}, ${}, ${})", first + 1, first + 2, first + 3, first + 4);
            }
            Engine::Mysql | Engine::Sqlite => sql.push_str("(?, ?, ?, ?)"),
        }
        values.extend([conversation_id.into(), user_id.into(), read_seq.into(), read_msg_no.into()]);
    }
    sql.push_str(match engine {
        Engine::Mysql => {
            " on duplicate key update read_seq = greatest(read_seq, values(read_seq)), \
             read_msg_no = greatest(read_msg_no, values(read_msg_no))"
        }
        Engine::Postgres => {
            " on conflict (conversation_id, user_id) do update set read_seq = greatest(cursors.read_seq, excluded.read_seq), \
             read_msg_no = greatest(cursors.read_msg_no, excluded.read_msg_no)"
        }
        Engine::Sqlite => {
            " on conflict (conversation_id, user_id) do update set read_seq = max(read_seq, excluded.read_seq), \
             read_msg_no = max(read_msg_no, excluded.read_msg_no)"
        }
    });
    connection
        .execute_raw(Statement::from_sql_and_values(connection.get_database_backend(), sql, values))
        .await
        .map(drop)
}

impl Store {
    /// Moves members' cursors forward, clamped to what exists; answers those that stand there now: those that moved, and those
    /// that had moved so far before, as this may be a repetition by somebody who could not tell what had moved. One that stands
    /// further on is left out.
    ///
    /// # Errors
    /// `unavailable` if the database is away.
    pub async fn put_cursors(&self, cursors: Vec<PutCursor>) -> Result<Vec<PutCursor>, Error> {
        self.try_put_cursors(cursors).await.map_err(|error| to_error(&error))
    }

    /// Those that [`Self::put_cursors`] would move forward, clamped to what exists.
    ///
    /// # Errors
    /// `unavailable` if the database is away.
    pub async fn cursors_ahead(&self, cursors: Vec<PutCursor>) -> Result<Vec<PutCursor>, Error> {
        self.try_cursors_ahead(cursors).await.map_err(|error| to_error(&error))
    }

    async fn try_cursors_ahead(&self, cursors: Vec<PutCursor>) -> Result<Vec<PutCursor>, DbErr> {
        let mut wanted = self.wanted(cursors).await?;
        for held in self.cursors_of(wanted.keys()).await? {
            let key = (held.conversation_id, held.user_id);
            if wanted.get(&key).is_some_and(|&seq| seq <= held.read_seq) {
                wanted.remove(&key);
            }
        }
        Ok(wanted.into_iter().map(to_proto).collect())
    }

    async fn try_put_cursors(&self, cursors: Vec<PutCursor>) -> Result<Vec<PutCursor>, DbErr> {
        let mut wanted = self.wanted(cursors).await?;
        let (mut changes, mut standing) = (Vec::with_capacity(wanted.len()), Vec::new());
        for held in self.cursors_of(wanted.keys()).await? {
            // Told again: whoever moved it so far may have ended before telling, and this may be its call repeated.
            changes.push(self.moved(&held.conversation_id, held.user_id, (held.read_seq, held.read_msg_no)));
            let key = (held.conversation_id, held.user_id);
            if wanted.get(&key).is_some_and(|&seq| seq <= held.read_seq) {
                standing.extend(wanted.remove_entry(&key).filter(|(_, seq)| *seq == held.read_seq));
            }
        }
        let places: Vec<(String, i64)> = wanted.iter().map(|((id, _), &seq)| (id.clone(), seq)).collect();
        let entries = self.entries_at(&places).await?;
        let msg_nos: BTreeMap<(&str, i64), i64> =
            entries.iter().map(|e| ((&*e.conversation_id, e.seq), e.msg_no)).collect();
        let mut rows = Vec::with_capacity(wanted.len());
        for ((conversation_id, user_id), &read_seq) in &wanted {
            let read_msg_no = msg_nos.get(&(&**conversation_id, read_seq)).copied().unwrap_or(0);
            rows.push(CursorRow { conversation_id, cursor: NewCursor { user_id: *user_id, read_seq, read_msg_no } });
        }
        merge(self.database.writer(), self.database.engine(), &rows).await?;
        let moved = rows.iter().map(|CursorRow { conversation_id, cursor }| {
            self.moved(conversation_id, cursor.user_id, (cursor.read_seq, cursor.read_msg_no))
        });
        changes.extend(moved);
        self.aside.tell(&changes).await;
        Ok(standing.into_iter().chain(wanted).map(to_proto).collect())
    }

    /// Where members want their cursors to be, clamped to what exists.
    async fn wanted(&self, cursors: Vec<PutCursor>) -> Result<BTreeMap<(String, UserId), i64>, DbErr> {
        let keys: Vec<_> = cursors.iter().map(|cursor| (cursor.conversation_id.clone(), cursor.user_id)).collect();
        let members = self.members_of(&keys).await?;
        let ids: BTreeSet<&str> = members.iter().map(|(conversation_id, _)| &**conversation_id).collect();
        let ids: Vec<&str> = ids.into_iter().collect();
        let mut heads = Vec::with_capacity(ids.len());
        for some in ids.chunks(IDS_MAX) {
            let these = conversation::COLUMN.conversation_id.is_in(some.iter().copied());
            heads.extend(conversation::Entity::find().filter(these).all(self.database.reader()).await?);
        }
        let heads: BTreeMap<String, i64> =
            heads.into_iter().map(|head| (head.conversation_id, head.last_seq)).collect();
        let mut wanted: BTreeMap<(String, UserId), i64> = BTreeMap::new();
        for cursor in cursors {
            if !members.contains(&(cursor.conversation_id.clone(), cursor.user_id)) {
                continue;
            }
            let Some(&last_seq) = heads.get(&cursor.conversation_id) else { continue };
            let slot = wanted.entry((cursor.conversation_id, cursor.user_id)).or_default();
            *slot = (*slot).max(cursor.read_seq.min(last_seq));
        }
        wanted.retain(|_, seq| *seq > 0);
        Ok(wanted)
    }

    fn moved(&self, conversation_id: &str, user_id: UserId, (read_seq, read_msg_no): (i64, i64)) -> Change {
        let key = CursorKey { conversation_id: conversation_id.to_owned(), user_id };
        self.aside.newer(&key, &ReadTo { read_seq, read_msg_no })
    }

    /// Cursors as readers see them; those that never moved are left out.
    pub(super) async fn cursors(&self, keys: Vec<CursorKey>) -> Result<HashMap<CursorKey, ReadTo>, DbErr> {
        self.aside.get(keys, |missing| self.read_cursors(missing)).await
    }

    async fn read_cursors(&self, keys: Vec<CursorKey>) -> Result<Vec<(CursorKey, ReadTo)>, DbErr> {
        let keys: Vec<(String, UserId)> = keys.into_iter().map(|key| (key.conversation_id, key.user_id)).collect();
        let found = self.cursors_of(&keys).await?.into_iter().map(|row| {
            let key = CursorKey { conversation_id: row.conversation_id, user_id: row.user_id };
            (key, ReadTo { read_seq: row.read_seq, read_msg_no: row.read_msg_no })
        });
        Ok(found.collect())
    }

    async fn cursors_of(&self, keys: impl IntoIterator<Item = &(String, UserId)>) -> Result<Vec<cursor::Model>, DbErr> {
        let keys: Vec<_> = keys.into_iter().collect();
        let mut found = Vec::with_capacity(keys.len());
        for some in keys.chunks(KEYS_AT_ONCE) {
            let same = |(conversation_id, user_id): &&(String, UserId)| {
                let conversation = cursor::Column::ConversationId.eq(&**conversation_id);
                Condition::all().add(conversation).add(cursor::Column::UserId.eq(*user_id))
            };
            let any = padded(some.to_vec()).iter().map(same).fold(Condition::any(), Condition::add);
            found.extend(cursor::Entity::find().filter(any).all(self.database.reader()).await?);
        }
        Ok(found)
    }

    /// Those of the keys whose user is a member now.
    async fn members_of(&self, keys: &[(String, UserId)]) -> Result<HashSet<(String, UserId)>, DbErr> {
        let mut found = HashSet::with_capacity(keys.len());
        for some in keys.chunks(KEYS_AT_ONCE) {
            let same = |(conversation_id, user_id): &(String, UserId)| {
                let conversation = member::Column::ConversationId.eq(&**conversation_id);
                Condition::all().add(conversation).add(member::Column::UserId.eq(*user_id))
            };
            let any = some.iter().map(same).fold(Condition::any(), Condition::add);
            let present = member::Entity::find().filter(any).filter(member::Column::LeftSeq.eq(0));
            let rows = present.all(self.database.reader()).await?;
            found.extend(rows.into_iter().map(|row| (row.conversation_id, row.user_id)));
        }
        Ok(found)
    }
}
