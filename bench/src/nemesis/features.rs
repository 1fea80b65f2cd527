//! What a binary was built with for tests.

use std::{collections::BTreeSet, path::Path, process::Stdio};

use anyhow::Context as _;
use im_infra::{failpoint::Point, planted::Bug};
use tokio::process::Command;

/// How a binary says that its clock can be moved.
const CLOCK_SHIFT: &str = "clock-shift";

/// What a binary has that a release has not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Features {
    lines: BTreeSet<String>,
}

impl Features {
    /// Asks the binary. One of a version that does not know the question has none.
    ///
    /// # Errors
    /// If it cannot be run.
    pub async fn of(gochat: &Path) -> anyhow::Result<Self> {
        let said = Command::new(gochat).arg("test-features").stdin(Stdio::null()).output().await;
        let said = said.with_context(|| format!("cannot run {}", gochat.display()))?;
        Ok(Self::parse(&String::from_utf8_lossy(&said.stdout)))
    }

    fn parse(said: &str) -> Self {
        Self { lines: said.lines().map(str::to_owned).collect() }
    }

    /// Whether every planted bug can be chosen.
    pub fn have_bugs(&self) -> bool {
        Bug::ALL.iter().all(|bug| self.lines.contains(&format!("planted-bug {bug}")))
    }

    /// Whether its processes can be made to die at every place that has a name, and their clocks can be moved.
    pub fn have_failpoints(&self) -> bool {
        let have = |point: &Point| self.lines.contains(&format!("failpoint {}", point.name()));
        Point::ALL.iter().all(have) && self.lines.contains(CLOCK_SHIFT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_binary_with_some_of_the_places_is_an_older_one() {
        let mut all: String = Point::ALL.iter().map(|point| format!("failpoint {}\n", point.name())).collect();
        assert!(!Features::parse(&all).have_failpoints(), "its clock cannot be moved");
        all.push_str(CLOCK_SHIFT);
        assert!(Features::parse(&all).have_failpoints() && !Features::parse(&all).have_bugs());
        let some = all.split_once('\n').unwrap().1;
        assert!(!Features::parse(some).have_failpoints() && !Features::parse("").have_failpoints());
    }
}
