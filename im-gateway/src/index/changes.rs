//! What an entry says of its conversation's members.

use im_infra::ids::UserId;
use prost::Message as _;
use proto::message::{Entry, entry_body::Kind};

/// Bytes of entries that go together: a client that is slow has to have room for all of them.
const TOGETHER_BYTES_MAX: usize = 32 << 10;

/// A member came or went with an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Came,
    Went,
}

/// The members whom an entry brings or takes. Taken from the entry itself, so that a repeated push says the same.
pub(super) fn of(entry: &Entry) -> Vec<(UserId, Change)> {
    let came = |users: &[UserId]| users.iter().map(|&user| (user, Change::Came)).collect();
    match entry.body.as_ref().and_then(|body| body.kind.as_ref()) {
        Some(Kind::Created(created)) => came(&created.member_ids),
        Some(Kind::Joined(joined)) => came(&joined.user_ids),
        Some(Kind::Left(left)) => vec![(left.user_id, Change::Went)],
        Some(Kind::Removed(removed)) => vec![(removed.user_id, Change::Went)],
        Some(Kind::Message(_) | Kind::ProfileChanged(_) | Kind::FanOutChanged(_)) | None => Vec::new(),
    }
}

/// Parts of entries, in which nobody comes or goes: one that brings or takes members is a part of its own.
pub fn together(entries: &[Entry]) -> impl Iterator<Item = &[Entry]> {
    let mut bytes = entries.first().map_or(0, Entry::encoded_len);
    entries.chunk_by(move |before, next| {
        let next_bytes = next.encoded_len();
        let goes_along = bytes + next_bytes <= TOGETHER_BYTES_MAX && of(before).is_empty() && of(next).is_empty();
        bytes = if goes_along { bytes + next_bytes } else { next_bytes };
        goes_along
    })
}

#[cfg(test)]
mod tests {
    use proto::message::{EntryBody, Left};

    use super::*;

    #[test]
    fn entries_go_together_unless_somebody_comes_or_goes_and_up_to_so_many_bytes() {
        let entry = |seq| Entry { seq, ..Entry::default() };
        let left = Some(Kind::Left(Left { user_id: 1 }));
        let leaving = |seq| Entry { body: Some(EntryBody { kind: left.clone() }), ..entry(seq) };
        let large = |seq| Entry { conversation_id: "x".repeat(TOGETHER_BYTES_MAX / 2), ..entry(seq) };
        let parts = |entries: &[Entry]| -> Vec<usize> { together(entries).map(<[Entry]>::len).collect() };
        assert!(parts(&[]).is_empty());
        assert_eq!(parts(&[entry(1), entry(2), entry(3)]), [3]);
        assert_eq!(parts(&[entry(1), entry(2), leaving(3), leaving(4), entry(5), entry(6)]), [2, 1, 1, 2]);
        assert_eq!(parts(&[large(1), entry(2), large(3), entry(4), large(5)]), [2, 2, 1]);
    }
}
