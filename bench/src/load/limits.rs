//! Whether there are descriptors enough, asked before anything is opened.

use std::fs;

use anyhow::Context as _;

use crate::error::usage;

/// Descriptors of a process beside its connections.
const OTHERS: u64 = 200;

/// Makes sure that this process and the one that is loaded may have so many connections.
pub(crate) fn check_descriptors(connections: u32, server: u32) -> anyhow::Result<()> {
    check_descriptors_of("--connections", connections, server)
}

/// The same where another flag says how many.
pub(crate) fn check_descriptors_of(flag: &str, connections: u32, server: u32) -> anyhow::Result<()> {
    for (whose, process) in [("this process", "self".to_owned()), ("the gateway", server.to_string())] {
        let path = format!("/proc/{process}/limits");
        let limits = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
        let allowed = open_files(&limits).with_context(|| format!("{path} tells no limit of open files"))?;
        fits(flag, connections, allowed, whose)?;
    }
    Ok(())
}

fn fits(flag: &str, connections: u32, allowed: u64, whose: &str) -> anyhow::Result<()> {
    let needed = u64::from(connections) + OTHERS;
    if needed <= allowed {
        return Ok(());
    }
    let fewer = allowed.saturating_sub(OTHERS);
    Err(usage(format!(
        "{connections} connections need {needed} open files and {whose} may have {allowed}: raise it with `ulimit -n {needed}`, or take {flag} {fewer}"
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

    #[test]
    fn too_few_descriptors_are_told_with_what_would_do() {
        let limits = "Limit   Soft Limit  Hard Limit  Units\nMax open files            1024                 4096                 files\n";
        assert_eq!(open_files(limits), Some(1_024));
        assert!(fits("--connections", 824, 1_024, "this process").is_ok());
        let error = fits("--connections", 10_000, 1_024, "the gateway").unwrap_err().to_string();
        for part in ["10200", "1024", "the gateway", "--connections 824"] {
            assert!(error.contains(part), "{part} not in {error}");
        }
    }
}
