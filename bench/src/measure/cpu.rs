//! CPU seconds of processes, from /proc.

use std::fs;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use super::{Window, wait_until};
use crate::target::Process;

/// Linux tells process times in hundredths of a second, whatever its own tick (proc(5), USER_HZ).
const TICKS_PER_SECOND: f64 = 100.0;

/// What a process used in a window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct CpuUse {
    pub(crate) process: String,
    pub(crate) seconds: f64,
}

/// What each process uses between the window's ends, or until the stop.
pub(crate) async fn cpu_over(
    window: Window,
    processes: &[Process],
    stop: &CancellationToken,
) -> anyhow::Result<Vec<CpuUse>> {
    wait_until(window.from, stop).await;
    let before = read(processes)?;
    wait_until(window.to, stop).await;
    let after = read(processes)?;
    let used = processes.iter().zip(before.iter().zip(after));
    Ok(used
        .map(|(process, (before, after))| CpuUse { process: process.name.clone(), seconds: after - before })
        .collect())
}

fn read(processes: &[Process]) -> anyhow::Result<Vec<f64>> {
    processes
        .iter()
        .map(|process| seconds(process.pid).with_context(|| format!("{} has ended", process.name)))
        .collect()
}

fn seconds(pid: u32) -> anyhow::Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    parse(&stat).context("unreadable process times")
}

/// User and system time. The name, in brackets, may hold anything, brackets and blanks too.
fn parse(stat: &str) -> Option<f64> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let user: f64 = fields.next()?.parse().ok()?;
    let system: f64 = fields.next()?.parse().ok()?;
    Some((user + system) / TICKS_PER_SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_found_behind_any_name() {
        let stat = "42 (a) b (c)) S 1 42 42 0 -1 4194560 100 0 0 0 150 50 7 9 20 0 1 0 100 1000 10";
        assert_eq!(parse(stat), Some(2.0));
        assert_eq!(parse("42 (a) S"), None);
    }

    #[test]
    fn this_process_has_used_some() {
        assert!(seconds(std::process::id()).unwrap() >= 0.0);
        assert!(seconds(u32::MAX).is_err());
    }
}
