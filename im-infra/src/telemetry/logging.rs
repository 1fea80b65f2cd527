//! The log file: rolled by size and by day, written off the async threads.

use std::io;

use tracing_appender::non_blocking::{NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_rolling_file::{RollingConditionBase, RollingFileAppender};

use super::LogOptions;

/// Lines that may wait for the disk before new ones are dropped: logs must never block the road.
const LINES_BUFFERED_MAX: usize = 16_384;

/// Opens the file; the guard writes what is left when it is dropped.
pub(super) fn rolling_file(options: &LogOptions) -> io::Result<(NonBlocking, WorkerGuard)> {
    if let Some(folder) = options.file.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let condition = RollingConditionBase::new().daily().max_size(options.file_bytes_max);
    let appender = RollingFileAppender::new(&options.file, condition, options.files_kept)?;
    Ok(NonBlockingBuilder::default().lossy(true).buffered_lines_limit(LINES_BUFFERED_MAX).finish(appender))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::{super::LogFormat, *};

    #[test]
    fn a_full_file_is_rolled_and_only_so_many_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let options = LogOptions {
            level: "info".into(),
            format: LogFormat::Json,
            file: folder.path().join("logs/im.log"),
            file_bytes_max: 1_000,
            files_kept: 2,
        };
        let (mut file, guard) = rolling_file(&options).unwrap();
        for _ in 0..100 {
            file.write_all(&[b'x'; 100]).unwrap();
        }
        drop((file, guard));
        let files = std::fs::read_dir(folder.path().join("logs")).unwrap().count();
        assert_eq!(files, 3, "the live file and two rolled ones");
    }
}
