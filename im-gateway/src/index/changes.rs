//! What an entry says of its conversation's members.

use im_infra::ids::UserId;
use proto::message::{Entry, entry_body::Kind};

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
