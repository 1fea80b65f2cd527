//! Ranges of a conversation's log.

use proto::{
    Error,
    message::{RangeRequest, RangeResponse},
    repo,
};

use super::Reads;

/// Entries of one answer.
const ENTRIES_MAX: u32 = 200;

impl Reads {
    pub(crate) async fn range(&self, query: RangeRequest) -> Result<RangeResponse, Error> {
        if query.limit == 0 || query.limit > ENTRIES_MAX {
            return Err(Error::invalid("limit", format_args!("1 to {ENTRIES_MAX}")));
        }
        let member = self.membership(query.user_id, &query.conversation_id).await?.member.unwrap_or_default();
        let visible_to = if member.left_seq == 0 { i64::MAX } else { member.left_seq - 1 };
        let from_seq = query.from_seq.max(member.visible_from).max(1);
        let to_seq = if query.to_seq <= 0 { visible_to } else { query.to_seq.min(visible_to) };
        let entries = if from_seq > to_seq {
            Vec::new()
        } else {
            let conversation_id = query.conversation_id;
            let range =
                repo::RangeRequest { conversation_id, from_seq, to_seq, limit: query.limit, newest: query.newest };
            self.repo.messages().range(range).await?.into_inner().entries
        };
        Ok(RangeResponse {
            entries,
            visible_from: member.visible_from,
            visible_to: if member.left_seq == 0 { 0 } else { visible_to },
        })
    }
}
