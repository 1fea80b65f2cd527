//! Places at which a process can be made to die, as by SIGKILL: nothing is unwound, flushed or told to anybody. The nemesis
//! kills processes at random moments; these are the moments that matter and are seldom met.
//!
//! They are there in binaries that were built with the feature `failpoints`, and nowhere else. The variable `FAILPOINTS` says
//! what happens, in the words of the crate `fail`: `repo-after-commit=5*off->return` passes five times, and dies then.
//!
//! ```
//! use im_infra::failpoint::Point;
//!
//! assert_eq!(Point::RepoAfterCommit.dies_after(5), "repo-after-commit=5*off->return");
//! ```

use serde::{Deserialize, Serialize};

crate::named! {
    /// A place, by its name in `FAILPOINTS`.
    #[derive(Serialize, Deserialize)]
    #[serde(rename_all = "kebab-case")]
    pub enum Point;
    /// Where it is, in a line.
    fn place;
    RepoAfterCommit "repo-after-commit" "im-repo: an append is committed, and not answered";
    LogicAfterAppend "logic-after-append" "im-logic: an append is answered, and nothing of it is produced";
    LogicBetweenRecords "logic-between-records" "im-logic: some records of a batch are produced, and some are not";
    WorkerBeforeCommit "worker-before-commit" "a consumer: everything is produced, and the offset is not committed";
    TaskBeforeProduce "task-before-produce" "im-task: a large conversation's entries are packed, and not produced";
    Rebalance "rebalance" "a member of a group of Kafka: partitions come or go, and the group waits for its answer";
    GatewayBeforeAnswer "gateway-before-answer" "im-gateway: an outcome has come, and is not written to who waits for it";
}

impl Point {
    /// The value of `FAILPOINTS` that ends a process here once it has passed so many times.
    pub fn dies_after(self, passes: u64) -> String {
        format!("{}={passes}*off->return", self.name())
    }
}

/// Those that this binary has.
pub const fn compiled_in() -> &'static [Point] {
    if cfg!(feature = "failpoints") { Point::ALL } else { &[] }
}

/// What `FAILPOINTS` said, for as long as this is held.
pub struct Armed {
    #[cfg(feature = "failpoints")]
    _scenario: fail::FailScenario<'static>,
}

/// Reads `FAILPOINTS`, once, before anything is reached. Without the feature it does nothing.
///
/// # Panics
/// With the feature, if the variable cannot be understood.
#[must_use]
pub fn arm() -> Armed {
    Armed {
        #[cfg(feature = "failpoints")]
        _scenario: fail::FailScenario::setup(),
    }
}

/// A place is reached. `return` ends the process here and now.
#[cfg(feature = "failpoints")]
pub fn reach(point: Point) {
    fail::fail_point!(point.name(), |_| die());
}

/// A place is reached. Without the feature there is nothing here.
#[cfg(not(feature = "failpoints"))]
#[inline]
pub const fn reach(_: Point) {}

/// SIGABRT, which nothing handles: no destructor runs, no buffer is flushed, and whoever started the process can tell it from
/// other ways to end.
#[cfg(feature = "failpoints")]
fn die() {
    std::process::abort();
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_are_unique_and_those_of_saved_schedules() {
        let names: HashSet<&str> = Point::ALL.iter().map(|point| point.name()).collect();
        assert_eq!(names.len(), Point::ALL.len());
        for point in Point::ALL {
            assert_eq!(serde_json::to_value(point).unwrap(), point.name());
        }
    }
}
