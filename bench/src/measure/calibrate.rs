//! How quiet the machine is: a fixed piece of work, and a write that has to reach the disk.

use std::{
    fs::File,
    hint::black_box,
    io::{Seek as _, Write as _},
    path::Path,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use super::median;

const SPINS: usize = 9;
const SPIN_STEPS: u64 = 4_000_000;
const SYNCS: usize = 40;
const SYNC_BYTES: usize = 4_096;
/// Beyond this many times the quiet value a machine is not quiet.
const QUIET_MAX: f64 = 1.5;

/// Medians of both, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Calibration {
    pub(crate) spin_us: f64,
    pub(crate) fdatasync_us: f64,
}

/// The best that was seen in a run.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Quiet(pub(crate) Calibration);

/// Takes both, in the folder where the run keeps its data.
pub(crate) async fn calibrate(folder: &Path) -> anyhow::Result<Calibration> {
    let folder = folder.to_owned();
    tokio::task::spawn_blocking(move || {
        let spin_us = median_us(SPINS, || {
            black_box(spin());
            Ok(())
        })?;
        Ok(Calibration { spin_us, fdatasync_us: sync(&folder)? })
    })
    .await?
}

/// Xorshift, which no compiler shortens.
fn spin() -> u64 {
    (0..SPIN_STEPS).fold(0x9e37_79b9_7f4a_7c15, |mut state, _| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    })
}

fn sync(folder: &Path) -> anyhow::Result<f64> {
    let path =
        tempfile::NamedTempFile::new_in(folder).with_context(|| format!("cannot write in {}", folder.display()))?;
    let mut file: &File = path.as_file();
    let bytes = [7; SYNC_BYTES];
    median_us(SYNCS, || {
        file.rewind()?;
        file.write_all(&bytes)?;
        file.sync_data()
    })
}

fn median_us(times: usize, mut work: impl FnMut() -> std::io::Result<()>) -> anyhow::Result<f64> {
    let mut taken = Vec::with_capacity(times);
    for _ in 0..times {
        let from = Instant::now();
        work()?;
        taken.push(from.elapsed());
    }
    let taken: Vec<f64> = taken.iter().map(|took: &Duration| took.as_secs_f64() * 1e6).collect();
    median(&taken).context("nothing was timed")
}

impl Calibration {
    /// How far the two are apart, at least 1: the greater of both ratios.
    fn apart(&self, other: &Self) -> f64 {
        let ratio = |a: f64, b: f64| (a / b).max(b / a);
        ratio(self.spin_us, other.spin_us).max(ratio(self.fdatasync_us, other.fdatasync_us))
    }

    /// Whether the machine became another one between two calibrations.
    pub(crate) fn moved(&self, after: &Self) -> bool {
        self.apart(after) > QUIET_MAX
    }
}

impl Quiet {
    /// None without calibrations.
    pub(crate) fn of(calibrations: impl IntoIterator<Item = Calibration>) -> Option<Self> {
        let best = calibrations.into_iter().reduce(|a, b| Calibration {
            spin_us: a.spin_us.min(b.spin_us),
            fdatasync_us: a.fdatasync_us.min(b.fdatasync_us),
        });
        best.map(Self)
    }

    /// Whether an absolute figure taken beside this calibration counts.
    pub(crate) fn holds(&self, calibration: &Calibration) -> bool {
        self.0.apart(calibration) <= QUIET_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALM: Calibration = Calibration { spin_us: 1_000.0, fdatasync_us: 200.0 };

    #[test]
    fn a_disk_that_slows_down_moves_the_calibration_and_voids_absolute_figures() {
        let loaded = Calibration { fdatasync_us: 320.0, ..CALM };
        assert!(CALM.moved(&loaded) && loaded.moved(&CALM));
        assert!(!CALM.moved(&Calibration { spin_us: 1_400.0, ..CALM }));
        let quiet = Quiet::of([loaded, CALM]).unwrap();
        assert_eq!(quiet, Quiet(CALM));
        assert!(quiet.holds(&CALM) && !quiet.holds(&loaded));
    }

    #[tokio::test]
    async fn both_take_time() {
        let folder = tempfile::tempdir().unwrap();
        let taken = calibrate(folder.path()).await.unwrap();
        assert!(taken.spin_us > 0.0 && taken.fdatasync_us > 0.0, "{taken:?}");
    }
}
