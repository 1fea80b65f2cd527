//! What a scenario is.

use im_infra::failpoint::Point;

use super::fault::{Server, Service, Subject};

/// A kind of fault; the schedule chooses whom it hits, when and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Kill(Service),
    Terminate(Service),
    Pause(Service),
    KillServer(Server),
    RestartServer(Server),
    PauseServer(Server),
    Flush,
    OldSnapshot,
    Cut(Server),
    Slow(Server),
    LoseCommits,
    Crash(Point),
    SlowSync(Service),
    SlowServerSync(Server),
    FailingSync(Service),
    FailingServerSync(Server),
    ClockAhead(Service),
    ClockBehind(Service),
    Deafen,
}

impl Kind {
    fn fits(self, subject: Subject) -> bool {
        match self {
            // Only Kafka has members that come and go.
            Self::Crash(point) => return subject == Subject::Processes || point != Point::Rebalance,
            // Clients are everywhere.
            Self::Deafen => return true,
            _ => {}
        }
        let standalone = matches!(
            self,
            Self::Kill(Service::Standalone)
                | Self::Terminate(Service::Standalone)
                | Self::Pause(Service::Standalone)
                | Self::SlowSync(Service::Standalone)
                | Self::FailingSync(Service::Standalone)
                | Self::ClockAhead(Service::Standalone)
                | Self::ClockBehind(Service::Standalone)
        );
        standalone == (subject == Subject::Standalone)
    }

    /// Whether a release cannot be hurt like this.
    fn needs_failpoints(self) -> bool {
        matches!(self, Self::Crash(_) | Self::ClockAhead(_) | Self::ClockBehind(_))
    }

    /// Whether strace does it.
    fn needs_strace(self) -> bool {
        matches!(self, Self::SlowSync(_) | Self::SlowServerSync(_) | Self::FailingSync(_) | Self::FailingServerSync(_))
    }
}

/// What shows that the fault did what it is for, beside commands that were in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Evidence {
    /// Commands in flight say enough.
    InFlight,
    /// A process tried to commit what it had lost meanwhile.
    Fenced,
    /// A COMMIT stayed without its answer.
    LostCommit,
    /// A process died at the place it was to die at.
    Crashed,
    /// Calls to bring something to the disk were late, or failed.
    Injected,
    /// A client was too slow for its gateway.
    TooSlow,
}

/// A way to hurt a system.
#[derive(Debug, PartialEq, Eq)]
pub struct Scenario {
    /// How it is asked for.
    pub name: &'static str,
    /// What it does, in a line.
    pub does: &'static str,
    pub(super) kinds: &'static [Kind],
    pub(super) needs: Evidence,
}

impl Scenario {
    pub(super) const fn of(name: &'static str, does: &'static str, kinds: &'static [Kind]) -> Self {
        Self { name, does, kinds, needs: Evidence::InFlight }
    }

    pub(super) const fn crash(name: &'static str, point: Point, kinds: &'static [Kind]) -> Self {
        Self { name, does: point.place(), kinds, needs: Evidence::Crashed }
    }

    pub(super) const fn sync(name: &'static str, does: &'static str, kinds: &'static [Kind]) -> Self {
        Self::of(name, does, kinds).needing(Evidence::Injected)
    }

    pub(super) const fn needing(self, needs: Evidence) -> Self {
        Self { needs, ..self }
    }

    /// Whether there is anything in it that can be done to that.
    pub fn fits(&self, subject: Subject) -> bool {
        self.kinds.iter().any(|kind| kind.fits(subject))
    }

    /// Whether it needs a binary in which processes can be made to die somewhere, and their clocks can be moved.
    pub fn needs_failpoints(&self) -> bool {
        self.kinds.iter().any(|kind| kind.needs_failpoints())
    }

    /// Whether it needs strace, and that it may trace other processes.
    pub fn needs_strace(&self) -> bool {
        self.kinds.iter().any(|kind| kind.needs_strace())
    }

    /// Whether it needs servers that are plain processes here, and no containers.
    pub fn needs_plain_servers(&self) -> bool {
        let needs =
            |kind: &Kind| matches!(kind, Kind::SlowServerSync(_) | Kind::FailingServerSync(_) | Kind::OldSnapshot);
        self.kinds.iter().any(needs)
    }

    /// Whether so little fits between clients and gateways that clients are soon too slow.
    pub(super) fn is_narrow(&self) -> bool {
        self.needs == Evidence::TooSlow
    }

    /// What it does to that.
    pub(super) fn kinds(&self, subject: Subject) -> Vec<Kind> {
        self.kinds.iter().copied().filter(|kind| kind.fits(subject)).collect()
    }
}
