//! What im-repo does beside answering: reading ahead at its start, and forgetting what is too old.

use std::time::Duration;

use im_infra::lifecycle::Lifecycle;

use crate::{RepoOptions, store::Store};

/// From the end of one pass over what is too old to the begin of the next; several processes spread by the jitter.
const PRUNE_EVERY: Duration = Duration::from_secs(600);

/// How often the store is asked for its epoch.
const EPOCH_EVERY: Duration = Duration::from_secs(1);

/// Works until the part of the process that is `life` stops.
pub(crate) fn start(store: &Store, epoch: &str, options: &RepoOptions, life: &Lifecycle) {
    let conversations = options.cache.warm_up_conversations;
    if conversations > 0 {
        spawn(life, "warm-up", warm_up(store.clone(), conversations));
    }
    spawn(life, "epoch", follow_epoch(store.clone(), epoch.to_owned()));
    spawn(life, "prune", prune(store.clone(), options.rejections_kept_ms));
}

/// Nothing of it has to be finished.
fn spawn(life: &Lifecycle, name: &'static str, work: impl Future<Output = ()> + Send + 'static) {
    let stopping = life.stopping();
    life.spawn_detached(name, async move {
        tokio::select! {
            () = stopping.cancelled() => {}
            () = work => {}
        }
    });
}

/// A restore gives the store another epoch while this process runs.
async fn follow_epoch(store: Store, epoch: String) {
    loop {
        tokio::time::sleep(EPOCH_EVERY).await;
        if let Err(error) = store.epoch(&epoch).await {
            tracing::debug!(%error, "store epoch not known, asking again");
        }
    }
}

async fn warm_up(store: Store, conversations: u64) {
    match store.warm_up(conversations).await {
        Ok(conversations) => tracing::info!(conversations, "cache warmed up"),
        Err(error) => tracing::warn!(%error, "cache not warmed up"),
    }
}

async fn prune(store: Store, kept_ms: i64) {
    loop {
        loop {
            match store.prune(store.clock.now_ms().saturating_sub(kept_ms)).await {
                Ok(pruned) if pruned.more => {}
                Ok(_) => break,
                Err(error) => {
                    tracing::warn!(%error, "not pruned, later again");
                    break;
                }
            }
        }
        tokio::time::sleep(PRUNE_EVERY.mul_f64(0.8 + 0.4 * fastrand::f64())).await;
    }
}
