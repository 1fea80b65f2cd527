//! The floors, with few operations.

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader},
    process::Command,
};

use super::bench::{command, run};

/// Each of these floors has as many operations as its window has slots, and all of them took time.
async fn measure(floors: &str) {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("floors.json");
    let mut bench = command(&["floors", "--only", floors, "--rate", "40", "--seconds", "1", "--warm-up-seconds", "0"]);
    let said = run(bench.arg("--folder").arg(folder.path()).arg("--out").arg(&out)).await;
    assert_eq!(said.code, Some(0), "{}", said.errors);
    let measured: Vec<(String, Value)> = serde_json::from_str(&std::fs::read_to_string(out).unwrap()).unwrap();
    let names: Vec<String> = measured.iter().map(|(name, _)| name.replace('_', "-")).collect();
    assert_eq!(names.join(","), floors);
    for (name, summary) in &measured {
        assert_eq!(summary["count"], 40, "{name}: {summary}");
        assert!(summary["p50_us"].as_u64().unwrap() > 0, "{name}: {summary}");
    }
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["floors.json"], "data of the run is removed");
}

#[tokio::test]
async fn those_that_need_nothing_run_anywhere() {
    measure("echo,call,sqlite-insert,sqlite-batch,log-hop,log-two-hops").await;
}

#[tokio::test]
async fn those_of_processes_run_on_kafka_and_mariadb() {
    measure("kafka-hop,kafka-two-hops,mariadb-insert,mariadb-batch").await;
}

#[tokio::test]
async fn ctrl_c_ends_the_measurement_and_reports() {
    let mut child =
        command(&["floors", "--only", "echo", "--seconds", "600", "--warm-up-seconds", "0"]).spawn().unwrap();
    let mut notes = BufReader::new(child.stderr.take().unwrap()).lines();
    assert_eq!(notes.next_line().await.unwrap().as_deref(), Some("WebSocket echo"));
    let pid = child.id().unwrap().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().await.unwrap().success());
    let mut out = String::new();
    child.stdout.take().unwrap().read_to_string(&mut out).await.unwrap();
    assert_eq!(child.wait().await.unwrap().code(), Some(0));
    assert!(out.contains("p50 ms") && out.contains("WebSocket echo"), "{out}");
}
