//! Ranges of a conversation's log.

use proto::{
    Error,
    message::{RangeRequest, RangeResponse},
    repo,
};

use super::Reads;
use crate::domain::view;

/// Entries of one answer.
const ENTRIES_MAX: u32 = 200;

impl Reads {
    pub(crate) async fn range(&self, query: RangeRequest) -> Result<RangeResponse, Error> {
        if query.limit == 0 || query.limit > ENTRIES_MAX {
            return Err(Error::invalid("limit", format_args!("1 to {ENTRIES_MAX}")));
        }
        let member = self.membership(query.user_id, &query.conversation_id).await?.member.unwrap_or_default();
        let (from_seq, to_seq) = view::range(&member, query.from_seq, query.to_seq);
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
            visible_to: if member.left_seq == 0 { 0 } else { view::visible_to(&member) },
        })
    }
}
