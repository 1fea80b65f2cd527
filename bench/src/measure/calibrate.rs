//! How quiet the machine is: a fixed piece of work, and writes that have to reach the disk.
//!
//! A disk may be in one of two states for minutes, several times apart. What is taken here must not invent such a state:
//!
//! - The writes are spread over more than a second, as a paced load makes them. Back to back they find the processor awake and
//!   the disk warm, and tell of a machine that nobody measures on.
//! - Told is the interquartile mean. Where quick and slow writes mix, the median jumps from one kind to the other as soon as
//!   their shares cross one half; this moves with the shares, and outliers do not touch it.
//! - A write in place goes to blocks that were written and synced before, as a database's log has them: nothing is allocated,
//!   no file system journal takes part. An appending write does both, and is told by itself.

use std::{
    fs::File,
    hint::black_box,
    io::{self, Write as _},
    os::unix::fs::FileExt as _,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;

/// A hundred times a second, like the paced load, for 1.2 s: one write of each kind every time, the work every fourth.
const TICK: Duration = Duration::from_millis(10);
const TICKS: u32 = 120;
const TICKS_PER_SPIN: u32 = 4;
const SPIN_STEPS: u64 = 1_000_000;
const SYNC_BYTES: usize = 4_096;
/// Of the file that is written in place, in turn.
const BLOCKS: u64 = 64;
/// Beyond this many times the quiet value a machine is not quiet.
const QUIET_MAX: f64 = 1.5;

/// Interquartile means, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Calibration {
    pub(crate) spin_us: f64,
    /// A write in place.
    pub(crate) fdatasync_us: f64,
    /// A write that makes its file longer; none in results of before this was measured.
    #[serde(default)]
    pub(crate) append_us: Option<f64>,
}

/// What counts as quiet in a run. For the work that is the best that was seen: a processor is never quicker than itself. For
/// the disk it is the lower quartile: the best of many is luck, and one lucky moment would void all the others, while a disk
/// that was loaded most of the time still shows in the figure that is told.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Quiet(pub(crate) Calibration);

/// Takes all, in the folder where the run keeps its data, in about a second.
pub(crate) async fn calibrate(folder: &Path) -> anyhow::Result<Calibration> {
    let folder = folder.to_owned();
    tokio::task::spawn_blocking(move || {
        let disk = Disk::in_folder(&folder).with_context(|| format!("cannot write in {}", folder.display()))?;
        let taken = take(&disk).with_context(|| format!("cannot write in {}", folder.display()))?;
        taken.context("nothing was timed")
    })
    .await?
}

fn take(disk: &Disk) -> io::Result<Option<Calibration>> {
    let (mut spins, mut in_place, mut appended) = (Vec::new(), Vec::new(), Vec::new());
    let started = Instant::now();
    for tick in 0..TICKS {
        wait_until(started + TICK * tick);
        in_place.push(timed(|| disk.write_in_place(tick.into()))?);
        appended.push(timed(|| disk.append(tick.into()))?);
        if tick % TICKS_PER_SPIN == 0 {
            spins.push(timed(|| {
                black_box(spin());
                Ok(())
            })?);
        }
    }
    let means = interquartile_mean(&spins).zip(interquartile_mean(&in_place));
    Ok(means.map(|(spin_us, fdatasync_us)| {
        let append_us = interquartile_mean(&appended);
        Calibration { spin_us, fdatasync_us, append_us }
    }))
}

/// Blocks the thread, which is one for that.
fn wait_until(due: Instant) {
    loop {
        let left = due.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return;
        }
        thread::park_timeout(left);
    }
}

/// Microseconds.
fn timed(work: impl FnOnce() -> io::Result<()>) -> io::Result<f64> {
    let from = Instant::now();
    work()?;
    Ok(from.elapsed().as_secs_f64() * 1e6)
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

/// Two files, so that a growing one does not make the other's writes wait for the journal. Removed in the end.
struct Disk {
    written: NamedTempFile,
    growing: NamedTempFile,
}

impl Disk {
    /// Blocks are written, not only reserved: the first write to a reserved block still has to be journalled.
    fn in_folder(folder: &Path) -> io::Result<Self> {
        let mut written = NamedTempFile::new_in(folder)?;
        for _ in 0..BLOCKS {
            written.write_all(&[7; SYNC_BYTES])?;
        }
        written.as_file().sync_all()?;
        let growing = NamedTempFile::new_in(folder)?;
        growing.as_file().sync_all()?;
        Ok(Self { written, growing })
    }

    fn write_in_place(&self, number: u64) -> io::Result<()> {
        write_block(self.written.as_file(), number % BLOCKS)
    }

    /// Block `number`, after all those before it.
    fn append(&self, number: u64) -> io::Result<()> {
        write_block(self.growing.as_file(), number)
    }
}

fn write_block(file: &File, block: u64) -> io::Result<()> {
    file.write_all_at(&[7; SYNC_BYTES], block * SYNC_BYTES as u64)?;
    file.sync_data()
}

/// The mean of the middle half; none without values.
fn interquartile_mean(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let cut = sorted.len() / 4;
    let middle = &sorted[cut..sorted.len() - cut];
    (!middle.is_empty()).then(|| middle.iter().sum::<f64>() / middle.len() as f64)
}

/// The value that a quarter of them does not reach; none without values.
fn lower_quartile(mut values: Vec<f64>) -> Option<f64> {
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len().saturating_sub(1) / 4).copied()
}

impl Calibration {
    /// How far the two are apart, at least 1: the greatest of the ratios of what both have.
    fn apart(&self, other: &Self) -> f64 {
        let ratio = |a: f64, b: f64| (a / b).max(b / a);
        let appends = self.append_us.zip(other.append_us).map_or(1.0, |(a, b)| ratio(a, b));
        ratio(self.spin_us, other.spin_us).max(ratio(self.fdatasync_us, other.fdatasync_us)).max(appends)
    }

