//! Memory that is a process's own: private and written to.

use std::fs;

use anyhow::Context as _;

/// Private dirty bytes of a process.
pub(crate) fn private_dirty_bytes(pid: u32) -> anyhow::Result<u64> {
    let path = format!("/proc/{pid}/smaps_rollup");
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    parse(&text).with_context(|| format!("{path} tells no private dirty memory"))
}

fn parse(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("Private_Dirty:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1_024)
}

/// By how much y grows with x, by least squares; 0 where all x are the same.
pub(crate) fn slope(points: &[(u64, u64)]) -> f64 {
    let count = points.len() as f64;
    let mean = |of: fn(&(u64, u64)) -> u64| points.iter().map(|point| of(point) as f64).sum::<f64>() / count;
    let (x_mean, y_mean) = (mean(|point| point.0), mean(|point| point.1));
    let (mut product, mut square) = (0.0, 0.0);
    for (x, y) in points {
        let distance = *x as f64 - x_mean;
        product += distance * (*y as f64 - y_mean);
        square += distance * distance;
    }
    if square == 0.0 { 0.0 } else { product / square }
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

    #[test]
    fn what_is_taken_once_is_not_in_the_slope() {
        let points = [(0, 50_000), (1_000, 4_050_000), (2_000, 8_050_000)];
        assert_eq!(slope(&points), 4_000.0);
        assert_eq!(slope(&points[..1]), 0.0);
    }
}
