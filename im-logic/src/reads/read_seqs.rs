//! Read cursors that a device's sync carries: one that was lost on its way, with a killed gateway say, comes again with them.

use std::time::Duration;

use im_infra::{
    ids::{ConversationId, UserId},
    mq::{NewRecord, Room, Topic},
};
use prost::Message as _;
use proto::{
    Error, ErrorCode,
    conversation::Known,
    mq,
    repo::{PutCursor, PutCursorsRequest},
};

use super::Reads;

/// Cursors of one record, as a gateway sends them.
const CURSORS_MAX: usize = 1_000;
/// How long a sync waits for the queue. Whoever reads must not wait until it is back.
const QUEUE_WAIT: Duration = Duration::from_secs(1);

impl Reads {
    /// Moves the cursors that are ahead, so that the answer has them. Before, they go the way of all others, which makes receipts
    /// of them; as long as that cannot be they are not moved, and come again with a later sync.
    pub(super) async fn take_read_seqs(&self, user_id: UserId, known: &[Known]) -> Result<(), Error> {
        let cursor = |known: &Known| PutCursor {
            user_id,
            conversation_id: known.conversation_id.clone(),
            read_seq: known.read_seq,
        };
        let cursors: Vec<PutCursor> = known.iter().filter(|known| known.read_seq > 0).map(cursor).collect();
        if cursors.is_empty() {
            return Ok(());
        }
        let asked = PutCursorsRequest { cursors, only_ask: true };
        let ahead = self.repo.conversations().put_cursors(asked).await?.into_inner().moved;
        if ahead.is_empty() {
            return Ok(());
        }
        if let Err(error) = self.send_on(user_id, &ahead).await {
            tracing::warn!(%error, cursors = ahead.len(), "cursors of a sync not taken, they come again");
            return Ok(());
        }
        self.repo.conversations().put_cursors(PutCursorsRequest { cursors: ahead, only_ask: false }).await?;
        Ok(())
    }

    async fn send_on(&self, user_id: UserId, ahead: &[PutCursor]) -> Result<(), Error> {
        let key = ConversationId::Personal(user_id).to_string();
        let record = |some: &[PutCursor]| {
            let cursor = |cursor: &PutCursor| mq::ReadCursor {
                conversation_id: cursor.conversation_id.clone(),
                read_seq: cursor.read_seq,
            };
            let cursors = some.iter().map(cursor).collect();
            let record = mq::Upstream {
                caller: Some(mq::Caller { user_id, ..mq::Caller::default() }),
                received_at_ms: self.clock.now_ms(),
                command: Some(mq::upstream::Command::ReadCursors(mq::ReadCursors { cursors })),
                ..mq::Upstream::default()
            };
            NewRecord::keyed(key.clone(), record.encode_to_vec())
        };
        let records = ahead.chunks(CURSORS_MAX).map(record).collect();
        let sent = tokio::time::timeout(QUEUE_WAIT, self.queue.produce(Topic::Upstream, records, Room::External)).await;
        sent.map_err(|_| Error::new(ErrorCode::DeadlineExceeded))?.map_err(|error| error.about(Topic::Upstream))
    }
}
