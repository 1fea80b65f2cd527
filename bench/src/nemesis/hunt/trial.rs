//! Which run finds which bug.

use std::time::Duration;

use im_infra::planted::Bug;

use super::super::{fault::Subject, scenario::Scenario};

/// Runs that should find a bug: one scenario from several seeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trial {
    /// What is planted.
    pub bug: Bug,
    /// To what it is done.
    pub subject: Subject,
    scenario: &'static str,
    /// Runs, from the seed 1 on, before the bug counts as missed by them.
    pub seeds: u64,
    /// Messages a second, of all users together. Members of groups change ten times a second whatever this is, so with few
    /// messages a fault meets a change more often.
    pub rate: u32,
}

impl Trial {
    const fn of(bug: Bug, subject: Subject, scenario: &'static str) -> Self {
        Self { bug, subject, scenario, seeds: 3, rate: 100 }
    }

    const fn seeds(self, seeds: u64) -> Self {
        Self { seeds, ..self }
    }

    const fn rate(self, rate: u32) -> Self {
        Self { rate, ..self }
    }

    /// Those of a bug, the likeliest first.
    pub fn all_of(bug: Bug) -> impl Iterator<Item = &'static Self> {
        TRIALS.iter().filter(move |trial| trial.bug == bug)
    }

    /// What is done meanwhile.
    pub fn scenario(&self) -> Option<&'static Scenario> {
        Scenario::named(self.scenario)
    }

    /// How long users talk. Processes take longer to come back.
    pub const fn load(&self) -> Duration {
        Duration::from_secs(match self.subject {
            Subject::Standalone => 30,
            Subject::Processes => 45,
        })
    }
}

const TRIALS: &[Trial] = &[
    // Clients send again what has no outcome, so only what nobody sends again is lost: work of im-task.
    Trial::of(Bug::CommitBeforeEffect, Subject::Processes, "crash-task-before-produce"),
    Trial::of(Bug::CommitBeforeEffect, Subject::Processes, "kill-task"),
    Trial::of(Bug::PanicSwallowed, Subject::Standalone, "kill-standalone"),
    Trial::of(Bug::ReplayAfterLastSent, Subject::Processes, "mariadb-kill"),
    Trial::of(Bug::NoDedup, Subject::Standalone, "kill-standalone"),
    // Only who stays connected while im-logic dies is owed the push.
    Trial::of(Bug::DedupWithoutPush, Subject::Processes, "crash-logic-after-append"),
    Trial::of(Bug::DedupWithoutPush, Subject::Processes, "kill-logic"),
    // A change that was made cannot be made again, so the rules refuse its repetition.
    Trial::of(Bug::StoredOutcomeIgnored, Subject::Standalone, "crash-logic-after-append").rate(20).seeds(5),
    Trial::of(Bug::StoredOutcomeIgnored, Subject::Standalone, "kill-standalone").rate(20).seeds(5),
    // Who gets a partition back remembers its conversations as they were.
    Trial::of(Bug::StateVersionIgnored, Subject::Processes, "terminate-logic"),
    Trial::of(Bug::StateVersionIgnored, Subject::Processes, "pause-logic"),
    Trial::of(Bug::SeqFromClock, Subject::Standalone, "kill-standalone"),
    // im-logic does not learn where the log stands now.
    Trial::of(Bug::SeqFromCache, Subject::Processes, "crash-repo-after-commit"),
    Trial::of(Bug::SeqFromCache, Subject::Processes, "commit-unanswered"),
    Trial::of(Bug::AckBeforeCommit, Subject::Standalone, "kill-standalone"),
    Trial::of(Bug::PushBeforeCommit, Subject::Standalone, "kill-standalone"),
    // What waited for the server comes in one burst.
    Trial::of(Bug::PartitionKeyWrong, Subject::Standalone, "kill-standalone").rate(400),
    Trial::of(Bug::UnreadByCounting, Subject::Standalone, "kill-standalone"),
    // Who was there when a gateway is killed and comes no more, until its route has run out.
    Trial::of(Bug::RouteForEver, Subject::Processes, "kill-gateway"),
    Trial::of(Bug::RouteNotRemoved, Subject::Standalone, "kill-standalone"),
    Trial::of(Bug::QueueUnbounded, Subject::Standalone, "deaf-clients"),
    Trial::of(Bug::DropWithoutResync, Subject::Standalone, "deaf-clients"),
    Trial::of(Bug::DropWithoutResync, Subject::Processes, "deaf-clients"),
    Trial::of(Bug::MembersNotAsked, Subject::Standalone, "kill-standalone"),
    Trial::of(Bug::DeliverToRemoved, Subject::Standalone, "kill-standalone"),
    Trial::of(Bug::PageNotCut, Subject::Standalone, "kill-standalone"),
    // Who comes to a gateway that knows the conversation already.
    Trial::of(Bug::IndexNotLoaded, Subject::Processes, "kill-gateway"),
    Trial::of(Bug::RegistryIgnored, Subject::Processes, "kill-task"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bug_has_a_trial_and_every_trial_can_be_done() {
        for bug in Bug::ALL {
            assert!(Trial::all_of(*bug).count() > 0, "{bug}");
        }
        for trial in TRIALS {
            let scenario = trial.scenario().unwrap_or_else(|| panic!("there is no {}", trial.scenario));
            assert!(scenario.fits(trial.subject) && trial.seeds > 0, "{trial:?}");
        }
    }
}
