//! Read cursors: max-merged in bulk, beside the log; they become receipts. A batch that failed after they moved comes again, and
//! finds them where they are wanted: then too they are told, and a receipt may come twice, but none is lost.

use std::collections::HashSet;

use im_infra::mq::Failure;
use proto::{
    mq::{ReadCursor, Receipt},
    repo::{PutCursor, PutCursorsRequest},
};

use super::states::States;
use crate::{domain::Audience, repo::Repo};

pub(super) async fn put(repo: &Repo, states: &States, cursors: &[(i64, ReadCursor)]) -> Result<Vec<Receipt>, Failure> {
    if cursors.is_empty() {
        return Ok(Vec::new());
    }
    let put = |(user_id, cursor): &(i64, ReadCursor)| PutCursor {
        user_id: *user_id,
        conversation_id: cursor.conversation_id.clone(),
        read_seq: cursor.read_seq,
    };
    let request = PutCursorsRequest { cursors: cursors.iter().map(put).collect(), only_ask: false };
    let moved = repo
        .conversations()
        .put_cursors(request)
        .await
        .map_err(|status| Failure::of(status.into()))?
        .into_inner()
        .moved;
    let ids = moved.iter().map(|cursor| (cursor.conversation_id.clone(), HashSet::new())).collect();
    let states = states.read(ids).await.map_err(Failure::of)?;
    let receipts = moved.into_iter().filter_map(|cursor| {
        let recipients = Audience::of(states.get(&cursor.conversation_id)?).present();
        // Only members have receipts, and only members get them; in a large conversation nobody does.
        recipients.contains(&cursor.user_id).then_some(Receipt {
            conversation_id: cursor.conversation_id,
            user_id: cursor.user_id,
            read_seq: cursor.read_seq,
            recipients,
        })
    });
    Ok(receipts.collect())
}
