//! Helpers of tests: waiting for what must come true, the infrastructure that `scripts/infra` started, and free ports.

use std::{
    future::Future,
    net::{Ipv4Addr, TcpListener},
    ops::Range,
    time::{Duration, Instant},
};

/// Below those that a system gives to outgoing connections, and to listeners that ask for none; those of `scripts/infra` are
/// above.
const PORTS: Range<u16> = 10_000..20_000;

/// Waits until `check` answers, at most ten seconds.
///
/// # Panics
/// If it never does; `what` says what was waited for.
pub async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, check: impl FnMut() -> F) -> T {
    eventually_within(Duration::from_secs(10), what, check).await
}

/// Waits until `check` answers, at most for `limit`.
///
/// # Panics
/// If it never does; `what` says what was waited for.
pub async fn eventually_within<T, F: Future<Output = Option<T>>>(
    limit: Duration,
    what: &str,
    mut check: impl FnMut() -> F,
) -> T {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(found) = check().await {
            return found;
        }
        assert!(Instant::now() < deadline, "not within {} s: {what}", limit.as_secs());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// The address of a part of the test infrastructure.
///
/// # Panics
/// If it is not running: a test without its infrastructure fails and names the command that starts it.
#[allow(clippy::disallowed_methods)] // the one reader of tests
pub fn infra(variable: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| {
        panic!("{variable} is not set: run `scripts/infra up DIR && . DIR/env`, or all tests with `scripts/test`")
    })
}

/// Where on loopback nobody listens, as host and port, for who has to be told. Nobody is given it by chance before it is used: a
/// port that was bound to 0 and let go may be the next outgoing connection's.
///
/// # Panics
/// If none is found.
pub fn free_address() -> String {
    let is_free = |port: &u16| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok();
    let port = (0..PORTS.len()).map(|_| fastrand::u16(PORTS)).find(is_free).expect("one of ten thousand ports is free");
    format!("{}:{port}", Ipv4Addr::LOCALHOST)
}
