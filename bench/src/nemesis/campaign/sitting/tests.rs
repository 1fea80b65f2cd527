use std::{path::Path, time::Duration};

use super::*;
use crate::nemesis::{fault::Subject, outcome::Outcome};

fn campaign(folder: &Path) -> Campaign {
    let (folder, history) = (folder.to_owned(), PathBuf::new());
    let scenario = &Scenario::all()[0];
    let (subject, load) = (Subject::Processes, Duration::from_secs(30));
    let order = Order { scenario, subject, seed: 100, load, users: 6, rate: 10, history };
    let out = folder.join("campaign.md");
    Campaign { folder, out, wanted: 3, tries_max: 10, at_once: 1, failpoints: false, order }
}

fn outcome(order: &Order, violations: usize, void: Option<&str>) -> Outcome {
    Outcome {
        scenario: order.scenario.name.to_owned(),
        subject: order.subject,
        seed: order.seed,
        load_ms: 30_000,
        faults: 4,
        hits: 4,
        lost_commits: 0,
        fenced: 0,
        restarts: 0,
        crashes: 0,
        injected: 0,
        too_slow: 0,
        sent: 10,
        acknowledged: 9,
        unknown: 1,
        entries: 9,
        pushes_due: 8,
        violations,
        told: Vec::new(),
        void: void.map(str::to_owned),
    }
}

fn clean(campaign: &Campaign, number: usize) -> Tried {
    let order = campaign.order_of(number);
    Tried { number, name: name_of(number, &order), done: Try::Done(outcome(&order, 0, None)) }
}

fn failed(campaign: &Campaign, number: usize) -> Tried {
    let order = campaign.order_of(number);
    let (scenario, seed) = (order.scenario.name.to_owned(), order.seed);
    let done = Try::Failed { scenario, seed, why: "no broker".to_owned() };
    Tried { number, name: name_of(number, &order), done }
}

fn keep(campaign: &Campaign, tried: &Tried) {
    save(&campaign.folder.join(file_of(&tried.name)), &tried.done).unwrap();
}

#[test]
fn what_was_done_in_sittings_before_is_counted_and_the_next_run_is_another_one() {
    let folder = tempfile::tempdir().unwrap();
    let campaign = campaign(folder.path());
    let orders: Vec<Order> = (0..4).map(|number| campaign.order_of(number)).collect();
    let done = |number: usize, violations, void| Tried {
        done: Try::Done(outcome(&orders[number], violations, void)),
        ..clean(&campaign, number)
    };
    let tries = [done(0, 0, None), done(1, 2, None), done(2, 0, Some("no load")), failed(&campaign, 3)];
    tries.iter().for_each(|tried| keep(&campaign, tried));
    assert_eq!(read_tries(folder.path(), Subject::Processes).unwrap(), tries);
    assert!(read_tries(folder.path(), Subject::Standalone).unwrap().is_empty());
    let mut sitting = Sitting::begin(&campaign).unwrap();
    let summary = &sitting.summary;
    assert_eq!((summary.counted, summary.clean, summary.faults), (2, 1, 8));
    assert_eq!([summary.violated.len(), summary.void.len(), summary.failed.len()], [1, 1, 1]);
    let next = campaign.order_of(sitting.take_number());
    assert_eq!(next.seed, 104);
    assert!(orders.iter().all(|order| order.scenario != next.scenario && order.history != next.history));
}

#[test]
fn a_number_is_given_once_and_a_gap_that_an_interrupted_run_left_is_filled() {
    let folder = tempfile::tempdir().unwrap();
    let campaign = Campaign { wanted: 100, tries_max: 100, at_once: 8, ..campaign(folder.path()) };
    // Of those under way together 1 was interrupted, and 3 was over before 2.
    for number in [0, 3, 2] {
        keep(&campaign, &clean(&campaign, number));
    }
    let mut sitting = Sitting::begin(&campaign).unwrap();
    assert_eq!([(); 3].map(|()| sitting.take_number()), [1, 4, 5]);
    // Those that are over free no number.
    for number in [5, 1] {
        sitting.add(&clean(&campaign, number)).unwrap();
    }
    assert_eq!([(); 2].map(|()| sitting.take_number()), [6, 7]);
    let names: BTreeSet<String> = sitting.numbers.iter().map(|number| clean(&campaign, *number).name).collect();
    assert_eq!(names.len(), 8);
}

