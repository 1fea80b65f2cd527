//! Between a commit and the moment the cache knows of it.

use super::{Cache, Change};
use crate::metrics::Metrics;

/// Held over a commit whose changes the cache has to be told. Dropped before they were (the commit's answer was lost, the call
/// was given up), it makes the cache doubt all it keeps.
pub struct Telling<'a> {
    pub(super) cache: &'a dyn Cache,
    pub(super) metrics: &'a Metrics,
    pub(super) told: bool,
}

impl Telling<'_> {
    /// Tells. A failure is counted and passed over: the cache then doubts itself.
    pub async fn tell(mut self, changes: &[Change]) {
        if !changes.is_empty()
            && let Err(error) = self.cache.change(changes).await
        {
            self.metrics.cache_failed("change");
            tracing::debug!(%error, "the cache could not be told of changes");
        }
        self.told = true;
    }
}

impl Drop for Telling<'_> {
    fn drop(&mut self) {
        if !self.told {
            self.cache.doubt();
        }
    }
}
