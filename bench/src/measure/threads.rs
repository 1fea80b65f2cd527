//! CPU time of threads, to the nanosecond: the process times of the kernel come in hundredths of a second, which is as much
//! as a hundred operations take.

use std::{collections::BTreeMap, fs, time::Duration};

use anyhow::ensure;

/// What each thread of a process has used so far. What a thread used that ended between two readings is not seen.
#[derive(Clone, Debug, Default)]
pub(crate) struct ThreadTimes(BTreeMap<u32, ThreadTime>);

#[derive(Clone, Debug)]
struct ThreadTime {
    name: String,
    ns: u64,
}

impl ThreadTimes {
    /// Of all threads that a process has now. An error if it has ended, or if this kernel keeps no times of threads
    /// (CONFIG_SCHED_INFO).
    pub(crate) fn of(pid: u32) -> anyhow::Result<Self> {
        let folder = format!("/proc/{pid}/task");
        let mut times = BTreeMap::new();
        for entry in fs::read_dir(&folder)? {
            let Ok(entry) = entry else { continue };
            let Some(thread) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
            let read = |file: &str| fs::read_to_string(entry.path().join(file));
            // One that ended meanwhile.
            let (Ok(name), Ok(schedule)) = (read("comm"), read("schedstat")) else { continue };
            if let Some(ns) = parse(&schedule) {
                times.insert(thread, ThreadTime { name: name.trim_end().to_owned(), ns });
            }
        }
        ensure!(!times.is_empty(), "{folder} tells no times of threads");
        Ok(Self(times))
    }

    /// What those whose name counts have used since an earlier reading. The kernel keeps 15 bytes of a name.
    pub(crate) fn since(&self, before: &Self, counts: impl Fn(&str) -> bool) -> Duration {
        let used = self.0.iter().filter(|(_, now)| counts(&now.name)).map(|(thread, now)| {
            let then = before.0.get(thread).map_or(0, |then| then.ns);
            now.ns.saturating_sub(then)
        });
        Duration::from_nanos(used.sum())
    }
}

/// The first of three numbers: nanoseconds on a processor (Documentation/scheduler/sched-stats.rst).
fn parse(schedule: &str) -> Option<u64> {
    schedule.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::{hint::black_box, process, sync::mpsc, thread, time::Instant};

    use super::*;

    #[test]
    fn a_thread_s_work_is_found_by_its_name() {
        let (tell, told) = mpsc::channel();
        let (end, ended) = mpsc::channel::<()>();
        let work = move || {
            let started = Instant::now();
            while started.elapsed() < Duration::from_millis(50) {
                black_box(0);
            }
            tell.send(()).unwrap();
            // Kept until it was looked at.
            let _ = ended.recv();
        };
        let before = ThreadTimes::of(process::id()).unwrap();
        let busy = thread::Builder::new().name("busy".into()).spawn(work).unwrap();
        told.recv().unwrap();
        let after = ThreadTimes::of(process::id()).unwrap();
        drop(end);
        busy.join().unwrap();
        // On a machine with other work it had less than its 50 ms.
        assert!(after.since(&before, |name| name == "busy") >= Duration::from_millis(1));
        assert_eq!(after.since(&before, |name| name == "idle"), Duration::ZERO);
    }

    #[test]
    fn new_threads_count_whole_and_ended_ones_not() {
        let of = |times: &[(u32, u64)]| {
            let times = times.iter().map(|&(thread, ns)| (thread, ThreadTime { name: "a".into(), ns }));
            ThreadTimes(times.collect())
        };
        let (before, after) = (of(&[(1, 100), (2, 70)]), of(&[(1, 150), (3, 30)]));
        assert_eq!(after.since(&before, |_| true), Duration::from_nanos(80));
        assert_eq!(parse("726054 0 1\n"), Some(726_054));
        assert!(ThreadTimes::of(u32::MAX).is_err());
    }
}
