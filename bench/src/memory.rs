//! Memory that is a process's own: private and written to, as Linux tells it.

use std::fs;

use anyhow::Context as _;

/// Private dirty bytes of a process.
///
/// # Errors
/// If there is no such process, or it may not be asked.
pub fn private_dirty_bytes(pid: u32) -> anyhow::Result<u64> {
    let path = format!("/proc/{pid}/smaps_rollup");
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    parse(&text).with_context(|| format!("{path} tells no private dirty memory"))
}

fn parse(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("Private_Dirty:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1_024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_s_figure_is_read() {
        let text =
            "55d0-7ffe ---p 0 00:00 0 [rollup]\nRss:  900 kB\nPrivate_Clean:  1 kB\nPrivate_Dirty:      120 kB\n";
        assert_eq!(parse(text), Some(120 * 1_024));
        assert!(private_dirty_bytes(std::process::id()).unwrap() > 0);
    }
}