#[test]
fn no_more_runs_begin_than_may_go_on_at_once_are_wanted_or_are_left() {
    let folder = tempfile::tempdir().unwrap();
    let campaign = Campaign { at_once: 2, tries_max: 5, ..campaign(folder.path()) };
    let mut sitting = Sitting::begin(&campaign).unwrap();
    assert!(sitting.wants_another(1) && !sitting.wants_another(2), "two at once");
    for number in 0..2 {
        sitting.add(&clean(&campaign, number)).unwrap();
    }
    assert!(sitting.wants_another(0) && !sitting.wants_another(1), "the third is under way");
    for _ in 0..5 {
        sitting.take_number();
    }
    assert!(!sitting.wants_another(0), "the sitting is over");
}

#[test]
fn three_failures_in_a_row_end_a_sitting_whatever_those_under_way_come_to() {
    let folder = tempfile::tempdir().unwrap();
    let campaign = Campaign { at_once: 2, ..campaign(folder.path()) };
    let mut sitting = Sitting::begin(&campaign).unwrap();
    for tried in [failed(&campaign, 0), failed(&campaign, 1), clean(&campaign, 2), failed(&campaign, 3)] {
        sitting.add(&tried).unwrap();
    }
    assert!(sitting.wants_another(1), "not in a row");
    for tried in [failed(&campaign, 4), failed(&campaign, 5), clean(&campaign, 6)] {
        sitting.add(&tried).unwrap();
    }
    assert!(!sitting.wants_another(0));
    assert!(sitting.end().is_err());
}

#[tokio::test]
async fn runs_that_go_on_at_once_leave_a_file_each() {
    let folder = tempfile::tempdir().unwrap();
    // Without strace, which may be missing: its runs would not fail.
    let mut campaign = Campaign { at_once: 2, failpoints: true, ..campaign(folder.path()) };
    campaign.order.subject = Subject::Standalone;
    // There is nothing that could be started.
    let (nothing, data) = (folder.path().join("nothing"), folder.path().to_owned());
    let means = Means { gochat: nothing.clone(), infra: nothing, folder: data, settings: Vec::new() };
    let mut told = 0;
    let done = Box::pin(campaign.go_on(&means, &CancellationToken::new(), |_| told += 1)).await;
    assert!(done.is_err_and(|error| error.to_string().contains("in a row")));
    let tries = read_tries(folder.path(), Subject::Standalone).unwrap();
    assert!((FAILED_IN_ROW_MAX..=FAILED_IN_ROW_MAX + 1).contains(&tries.len()), "{tries:?}");
    assert!(told == tries.len() && tries.iter().map(|tried| tried.number).eq(0..tries.len()), "{tries:?}");
}

#[test]
fn a_sitting_that_is_cut_leaves_a_document_and_raw_results_of_both_subjects() {
    let folder = tempfile::tempdir().unwrap();
    let processes = campaign(folder.path());
    let mut standalone = Campaign { wanted: 1, ..campaign(folder.path()) };
    standalone.order.subject = Subject::Standalone;
    for (campaign, tries) in
        [(&processes, vec![clean(&processes, 0), failed(&processes, 1)]), (&standalone, vec![clean(&standalone, 0)])]
    {
        let mut sitting = Sitting::begin(campaign).unwrap();
        for tried in tries {
            keep(campaign, &tried);
            sitting.add(&tried).unwrap();
        }
    }
    let text = fs::read_to_string(folder.path().join("campaign.md")).unwrap();
    for told in
        ["\n## processes\n\n1 of 3 runs: 1 clean, 0 violated.", "\n## standalone\n\n1 of 1 runs: 1 clean, 0 violated."]
    {
        assert!(text.contains(told), "{text}");
    }
    let raw = fs::read_to_string(folder.path().join("campaign/processes.jsonl")).unwrap();
    let lines: Vec<serde_json::Value> = raw.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let [done, failed] = &lines[..] else { panic!("{raw}") };
    assert_eq!(done["name"], "processes-0000-kill-gateway-100");
    assert_eq!(done["done"]["acknowledged"], 9);
    assert_eq!(failed["failed"]["why"], "no broker");
}

#[test]
fn the_scenarios_of_a_subject_take_turns() {
    let campaign = campaign(Path::new("folder"));
    let can = |scenario: &&Scenario| scenario.fits(Subject::Processes) && !scenario.needs_failpoints();
    let fitting = Scenario::all().iter().filter(can).count();
    let names: Vec<_> = (0..fitting * 2).map(|number| campaign.order_of(number).scenario.name).collect();
    assert_eq!(names[..fitting], names[fitting..]);
    assert!(names.contains(&"everything") && !names.contains(&"kill-standalone"));
}
