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

/// Parts of entries, in which nobody comes or goes, so that who may see the first of a part may see all of it: an entry that
/// brings or takes members is a part of its own, and no seq is left out or comes again, as where a stored entry is pushed once
/// more among newer ones.
pub fn together(entries: &[Entry]) -> impl Iterator<Item = &[Entry]> {
    let mut bytes = entries.first().map_or(0, Entry::encoded_len);
    entries.chunk_by(move |before, next| {
        let next_bytes = next.encoded_len();
        let follows = next.seq == before.seq + 1 && of(before).is_empty() && of(next).is_empty();
        let goes_along = follows && bytes + next_bytes <= TOGETHER_BYTES_MAX;
        bytes = if goes_along { bytes + next_bytes } else { next_bytes };
        goes_along
    })
}

#[cfg(test)]
mod tests {
    use proto::message::{EntryBody, Left};

    use super::*;

    #[test]
    fn r05_entries_go_together_while_each_follows_on_the_last_and_nobody_comes_or_goes() {
        let entry = |seq| Entry { seq, ..Entry::default() };
        let left = Some(Kind::Left(Left { user_id: 1 }));
        let leaving = |seq| Entry { body: Some(EntryBody { kind: left.clone() }), ..entry(seq) };
        let large = |seq| Entry { conversation_id: "x".repeat(TOGETHER_BYTES_MAX / 2), ..entry(seq) };
        let parts = |entries: &[Entry]| -> Vec<usize> { together(entries).map(<[Entry]>::len).collect() };
        assert!(parts(&[]).is_empty());
        assert_eq!(parts(&[entry(1), entry(2), entry(3)]), [3]);
        // Who joined with 5 must not get 3, and who was removed with 5 not 10.
        assert_eq!(parts(&[10, 3, 11].map(entry)), [1, 1, 1]);
        assert_eq!(parts(&[3, 10, 4].map(entry)), [1, 1, 1]);
        assert_eq!(parts(&[3, 4, 6, 7, 7, 8].map(entry)), [2, 2, 2]);
        assert_eq!(parts(&[entry(1), entry(2), leaving(3), leaving(4), entry(5), entry(6)]), [2, 1, 1, 2]);
        assert_eq!(parts(&[large(1), entry(2), large(3), entry(4), large(5)]), [2, 2, 1]);
    }
}
