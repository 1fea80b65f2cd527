//! The server and what it stands on are hurt again and again, and the ledger judges what came of it: some runs of the nemesis,
//! which `gochat-bench nemesis` does in any number.

use std::{path::Path, time::Duration};

use im_bench::nemesis::{Means, Order, Scenario, Subject, Verdict, run};
use tokio_util::sync::CancellationToken;

use super::process::binary;

/// Users talk for so long while the scenario hurts them. A run that shows nothing fails, too; what it leaves is kept.
async fn survives(name: &str, subject: Subject, seed: u64, (load_s, users, rate): (u64, usize, u32)) {
    let folder = tempfile::tempdir().unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let means = Means {
        gochat: binary().into(),
        infra: root.join("scripts/infra"),
        // Databases of a user of their own have to reach it.
        folder: std::env::temp_dir(),
        settings: Vec::new(),
    };
    let order = Order {
        scenario: Scenario::named(name).unwrap(),
        subject,
        seed,
        load: Duration::from_secs(load_s),
        users,
        rate,
        history: folder.path().join("history.gz"),
    };
    let outcome = Box::pin(run(&order, &means, &CancellationToken::new())).await;
    if !matches!(&outcome, Ok(outcome) if outcome.verdict() == Verdict::Clean) {
        let kept = folder.keep();
        panic!(
            "{}\nkept: {}",
            outcome.map_or_else(|error| format!("{error:#}"), |outcome| outcome.to_string()),
            kept.display()
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn p1_p2_p3_standalone_under_kill_9_loses_doubles_and_reorders_nothing() {
    survives("kill-standalone", Subject::Standalone, 7, (25, 12, 60)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p1_p2_p3_processes_under_kill_9_lose_double_and_reorder_nothing() {
    survives("kill-each", Subject::Processes, 11, (30, 12, 60)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p1_p2_p3_p7_processes_and_their_infrastructure_under_faults_lose_double_and_reorder_nothing() {
    survives("each-twice", Subject::Processes, 13, (95, 50, 150)).await;
}

/// Not in every run: its faults still find what is to be mended.
#[tokio::test(flavor = "multi_thread")]
async fn full_p1_p2_p3_p7_processes_survive_whatever_can_be_done_to_them() {
    survives("everything", Subject::Processes, 13, (60, 12, 60)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p1_p4_a_commit_whose_answer_is_lost_is_done_once() {
    survives("commit-unanswered", Subject::Processes, 17, (25, 12, 60)).await;
}
