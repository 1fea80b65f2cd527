//! Load on the real standalone, which lies beside this package's binary once the workspace is built.

use serde_json::Value;

use super::bench::{command, run};

/// Runs a load and answers what it wrote.
pub(crate) async fn result_of(arguments: &[&str]) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("result.json");
    let said = run(command(arguments).arg("--folder").arg(folder.path()).arg("--out").arg(&out)).await;
    assert_eq!(said.code, Some(0), "{}\n{}", said.out, said.errors);
    serde_json::from_str(&std::fs::read_to_string(out).unwrap()).unwrap()
}

#[tokio::test]
async fn a_paced_load_is_acknowledged_delivered_and_judged() {
    let arguments =
        ["direct", "--pairs", "2", "--rate", "20", "--seconds", "3", "--warm-up-seconds", "3", "--seed", "7"];
    let result = result_of(&arguments).await;
    let load = &result["load"];
    assert_eq!((&load["sent"], &load["unfinished"]), (&120.into(), &0.into()), "{load}");
    // Those that were due in the window.
    for kind in ["ack", "delivery"] {
        assert_eq!(load[kind]["count"], 60, "{load}");
    }
    let ledger = &load["ledger"];
    assert_eq!((&ledger["acknowledged"], &ledger["entries"]), (&120.into(), &120.into()), "{ledger}");
    assert_eq!(ledger["violations"], 0, "{ledger}");
    assert_eq!(result["cpu"][0]["process"], "standalone", "{result}");
}

#[tokio::test]
async fn a_closed_loop_keeps_its_messages_in_flight() {
    let arguments = ["direct", "--pairs", "3", "--in-flight", "4", "--seconds", "2", "--warm-up-seconds", "1"];
    let result = result_of(&arguments).await;
    let load = &result["load"];
    assert!(load["acknowledged"].as_u64().unwrap() > 12, "{load}");
    assert_eq!(load["ledger"]["violations"], 0, "{load}");
    assert_eq!(load["ledger"]["unknown"], 0, "{load}");
}

#[tokio::test]
async fn idle_connections_cost_memory_and_stay_open() {
    let result = result_of(&["idle", "--connections", "200", "--closed-seconds", "1"]).await;
    assert_eq!(result["connections"], 200, "{result}");
    assert_eq!(result["readings"].as_array().map(Vec::len), Some(6), "{result}");
    assert!(result["readings"][5][1].as_u64() > Some(0), "{result}");
    assert!(result["kept_bytes"].as_u64() > Some(0), "{result}");
}
