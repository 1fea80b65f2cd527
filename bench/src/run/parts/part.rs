//! Which parts there are, of which target, and how long they take.

use std::fmt;

use super::{Workloads, plan::CLOSED};
use crate::{load::GroupPlan, run::RunPlan, target::TargetName};

/// Guests that are made and connected in a second, and deliveries that are judged in one, about.
const GUESTS: u32 = 1_000;
const JUDGED: f64 = 25_000.0;

/// Something that is measured after the rounds.
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
    /// own, so that what others took is not counted. Of standalone only what is asked of it is measured. A system that was not
    /// started here is not ours to look at.
    pub(in crate::run) const fn sittings(target: &TargetName) -> &'static [&'static [Self]] {
        match target {
            TargetName::Url(_) => &[],
            TargetName::Standalone => &[&[Self::Login, Self::Idle]],
            TargetName::Processes => &[
                &[Self::Login, Self::Idle],
                &[Self::LoadedFloors, Self::Group, Self::LargeGroup, Self::Burst, Self::Reconnect],
            ],
        }
    }

    /// How often it was measured.
    pub(in crate::run) const fn times_in(self, found: &Workloads) -> usize {
        match self {
            Self::Login => found.login.len(),
            Self::Idle => found.idle.len(),
            Self::LoadedFloors => found.loaded.len(),
            Self::Group => found.group.len(),
            Self::LargeGroup => found.large_group.len(),
            Self::Burst => found.burst.len(),
            Self::Reconnect => found.reconnect.len(),
        }
    }

    /// What is left of it all, a start of the target each: all of it once, then all of it again, so that no part is measured in the
    /// same minutes each time.
    pub(in crate::run) fn left(target: &TargetName, plan: &RunPlan, found: &Workloads) -> Vec<Vec<Self>> {
        let turn = |turn: usize| {
            let sittings = Self::sittings(target).iter();
            sittings.map(move |parts| parts.iter().copied().filter(|part| part.times_in(found) <= turn).collect())
        };
        (0..plan.times()).flat_map(turn).filter(|parts: &Vec<Self>| !parts.is_empty()).collect()
    }

    /// The connections that it has at the same time.
    pub(in crate::run) fn connections(self, plan: &RunPlan) -> u32 {
        match self {
            Self::Login | Self::LoadedFloors => 0,
            Self::Idle => plan.idle_connections,
            Self::Group => plan.group().members,
            Self::LargeGroup | Self::Burst => plan.large_group().members,
            Self::Reconnect => plan.reconnect().connections + plan.reconnect().pairs * 2,
        }
    }

    /// About how many seconds it takes, with what is made ready for it and judged after it.
    pub(in crate::run) fn seconds(self, plan: &RunPlan) -> u64 {
        let guests = match self {
            Self::Login => plan.logins(),
            // Their groups take about as long as they do.
            Self::Idle => plan.idle_connections * 2,
            // Each two of them begin a conversation, each of them syncs, and all come back.
            Self::Reconnect => plan.reconnect().connections * 2,
            _ => self.connections(plan),
        };
        let length = match self {
            Self::Login => 3,
            // Six readings here and six of the floor, one that waits until memory has settled, and the time after all are closed.
            Self::Idle => 30 + CLOSED.as_secs(),
            Self::LoadedFloors => 4 * plan.loaded_length().whole_seconds(),
            Self::Group => plan.group().silent_seconds + plan.group().length.whole_seconds() + 5,
            Self::LargeGroup => seconds_of_large(plan, &plan.large_group()),
            Self::Burst => seconds_of_large(plan, &plan.burst()),
            Self::Reconnect => plan.reconnect().length.whole_seconds() + 10,
        };
        length + u64::from(guests / GUESTS)
    }
}

/// With the floor beside it, whose connections are soon there, and with the ledger, which has every delivery to judge.
fn seconds_of_large(plan: &RunPlan, group: &GroupPlan) -> u64 {
    let judging = group.deliveries() / JUDGED;
    group.length.whole_seconds() + plan.loaded_length().whole_seconds() + 10 + judging as u64
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
        let sittings = Part::sittings(&TargetName::Processes);
        let left: Vec<Part> =
            sittings.iter().copied().flatten().copied().filter(|part| part.times_in(&found) == 0).collect();
        assert_eq!(left, [Part::LargeGroup, Part::Burst], "the sample has no large group");
        assert!(sittings.iter().copied().flatten().all(|part| part.times_in(&Workloads::default()) == 0));
    }

    #[test]
    fn all_is_measured_once_before_anything_again_and_goes_on_where_it_was_cut() {
        let (quick, full) = (RunPlan::new(true, 1), RunPlan::new(false, 1));
        let of = |plan: &RunPlan, found: &Workloads| Part::left(&TargetName::Processes, plan, found);
        let all: Vec<Vec<Part>> = Part::sittings(&TargetName::Processes).iter().map(|parts| parts.to_vec()).collect();
        assert_eq!(of(&quick, &Workloads::default()), all);
        assert_eq!(of(&full, &Workloads::default()), [all.clone(), all.clone(), all.clone()].concat());
        let large = vec![Part::LargeGroup, Part::Burst];
        assert_eq!(of(&quick, &workloads()), std::slice::from_ref(&large));
        assert_eq!(of(&full, &workloads()), [vec![large], all.clone(), all].concat());
    }

    #[test]
    fn the_most_connections_are_idle_ones_and_a_quick_run_has_fewer() {
        let most = |quick| {
            let plan = RunPlan::new(quick, 1);
            let parts = Part::sittings(&TargetName::Processes).concat();
            parts.into_iter().map(|part| part.connections(&plan)).max()
        };
        assert_eq!((most(true), most(false)), (Some(8_000), Some(15_000)));
        assert!(Part::sittings(&"http://127.0.0.1:1".parse().unwrap()).is_empty());
    }
}
