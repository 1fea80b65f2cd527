//! The server and what it stands on are hurt again and again, and the ledger judges what came of it: some runs of the nemesis,
//! which `gochat-bench nemesis` does in any number.
//!
//! Every run of the tests does [`ALWAYS`], and for [`CHOSEN`] as many scenarios more, which a seed chooses: `GOCHAT_CHAOS_SEED`,
//! or the same ones each time. Those that begin with `full_` do the rest.

use std::{path::Path, time::Duration};

use im_bench::nemesis::{Means, Order, Scenario, Subject, Verdict, run};
use tokio_util::sync::CancellationToken;

use super::process::binary;

/// Load of all runs together that are done without `full_`, at most. Where the routes of a gateway have to run out it is waited for that
/// after the load, up to a minute and a half.
const LOAD_MAX_S: u64 = 600;
const SEED: &str = "GOCHAT_CHAOS_SEED";
const SEED_DEFAULT: u64 = 11;

/// What is done, and with how much load.
#[derive(Clone, Copy)]
struct Run {
    name: &'static str,
    subject: Subject,
    seed: u64,
    load_s: u64,
    users: usize,
    rate: u32,
}

impl Run {
    const fn of(name: &'static str, subject: Subject, seed: u64) -> Self {
        Self { name, subject, seed, load_s: 25, users: 12, rate: 60 }
    }

    const fn loaded(self, load_s: u64, users: usize, rate: u32) -> Self {
        Self { load_s, users, rate, ..self }
    }
}

const STANDALONE_KILLED: Run = Run::of("kill-standalone", Subject::Standalone, 7);
const STANDALONE_DISK: Run = Run::of("failing-sync-standalone", Subject::Standalone, 5);
const PROCESSES_KILLED: Run = Run::of("kill-each", Subject::Processes, 11).loaded(30, 12, 60);
const EACH_TWICE: Run = Run::of("each-twice", Subject::Processes, 13).loaded(95, 50, 150);
const COMMIT_UNANSWERED: Run = Run::of("commit-unanswered", Subject::Processes, 17);
const ALWAYS: [Run; 5] = [STANDALONE_KILLED, STANDALONE_DISK, PROCESSES_KILLED, EACH_TWICE, COMMIT_UNANSWERED];
/// How many more of each subject's.
const CHOSEN: [(Subject, usize); 2] = [(Subject::Standalone, 2), (Subject::Processes, 4)];

/// As in a campaign, a run in which too little was hit is done anew with another seed, so often.
const VOID_MAX: u64 = 3;

/// Users talk for so long while the scenario hurts them. Runs that show nothing fail in the end, too; what the last one leaves is
/// kept.
#[allow(clippy::print_stdout)] // shown by a test that fails
async fn survives(run_of: Run) {
    for again in 0..VOID_MAX {
        let folder = tempfile::tempdir().unwrap();
        let seed = run_of.seed + again * 1_000;
        let outcome = Box::pin(run(&order(run_of, seed, folder.path()), &means(), &CancellationToken::new())).await;
        match outcome {
            Ok(outcome) if outcome.verdict() == Verdict::Clean => return,
            Ok(outcome) if outcome.verdict() == Verdict::Void && again + 1 < VOID_MAX => println!("{outcome}"),
            failed => {
                let told = failed.map_or_else(|error| format!("{error:#}"), |outcome| outcome.to_string());
                panic!("{}, seed {seed}: {told}\nkept: {}", run_of.name, folder.keep().display());
            }
        }
    }
}

fn order(Run { name, subject, load_s, users, rate, .. }: Run, seed: u64, folder: &Path) -> Order {
    Order {
        scenario: Scenario::named(name).unwrap(),
        subject,
        seed,
        load: Duration::from_secs(load_s),
        users,
        rate,
        history: folder.join("history.gz"),
    }
}

fn means() -> Means {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    Means {
        gochat: binary().into(),
        infra: root.join("scripts/infra"),
        // Databases of a user of their own have to reach it.
        folder: std::env::temp_dir(),
        settings: Vec::new(),
    }
}

#[allow(clippy::disallowed_methods)] // tests have no configuration
fn in_containers() -> bool {
    std::env::var("GOCHAT_INFRA").is_ok_and(|infra| infra == "containers")
}

