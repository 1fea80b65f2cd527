//! A bounded selection of seeds; more of them by `cargo run --release -p im-sim -- --seeds N`.

use im_sim::{Options, replay, run};

#[test]
fn everything_holds_whatever_goes_wrong() {
    for seed in 1..=12 {
        let report = run(&Options { seed, steps: 12_000, ..Options::default() });
        assert!(report.failure.is_none(), "{report}");
        assert!(report.entries > 50 && report.answers > 50 && report.faults > 5, "hardly anything happened: {report}");
    }
}

#[test]
fn a_seed_is_a_run_and_another_seed_another() {
    let options = Options { seed: 3, steps: 6_000, ..Options::default() };
    let (first, second) = (run(&options), run(&options));
    assert_eq!((first.hash, first.steps, first.virtual_us), (second.hash, second.steps, second.virtual_us));
    assert_eq!(replay(&options, 20).0.hash, first.hash, "told in words it is the same run");
    assert_ne!(run(&Options { seed: 4, ..options }).hash, first.hash);
}
