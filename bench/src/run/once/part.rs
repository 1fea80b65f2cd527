//! Which parts there are, of which target, and how long they take.

use std::fmt;

use super::{Workloads, plan::CLOSED};
use crate::{run::RunPlan, target::TargetName};

/// Something that is measured once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::run) enum Part {
    Login,
    Idle,
    LoadedFloors,
    Group,
    LargeGroup,
    Burst,
    Reconnect,
}

impl Part {
    /// Those of a target; what stands together is measured on one start of it, in this order. Idle connections have one of their
    /// own, so that what others took is not counted. A quick run has no time for the large groups, and of standalone only what
    /// is asked of it is measured. A system that was not started here is not ours to look at.
    pub(in crate::run) const fn sittings(target: &TargetName, quick: bool) -> &'static [&'static [Self]] {
        match target {
            TargetName::Url(_) => &[],
            TargetName::Standalone => &[&[Self::Login, Self::Idle]],
            TargetName::Processes if quick => {
                &[&[Self::Login, Self::Idle], &[Self::LoadedFloors, Self::Group, Self::Reconnect]]
            }
            TargetName::Processes => &[
                &[Self::Login, Self::Idle],
                &[Self::LoadedFloors, Self::Group, Self::LargeGroup, Self::Burst, Self::Reconnect],
            ],
        }
    }

    /// Whether it was measured.
    pub(in crate::run) const fn is_in(self, found: &Workloads) -> bool {
        match self {
            Self::Login => found.login.is_some(),
            Self::Idle => found.idle.is_some(),
            Self::LoadedFloors => found.loaded.is_some(),
            Self::Group => found.group.is_some(),
            Self::LargeGroup => found.large_group.is_some(),
            Self::Burst => found.burst.is_some(),
            Self::Reconnect => found.reconnect.is_some(),
        }
    }

    /// About how many seconds it takes, with what is made ready for it and judged after it.
    pub(in crate::run) const fn seconds(self, plan: &RunPlan) -> u64 {
        /// Guests that are made and connected in a second.
        const GUESTS: u64 = 500;
        let connections = match self {
            Self::Login => plan.logins(),
            Self::Idle => plan.idle_connections,
            Self::LoadedFloors => 0,
            Self::Group => plan.group().members,
            Self::LargeGroup | Self::Burst => plan.large_group().members,
            // Each two of them begin a conversation, each of them syncs, and all come back.
            Self::Reconnect => plan.reconnect().connections * 2,
        };
        let length = match self {
            Self::Login => 3,
            // Six readings here and six of the floor, and the time after all are closed.
            Self::Idle => 20 + CLOSED.as_secs(),
            Self::LoadedFloors => 4 * plan.loaded_length().whole_seconds(),
            Self::Group => plan.group().length.whole_seconds() + 5,
            Self::LargeGroup => plan.large_group().length.whole_seconds() + 20,
            Self::Burst => plan.burst().length.whole_seconds() + 30,
            Self::Reconnect => plan.reconnect().length.whole_seconds() + 10,
        };
        length + connections as u64 / GUESTS
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Login => "logins",
            Self::Idle => "idle connections",
            Self::LoadedFloors => "floors under load",
            Self::Group => "a group",
            Self::LargeGroup => "a large group",
            Self::Burst => "a large group, many messages at once",
            Self::Reconnect => "all connections cut",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::sample::workloads;

    #[test]
    fn each_part_is_known_by_what_it_left() {
        let found = workloads();
        let sittings = Part::sittings(&TargetName::Processes, false);
        let left: Vec<Part> = sittings.iter().copied().flatten().copied().filter(|part| !part.is_in(&found)).collect();
        assert_eq!(left, [Part::LargeGroup, Part::Burst], "the sample is that of a quick run");
        assert!(sittings.iter().copied().flatten().all(|part| !part.is_in(&Workloads::default())));
    }

    #[test]
    fn a_quick_run_leaves_out_what_takes_long_and_nothing_else() {
        let quick = Part::sittings(&TargetName::Processes, true).concat();
        let full = Part::sittings(&TargetName::Processes, false).concat();
        let only_full: Vec<Part> = full.into_iter().filter(|part| !quick.contains(part)).collect();
        assert_eq!(only_full, [Part::LargeGroup, Part::Burst]);
        assert!(Part::sittings(&"http://127.0.0.1:1".parse().unwrap(), false).is_empty());
    }
}