    /// Whether the machine became another one between two calibrations.
    pub(crate) fn moved(&self, after: &Self) -> bool {
        self.apart(after) > QUIET_MAX
    }
}

impl Quiet {
    /// None without calibrations.
    pub(crate) fn of(calibrations: impl IntoIterator<Item = Calibration>) -> Option<Self> {
        let all: Vec<Calibration> = calibrations.into_iter().collect();
        let spin_us = all.iter().map(|one| one.spin_us).reduce(f64::min)?;
        let fdatasync_us = lower_quartile(all.iter().map(|one| one.fdatasync_us).collect())?;
        let append_us = lower_quartile(all.iter().filter_map(|one| one.append_us).collect());
        Some(Self(Calibration { spin_us, fdatasync_us, append_us }))
    }

    /// Whether an absolute figure taken beside this calibration counts. One from a quicker disk does not either: it would
    /// flatter.
    pub(crate) fn holds(&self, calibration: &Calibration) -> bool {
        self.0.apart(calibration) <= QUIET_MAX
    }

    /// Whether something that passes keeps the machine or its disk busy.
    pub(crate) fn is_busier(&self, calibration: &Calibration) -> bool {
        let quiet = &self.0;
        calibration.spin_us > quiet.spin_us * QUIET_MAX || calibration.fdatasync_us > quiet.fdatasync_us * QUIET_MAX
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    const CALM: Calibration = Calibration { spin_us: 1_000.0, fdatasync_us: 200.0, append_us: Some(400.0) };

    /// So many percent of slow writes among quick ones.
    fn mixed(slow_percent: usize) -> Vec<f64> {
        (0..100).map(|number| if number < slow_percent { 550.0 } else { 77.0 }).collect()
    }

    #[test]
    fn a_disk_that_slows_down_moves_the_calibration_and_voids_absolute_figures() {
        let loaded = Calibration { fdatasync_us: 320.0, ..CALM };
        assert!(CALM.moved(&loaded) && loaded.moved(&CALM));
        assert!(CALM.moved(&Calibration { append_us: Some(640.0), ..CALM }));
        assert!(!CALM.moved(&Calibration { spin_us: 1_400.0, ..CALM }));
        let quiet = Quiet::of([loaded, CALM]).unwrap();
        assert_eq!(quiet, Quiet(CALM));
        assert!(quiet.holds(&CALM) && !quiet.holds(&loaded));
    }

    #[test]
    fn a_few_more_slow_writes_do_not_make_another_machine() {
        let median = |values: &[f64]| super::super::bootstrap::median(values).unwrap();
        let mean = |values: &[f64]| interquartile_mean(values).unwrap();
        assert!(median(&mixed(55)) / median(&mixed(45)) > 7.0, "the median jumps");
        assert!(mean(&mixed(55)) / mean(&mixed(45)) < QUIET_MAX, "the mean of the middle follows");
        assert!(mean(&mixed(90)) / mean(&mixed(10)) > 7.0, "and a change of state is seen");
        let mut outlier = mixed(0);
        outlier[0] = 1e6;
        assert_eq!(mean(&outlier), 77.0);
        assert_eq!((interquartile_mean(&[]), interquartile_mean(&[3.0])), (None, Some(3.0)));
    }

    #[test]
    fn one_lucky_moment_of_the_disk_voids_nothing_but_itself() {
        let lucky = Calibration { fdatasync_us: 80.0, ..CALM };
        let quiet = Quiet::of([CALM, CALM, lucky, CALM, CALM, CALM]).unwrap();
        assert_eq!(quiet, Quiet(CALM));
        assert!(quiet.holds(&CALM) && !quiet.holds(&lucky));
    }

    #[test]
    fn the_quickest_work_is_the_quiet_one() {
        let loaded = Calibration { spin_us: 2_000.0, ..CALM };
        let quiet = Quiet::of([loaded, loaded, loaded, CALM, loaded, loaded]).unwrap();
        assert!(quiet.holds(&CALM) && !quiet.holds(&loaded), "{quiet:?}");
        assert_eq!(Quiet::of([]), None);
    }

    #[test]
    fn results_of_before_appends_were_measured_still_compare() {
        let before: Calibration = serde_json::from_str(r#"{"spin_us":1000.0,"fdatasync_us":200.0}"#).unwrap();
        assert_eq!(before.append_us, None);
        assert!(!before.moved(&CALM) && Quiet::of([before]).unwrap().holds(&before));
    }

    #[test]
    fn what_is_written_in_place_has_its_blocks_before() {
        let folder = tempfile::tempdir().unwrap();
        let disk = Disk::in_folder(folder.path()).unwrap();
        let blocks = |file: &NamedTempFile| file.as_file().metadata().unwrap().blocks();
        let before = blocks(&disk.written);
        assert!(before * 512 >= BLOCKS * SYNC_BYTES as u64, "{before}");
        for number in 0..BLOCKS + 3 {
            disk.write_in_place(number).unwrap();
        }
        assert_eq!(blocks(&disk.written), before);
        disk.append(0).unwrap();
        disk.append(1).unwrap();
        assert_eq!(disk.growing.as_file().metadata().unwrap().len(), 2 * SYNC_BYTES as u64);
    }

    #[tokio::test]
    async fn all_take_time() {
        let folder = tempfile::tempdir().unwrap();
        let taken = calibrate(folder.path()).await.unwrap();
        assert!(taken.spin_us > 0.0 && taken.fdatasync_us > 0.0 && taken.append_us > Some(0.0), "{taken:?}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left behind");
    }
}
