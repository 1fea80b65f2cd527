//! Loads the members of a large conversation that was met unindexed.

use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBuilder};
use im_infra::{ids::UserId, interval::Interval};
use proto::{Error, conversation::PlacesInRequest, mq::Broadcast};
use tokio_util::sync::CancellationToken;

use super::{Index, table::Next};
use crate::logic::Logic;

/// Users asked for at once.
const USERS_AT_ONCE: usize = 1_000;
/// Waits between tries.
const RETRY_MIN: Duration = Duration::from_millis(20);
const RETRY_MAX: Duration = Duration::from_secs(2);

/// Loads the places of everybody who is connected here, however long it takes, then hands over what waited, in order.
pub(crate) async fn load(
    index: &Index,
    logic: &Logic,
    conversation_id: &str,
    stopping: &CancellationToken,
    mut fan_out: impl FnMut(Broadcast),
) {
    loop {
        if !load_places(index, logic, conversation_id, stopping).await {
            return;
        }
        loop {
            match index.next_waiting(conversation_id) {
                Next::LoadAgain => break,
                Next::FanOut(waiting) => waiting.into_iter().for_each(&mut fan_out),
                Next::Done => return,
            }
        }
    }
}

/// However long it takes; false: the gateway stops.
async fn load_places(index: &Index, logic: &Logic, conversation_id: &str, stopping: &CancellationToken) -> bool {
    let mut waits = ExponentialBuilder::default()
        .with_min_delay(RETRY_MIN)
        .with_max_delay(RETRY_MAX)
        .with_jitter()
        .without_max_times()
        .build();
    let users = index.users();
    let mut parts = users.chunks(USERS_AT_ONCE);
    let mut part = parts.next();
    while let Some(users) = part {
        match places(index, logic, conversation_id, users).await {
            Ok(()) => part = parts.next(),
            Err(error) => {
                tracing::warn!(%error, conversation_id, "members not loaded, trying again");
                tokio::select! {
                    () = stopping.cancelled() => return false,
                    () = tokio::time::sleep(waits.next().unwrap_or(RETRY_MAX)) => {}
                }
            }
        }
    }
    true
}

/// Whoever connects after the list of users was taken loads the places at hello.
async fn places(index: &Index, logic: &Logic, conversation_id: &str, users: &[UserId]) -> Result<(), Error> {
    let request = PlacesInRequest { conversation_id: conversation_id.to_owned(), user_ids: users.to_vec() };
    for place in logic.conversations().places_in(request).await?.into_inner().places {
        let interval = Interval { visible_from: place.visible_from, left_seq: place.left_seq };
        index.merge(conversation_id, place.user_id, interval);
    }
    Ok(())
}
