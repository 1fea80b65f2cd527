//! What was found, and how it is told.

use std::{fmt, time::Duration};

use im_infra::inspection::Inspection;
use serde::Serialize;

/// How long everything that is asked of one dependency may take.
const LIMIT: Duration = Duration::from_secs(5);
/// Clocks that differ by more are worth a look: tokens, sessions and routes end by them.
const CLOCK_MS_MAX: u64 = 500;

/// How it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum State {
    /// As it should be, or a fact.
    Ok,
    /// It works; somebody should know.
    Warning,
    /// It does not work.
    Failed,
}

/// One thing that was found.
#[derive(Debug, Serialize)]
pub(super) struct Finding {
    pub(super) state: State,
    about: &'static str,
    text: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::Ok => "ok",
            State::Warning => "warning",
            State::Failed => "failed",
        };
        write!(f, "{state:<8} {:<11} {}", self.about, self.text)
    }
}

/// What one check found.
pub(super) struct Findings {
    about: &'static str,
    list: Vec<Finding>,
}

impl Findings {
    pub(super) const fn about(about: &'static str) -> Self {
        Self { about, list: Vec::new() }
    }

    /// What `look` finds in the time it has. The key says where the dependency is.
    pub(super) async fn in_time(about: &'static str, key: &str, look: impl AsyncFnOnce(&mut Self)) -> Self {
        let mut found = Self::about(about);
        let looked = tokio::time::timeout(LIMIT, Box::pin(look(&mut found))).await;
        if looked.is_err() {
            found.failed(format_args!("it did not answer everything within {} ms ({key})", LIMIT.as_millis()));
        }
        found
    }

    pub(super) fn ok(&mut self, text: impl fmt::Display) {
        self.push(State::Ok, &text);
    }

    pub(super) fn warning(&mut self, text: impl fmt::Display) {
        self.push(State::Warning, &text);
    }

    pub(super) fn failed(&mut self, text: impl fmt::Display) {
        self.push(State::Failed, &text);
    }

    fn push(&mut self, state: State, text: &dyn fmt::Display) {
        // One line each, also for what libraries say in several.
        let text = text.to_string().replace('\n', "; ");
        self.list.push(Finding { state, about: self.about, text });
    }

    /// Takes in what a server said of itself.
    pub(super) fn take(&mut self, inspection: Inspection) {
        for (name, value) in inspection.facts {
            self.ok(format_args!("{name}: {value}"));
        }
        if let Some(ahead_ms) = inspection.clock_ahead_ms {
            let (off_ms, way) = (ahead_ms.unsigned_abs(), if ahead_ms < 0 { "behind" } else { "ahead of" });
            if off_ms > CLOCK_MS_MAX {
                self.warning(format_args!("its clock is {off_ms} ms {way} this host's: let NTP set both"));
            } else {
                self.ok(format_args!("its clock is {off_ms} ms {way} this host's"));
            }
        }
        for warning in inspection.warnings {
            self.warning(warning);
        }
        for failure in inspection.failures {
            self.failed(failure);
        }
    }

    pub(super) fn into_list(self) -> Vec<Finding> {
        self.list
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn states(inspection: Inspection) -> Vec<State> {
        let mut found = Findings::about("a server");
        found.take(inspection);
        found.into_list().into_iter().map(|finding| finding.state).collect()
    }

    #[test]
    fn clocks_that_differ_by_more_than_half_a_second_are_a_warning() {
        let with = |clock_ahead_ms| Inspection { clock_ahead_ms, ..Inspection::default() };
        assert!(states(with(None)).is_empty());
        assert_eq!(states(with(Some(-500))), [State::Ok]);
        assert_eq!(states(with(Some(-501))), [State::Warning]);
        assert_eq!(states(with(Some(501))), [State::Warning]);
    }

    #[test]
    fn a_finding_is_one_line() {
        let mut found = Findings::about("a server");
        found.failed("first\nsecond");
        assert_eq!(found.into_list()[0].to_string(), "failed   a server    first; second");
    }
}
