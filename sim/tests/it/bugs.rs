//! Every planted bug is found within a bounded number of seeds, and because of the bug: the seed that finds it passes without it.
//! It finds it again at the same step.

use im_sim::{Bug, Options, run};

/// Seeds that are tried for each bug.
const SEEDS_MAX: u64 = 160;

#[test]
fn every_planted_bug_is_found_because_of_it_and_found_again_at_the_same_step() {
    let mut missed = Vec::new();
    for bug in Bug::ALL.iter().copied() {
        let options = |seed| Options { seed, steps: 12_000, bug: Some(bug) };
        let Some(found) = (1..=SEEDS_MAX).map(|seed| run(&options(seed))).find(|report| report.failure.is_some())
        else {
            missed.push(bug.name());
            continue;
        };
        let again = run(&options(found.seed));
        assert_eq!((again.failure, again.hash), (found.failure, found.hash), "{bug}");
        let without = run(&Options { bug: None, ..options(found.seed) });
        assert!(without.failure.is_none(), "{bug} has nothing to do with what fails without it, too: {without}");
    }
    assert!(missed.is_empty(), "not found: {missed:?}");
}
