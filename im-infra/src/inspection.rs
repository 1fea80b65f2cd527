//! What a look at a server finds, for an operator who decides what to do about it. Whoever looks creates and changes nothing.
//!
//! ```
//! use im_infra::{clock::Clock, database::{Database, DatabaseOptions}};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! let folder = tempfile::tempdir().unwrap();
//! let url = format!("sqlite://{}/some.db?mode=rwc", folder.path().display());
//! let database = Database::connect(&DatabaseOptions::new(url)).await.unwrap();
//! let found = database.inspect(&Clock::system()).await.unwrap();
//! assert!(found.failures.is_empty(), "{found:?}");
//! # });
//! ```

use std::{fmt::Display, future::Future};

use crate::clock::Clock;

/// What a server says of itself, and what follows from it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inspection {
    /// Names and values, as the server tells them.
    pub facts: Vec<(String, String)>,
    /// What works and may cost something one day.
    pub warnings: Vec<String>,
    /// What keeps a service from working.
    pub failures: Vec<String>,
    /// How far the server's clock is ahead of ours; none: it does not tell the time.
    pub clock_ahead_ms: Option<i64>,
}

impl Inspection {
    pub(crate) fn fact(&mut self, name: impl Into<String>, value: impl Display) {
        self.facts.push((name.into(), value.to_string()));
    }

    pub(crate) fn warning(&mut self, text: impl Display) {
        self.warnings.push(text.to_string());
    }

    pub(crate) fn failure(&mut self, text: impl Display) {
        self.failures.push(text.to_string());
    }
}

/// How far the clock that `ask` reads (Unix milliseconds) is ahead of ours. The answer counts for the middle between question
/// and answer.
pub(crate) async fn clock_ahead_ms<E>(clock: &Clock, ask: impl Future<Output = Result<i64, E>>) -> Result<i64, E> {
    let asked_ms = clock.now_ms();
    let theirs_ms = ask.await?;
    let ours_ms = asked_ms + (clock.now_ms() - asked_ms) / 2;
    Ok(theirs_ms - ours_ms)
}

/// A host and a port as one address.
pub(crate) fn address(host: &str, port: u16) -> String {
    // An IPv6 address comes with its brackets from some parsers and without them from others.
    let host = host.trim_matches(['[', ']']);
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_clock_is_compared_with_the_middle_of_the_question() {
        let clock = Clock::manual(1_000);
        let ask = async {
            clock.advance_ms(100);
            Ok::<_, ()>(2_050)
        };
        assert_eq!(clock_ahead_ms(&clock, ask).await, Ok(1_000));
    }

    #[test]
    fn an_address_of_ipv6_has_brackets_once() {
        assert_eq!([address("::1", 1), address("[::1]", 1), address("a", 1)], ["[::1]:1", "[::1]:1", "a:1"]);
    }
}
