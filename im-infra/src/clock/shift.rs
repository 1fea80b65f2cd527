//! A wall clock that is wrong. The nemesis moves that of one process, while it runs, by what it writes into a file; time that is
//! measured, and not told, passes as before.
//!
//! It is there in binaries that were built with the feature `failpoints`, and nowhere else. The variable [`VARIABLE`] names the
//! file of a process: eight bytes, the milliseconds by which its clock is ahead, little-endian; nothing in it: the clock is right.
//!
//! ```
//! use im_infra::clock::shift;
//!
//! assert_eq!(shift::read(&shift::written(-3_600_000)), -3_600_000);
//! assert_eq!(shift::read(b""), 0);
//! ```

#[cfg(feature = "failpoints")]
use std::{fs::File, io, os::unix::fs::FileExt as _, path::Path, sync::OnceLock};

/// By which a process is told its file.
pub const VARIABLE: &str = "GOCHAT_CLOCK_SHIFT";

/// Whether the clock of this binary can be moved.
pub const fn compiled_in() -> bool {
    cfg!(feature = "failpoints")
}

/// What is to stand in the file, at its begin, for a clock that is ahead by so many milliseconds, or behind.
pub const fn written(shift_ms: i64) -> [u8; 8] {
    shift_ms.to_le_bytes()
}

/// By how many milliseconds the clock is ahead where the file holds that.
pub fn read(bytes: &[u8]) -> i64 {
    bytes.try_into().map_or(0, i64::from_le_bytes)
}

#[cfg(feature = "failpoints")]
static FILE: OnceLock<File> = OnceLock::new();

/// From now on the wall clock of this process is wrong by what stands in the file; the first one stays.
///
/// # Errors
/// If it cannot be read.
#[cfg(feature = "failpoints")]
pub fn follow(path: &Path) -> io::Result<()> {
    let file = File::open(path)?;
    FILE.get_or_init(|| file);
    Ok(())
}

/// By how much the wall clock of this process is wrong.
#[cfg(feature = "failpoints")]
pub(super) fn shift_ms() -> i64 {
    let Some(file) = FILE.get() else { return 0 };
    let mut bytes = [0; 8];
    let held = file.read_at(&mut bytes, 0).unwrap_or(0);
    read(&bytes[..held])
}

/// By how much the wall clock of this process is wrong: it is not.
#[cfg(not(feature = "failpoints"))]
#[inline]
pub(super) const fn shift_ms() -> i64 {
    0
}
