//! Whether there are descriptors enough, asked before anything is opened.

use std::fs;

use anyhow::Context as _;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::{error::usage, output::note};

/// Descriptors of a process beside its connections.
const OTHERS: u64 = 200;

/// Connections that a flag asks for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Connections {
    pub(crate) flag: &'static str,
    /// Its value, and how many connections one of it takes.
    pub(crate) asked: u32,
    pub(crate) each: u32,
    /// Those that other flags ask for.
    pub(crate) beside: u32,
}

/// Makes sure that this process and the one that is loaded may have so many connections.
pub(crate) fn check_descriptors(connections: u32, server: u32) -> anyhow::Result<()> {
    let asked = Connections { flag: "--connections", asked: connections, each: 1, beside: 0 };
    asked.check(server)
}

/// The same, and `instead` says what else could be asked for, given how many there is room for.
pub(crate) fn check_limits(connections: u64, server: u32, instead: impl Fn(u64) -> String) -> anyhow::Result<()> {
    raise_own(connections + OTHERS);
    for (whose, process) in [("this process", "self".to_owned()), ("the gateway", server.to_string())] {
        let path = format!("/proc/{process}/limits");
        let limits = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
        let allowed = open_files(&limits).with_context(|| format!("{path} tells no limit of open files"))?;
        fit(connections, (allowed, whose), &instead)?;
    }
    Ok(())
}

impl Connections {
    /// Makes sure that this process and the one that is loaded may have them.
    pub(crate) fn check(self, server: u32) -> anyhow::Result<()> {
        check_limits(self.count(), server, |room| self.fewer(room))
    }

    fn count(self) -> u64 {
        u64::from(self.asked) * u64::from(self.each) + u64::from(self.beside)
    }

    fn fewer(self, room: u64) -> String {
        let fewer = room.saturating_sub(self.beside.into()) / u64::from(self.each.max(1));
        format!(", or take {} {fewer}", self.flag)
    }
}

/// Where the soft limit is too low and the hard one is not, this process helps itself, and with it what it starts.
fn raise_own(needed: u64) {
    let limit = getrlimit(Resource::Nofile);
    let Some(current) = limit.current.filter(|current| *current < needed) else { return };
    let is_allowed = limit.maximum.is_none_or(|maximum| needed <= maximum);
    if is_allowed && setrlimit(Resource::Nofile, Rlimit { current: Some(needed), ..limit }).is_ok() {
        note(format_args!("  raised the limit of open files from {current} to {needed}"));
    }
}

fn fit(connections: u64, (allowed, whose): (u64, &str), instead: impl Fn(u64) -> String) -> anyhow::Result<()> {
    let needed = connections + OTHERS;
    if needed <= allowed {
        return Ok(());
    }
    let instead = instead(allowed.saturating_sub(OTHERS));
    Err(usage(format!(
        "{connections} connections need {needed} open files and {whose} may have {allowed}: raise it with `ulimit -n {needed}`{instead}"
    )))
}

/// The soft limit.
fn open_files(limits: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    match line.split_whitespace().next()? {
        "unlimited" => Some(u64::MAX),
        number => number.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(connections: Connections, allowed: u64) -> anyhow::Result<()> {
        fit(connections.count(), (allowed, "the gateway"), |room| connections.fewer(room))
    }

    #[test]
    fn too_few_descriptors_are_told_with_what_would_do() {
        let limits = "Limit   Soft Limit  Hard Limit  Units\nMax open files            1024                 4096                 files\n";
        assert_eq!(open_files(limits), Some(1_024));
        let asked = |asked| Connections { flag: "--connections", asked, each: 1, beside: 0 };
        assert!(fits(asked(824), 1_024).is_ok());
        let error = fits(asked(10_000), 1_024).unwrap_err().to_string();
        for part in ["10200", "1024", "the gateway", "--connections 824"] {
            assert!(error.contains(part), "{part} not in {error}");
        }
    }

    #[test]
    fn what_takes_several_connections_is_offered_in_its_own_number() {
        let groups = Connections { flag: "--groups", asked: 40, each: 50, beside: 24 };
        assert!(fits(groups, 2_224).is_ok());
        let error = fits(groups, 1_024).unwrap_err().to_string();
        assert!(error.contains("ulimit -n 2224") && error.contains("--groups 16"), "{error}");
    }
}
