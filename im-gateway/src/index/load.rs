//! Loads the members of a large conversation that was met unindexed.

use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBuilder};
use im_infra::interval::Interval;
use proto::{Error, conversation::PlacesInRequest, mq::Broadcast};
use tokio_util::sync::CancellationToken;

use super::Index;
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
    let mut waits = ExponentialBuilder::default()
        .with_min_delay(RETRY_MIN)
        .with_max_delay(RETRY_MAX)
        .with_jitter()
        .without_max_times()
        .build();
    while let Err(error) = places(index, logic, conversation_id).await {
        tracing::warn!(%error, conversation_id, "members not loaded, trying again");
        tokio::select! {
            () = stopping.cancelled() => return,
            () = tokio::time::sleep(waits.next().unwrap_or(RETRY_MAX)) => {}
        }
    }
    while let Some(waiting) = index.next_waiting(conversation_id) {
        waiting.into_iter().for_each(&mut fan_out);
    }
}

/// Whoever connects after the list of users was taken loads the places at hello.
async fn places(index: &Index, logic: &Logic, conversation_id: &str) -> Result<(), Error> {
    for user_ids in index.users().chunks(USERS_AT_ONCE) {
        let request = PlacesInRequest { conversation_id: conversation_id.to_owned(), user_ids: user_ids.to_vec() };
        for place in logic.conversations().places_in(request).await?.into_inner().places {
            let interval = Interval { visible_from: place.visible_from, left_seq: place.left_seq };
            index.merge(conversation_id, place.user_id, interval);
        }
    }
    Ok(())
}
