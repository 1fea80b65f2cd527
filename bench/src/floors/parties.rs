//! Who takes part in an operation, and the CPU that they use.

use std::{process, thread, time::Duration};

use anyhow::Context as _;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::{
    measure::{ThreadTimes, Window, wait_until},
    target::{Site, infrastructure_processes},
};

/// Who says when an operation is due, and who reads the times: threads of this process that are the load's.
const PACER: &str = "pacer";
const METER: &str = "meter";

/// The processes whose CPU counts, or none if a server's is not known: half a figure would be taken for a whole one.
pub(super) struct Parties(Option<Vec<Party>>);

struct Party {
    pid: u32,
    threads: Threads,
}

#[derive(Clone, Copy)]
enum Threads {
    All,
    Named(&'static str),
    /// All but the load's.
    AtWork,
}

/// What each has used so far, in the order of the parties.
pub(super) struct Reading(Vec<ThreadTimes>);

impl Parties {
    /// This process, in which all sides run and all count: both are services. What is left of the load in it is that the
    /// runtime is woken for each operation, as a service is by whoever calls it.
    pub(super) fn here() -> Self {
        Self(Some(vec![Party { pid: process::id(), threads: Threads::AtWork }]))
    }

    /// Threads of this process: the server's, where the other side is a client.
    pub(super) fn threads(name: &'static str) -> Self {
        Self(Some(vec![Party { pid: process::id(), threads: Threads::Named(name) }]))
    }

    /// This process, which has the client that a service has, and a server of the infrastructure.
    pub(super) fn with_server(site: &Site, name: &str) -> anyhow::Result<Self> {
        let server = infrastructure_processes(site)?.into_iter().find(|process| process.name == name);
        let Self(own) = Self::here();
        let server = server.map(|server| Party { pid: server.pid, threads: Threads::All });
        Ok(Self(own.zip(server).map(|(own, server)| own.into_iter().chain([server]).collect())))
    }

    /// A server that was started for this.
    pub(super) fn server(pid: u32) -> Self {
        Self(Some(vec![Party { pid, threads: Threads::All }]))
    }

    /// What they use between the window's ends, or until the stop.
    pub(super) async fn cpu_over(&self, window: Window, stop: &CancellationToken) -> anyhow::Result<Option<Duration>> {
        wait_until(window.from, stop).await;
        let before = self.read().await?;
        wait_until(window.to, stop).await;
        Ok(self.used(&before, &self.read().await?))
    }

    /// On a thread of its own: a server has a hundred threads, and reading their times must neither hold an operation up nor
    /// be counted as one.
    pub(super) async fn read(&self) -> anyhow::Result<Reading> {
        let pids: Vec<u32> = self.0.iter().flatten().map(|party| party.pid).collect();
        let (tell, told) = oneshot::channel();
        let read = move || {
            let times = pids.into_iter().map(ThreadTimes::of).collect::<anyhow::Result<Vec<_>>>();
            // Whoever asked may have gone.
            let _ = tell.send(times);
        };
        thread::Builder::new().name(METER.into()).spawn(read).context("no thread to read CPU times")?;
        Ok(Reading(told.await.context("nobody read CPU times")?.context("a process that takes part has ended")?))
    }

    /// All of them together; none if one is not known.
    pub(super) fn used(&self, before: &Reading, after: &Reading) -> Option<Duration> {
        let parties = self.0.as_ref()?;
        let each = parties.iter().zip(before.0.iter().zip(&after.0));
        Some(each.map(|(party, (before, after))| after.since(before, |name| party.threads.counts(name))).sum())
    }
}

impl Threads {
    fn counts(self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::Named(wanted) => name == wanted,
            Self::AtWork => name != PACER && name != METER,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        load::{Pacer, Schedule},
        measure::Length,
    };

    #[test]
    fn the_load_s_threads_are_not_at_work() {
        assert!(Threads::AtWork.counts("tokio-rt-worker") && !Threads::AtWork.counts(PACER));
        assert!(Threads::Named("echo").counts("echo") && !Threads::Named("echo").counts("other"));
    }

    #[tokio::test]
    async fn the_pacer_is_known_by_its_name() {
        let stop = CancellationToken::new();
        let window = Window::starting_now(Length { seconds: 60, warm_up_seconds: 0 });
        let (_pacer, mut lanes) = Pacer::start(Schedule::new(100.0, 1), window, 1, &stop).unwrap();
        // It runs, so it has its name.
        lanes[0].recv().await.unwrap();
        let now = ThreadTimes::of(process::id()).unwrap();
        assert!(now.since(&ThreadTimes::default(), |name| name == PACER) > Duration::ZERO);
    }

    #[tokio::test]
    async fn a_process_that_is_not_known_makes_no_figure() {
        let unknown = Parties(None);
        let (before, after) = (unknown.read().await.unwrap(), unknown.read().await.unwrap());
        assert_eq!(unknown.used(&before, &after), None);
        assert!(Parties::server(u32::MAX).read().await.is_err());
    }
}
