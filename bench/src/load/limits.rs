//! Whether there are descriptors enough, asked before anything is opened.

use std::fs;

use anyhow::Context as _;

use crate::error::usage;

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

impl Connections {
    /// Makes sure that this process and the one that is loaded may have them.
    pub(crate) fn check(self, server: u32) -> anyhow::Result<()> {
        for (whose, process) in [("this process", "self".to_owned()), ("the gateway", server.to_string())] {
            let path = format!("/proc/{process}/limits");
            let limits = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
            let allowed = open_files(&limits).with_context(|| format!("{path} tells no limit of open files"))?;
            self.fits(allowed, whose)?;
        }
        Ok(())
    }

    fn fits(self, allowed: u64, whose: &str) -> anyhow::Result<()> {
        let (asked, each, beside) = (u64::from(self.asked), u64::from(self.each), u64::from(self.beside));
        let connections = asked * each + beside;
        let needed = connections + OTHERS;
        if needed <= allowed {
            return Ok(());
        }
        let fewer = allowed.saturating_sub(OTHERS + beside) / each.max(1);
        Err(usage(format!(
            "{connections} connections need {needed} open files and {whose} may have {allowed}: raise it with `ulimit -n {needed}`, or take {} {fewer}",
            self.flag
        )))
    }
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

    #[test]
    fn too_few_descriptors_are_told_with_what_would_do() {
        let limits = "Limit   Soft Limit  Hard Limit  Units\nMax open files            1024                 4096                 files\n";
        assert_eq!(open_files(limits), Some(1_024));
        let asked = |asked| Connections { flag: "--connections", asked, each: 1, beside: 0 };
        assert!(asked(824).fits(1_024, "this process").is_ok());
        let error = asked(10_000).fits(1_024, "the gateway").unwrap_err().to_string();
        for part in ["10200", "1024", "the gateway", "--connections 824"] {
            assert!(error.contains(part), "{part} not in {error}");
        }
    }

    #[test]
    fn what_takes_several_connections_is_offered_in_its_own_number() {
        let groups = Connections { flag: "--groups", asked: 40, each: 50, beside: 24 };
        assert!(groups.fits(2_224, "this process").is_ok());
        let error = groups.fits(1_024, "this process").unwrap_err().to_string();
        assert!(error.contains("ulimit -n 2224") && error.contains("--groups 16"), "{error}");
    }
}