/// The scenarios that a binary without failpoints can be hurt by, and that are not done in any case.
fn others(subject: Subject) -> Vec<&'static str> {
    let is_other = |scenario: &&Scenario| {
        let always = ALWAYS.iter().any(|run| run.name == scenario.name);
        let cannot = scenario.needs_failpoints() || (scenario.needs_plain_servers() && in_containers());
        scenario.fits(subject) && !cannot && !always
    };
    Scenario::all().iter().filter(is_other).map(|scenario| scenario.name).collect()
}

/// Some of them, the same ones for the same seed.
fn chosen(subject: Subject, seed: u64) -> Vec<Run> {
    let mut names = others(subject);
    fastrand::Rng::with_seed(seed).shuffle(&mut names);
    let count = CHOSEN.iter().find(|(of, _)| *of == subject).map_or(0, |(_, count)| *count);
    names.into_iter().take(count).map(|name| Run::of(name, subject, seed)).collect()
}

#[allow(clippy::disallowed_methods)] // tests have no configuration
fn seed() -> u64 {
    std::env::var(SEED).map_or(SEED_DEFAULT, |seed| seed.parse().expect("GOCHAT_CHAOS_SEED is a number"))
}

async fn all_survive(runs: Vec<Run>) {
    for run in runs {
        Box::pin(survives(run)).await;
    }
}

fn names(runs: &[Run]) -> String {
    runs.iter().map(|run| run.name).collect::<Vec<_>>().join(", ")
}

#[test]
fn what_is_done_each_time_takes_ten_minutes_at_most_and_follows_from_the_seed() {
    for seed in 0..50 {
        let choose = || CHOSEN.iter().flat_map(|(subject, _)| chosen(*subject, seed)).collect::<Vec<Run>>();
        let (runs, again) = (choose(), choose());
        assert_eq!(runs.len(), CHOSEN.iter().map(|(_, count)| count).sum::<usize>());
        assert!(runs.iter().map(|run| run.name).eq(again.iter().map(|run| run.name)));
        assert!(ALWAYS.iter().chain(&runs).map(|run| run.load_s).sum::<u64>() <= LOAD_MAX_S);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn p1_p2_p3_standalone_under_kill_9_loses_doubles_and_reorders_nothing() {
    Box::pin(survives(STANDALONE_KILLED)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p1_p2_p3_standalone_whose_disk_fails_for_a_while_loses_doubles_and_reorders_nothing() {
    Box::pin(survives(STANDALONE_DISK)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p1_p2_p3_processes_under_kill_9_lose_double_and_reorder_nothing() {
    Box::pin(survives(PROCESSES_KILLED)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p1_p2_p3_p7_processes_and_their_infrastructure_under_faults_lose_double_and_reorder_nothing() {
    Box::pin(survives(EACH_TWICE)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p1_p4_a_commit_whose_answer_is_lost_is_done_once() {
    Box::pin(survives(COMMIT_UNANSWERED)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p1_p2_p3_standalone_survives_faults_that_a_seed_chooses() {
    let runs = chosen(Subject::Standalone, seed());
    println!("{SEED}={}: {}", seed(), names(&runs));
    all_survive(runs).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p1_p2_p3_p7_processes_survive_faults_that_a_seed_chooses() {
    let runs = chosen(Subject::Processes, seed());
    println!("{SEED}={}: {}", seed(), names(&runs));
    all_survive(runs).await;
}

/// As long as it takes to do most of it.
#[tokio::test(flavor = "multi_thread")]
async fn full_p1_p2_p3_p7_processes_survive_whatever_can_be_done_to_them() {
    Box::pin(survives(Run::of("everything", Subject::Processes, 13).loaded(240, 12, 60))).await;
}

/// Half an hour of load.
#[tokio::test(flavor = "multi_thread")]
async fn full_p1_p2_p3_p7_every_scenario_is_survived() {
    for subject in [Subject::Standalone, Subject::Processes] {
        let runs: Vec<Run> = others(subject).into_iter().map(|name| Run::of(name, subject, seed())).collect();
        println!("{SEED}={}: {}", seed(), names(&runs));
        all_survive(runs).await;
    }
}
