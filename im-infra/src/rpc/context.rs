//! The deadline of the call that is being served, which the calls it makes inherit.

use std::{
    future::Future,
    time::{Duration, Instant},
};

/// gRPC's header for the time a call may take.
pub(super) const TIMEOUT: &str = "grpc-timeout";

tokio::task_local! {
    static DEADLINE: Instant;
}

/// Serves a call that must end by `deadline`.
pub(super) async fn within<F: Future>(deadline: Instant, call: F) -> F::Output {
    DEADLINE.scope(deadline, call).await
}

/// The time that is left for what is being served; none if nobody set a deadline.
pub fn remaining() -> Option<Duration> {
    DEADLINE.try_with(|deadline| deadline.saturating_duration_since(Instant::now())).ok()
}
