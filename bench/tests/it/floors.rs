//! The floors, with few operations.

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
    process::Command,
};

use super::bench::{command, run};

const ANYWHERE: &str = "echo,call,sqlite-insert,sqlite-batch,log-hop,log-two-hops";
const OF_PROCESSES: &str = "kafka-hop,kafka-two-hops,mariadb-insert,mariadb-batch";

/// What these floors took in a second, by name.
async fn measure(floors: &str, more: &[&str]) -> Vec<(String, Value)> {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("floors.json");
    let mut bench = command(&["floors", "--only", floors, "--seconds", "1", "--warm-up-seconds", "0"]);
    let said = run(bench.args(more).arg("--folder").arg(folder.path()).arg("--out").arg(&out)).await;
    assert_eq!(said.code, Some(0), "{}", said.errors);
    let measured: Vec<(String, Value)> = serde_json::from_str(&std::fs::read_to_string(out).unwrap()).unwrap();
    let names: Vec<String> = measured.iter().map(|(name, _)| name.replace('_', "-")).collect();
    assert_eq!(names.join(","), floors);
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["floors.json"], "data of the run is removed");
    measured
}

/// Each has as many operations as its window has slots, and all of them took time.
fn are_paced(measured: &[(String, Value)]) {
    for (name, found) in measured {
        assert_eq!(found["count"], 40, "{name}: {found}");
        assert!(found["p50_us"].as_u64().unwrap() > 0, "{name}: {found}");
    }
}

#[tokio::test]
async fn those_that_need_nothing_run_anywhere() {
    let measured = measure(ANYWHERE, &["--rate", "40"]).await;
    are_paced(&measured);
    for (name, found) in &measured {
        let cpu_us = found["cpu_us"].as_f64().unwrap();
        // All of them together cannot use more than every core of the second.
        assert!(cpu_us > 1.0 && cpu_us * 40.0 < 64e6, "{name}: {found}");
    }
}

#[tokio::test]
async fn those_of_processes_run_on_kafka_and_mariadb() {
    let infra = tempfile::tempdir().unwrap();
    let folder = infra.path().to_str().unwrap();
    let nobody = measure(OF_PROCESSES, &["--rate", "40", "--infra", folder]).await;
    are_paced(&nobody);
    for (name, found) in &nobody {
        assert!(found["cpu_us"].is_null(), "half a figure is none, {name}: {found}");
    }
    // Any process that runs will do: whose times are read is what the folder says.
    for server in ["kafka1", "mariadb"] {
        std::fs::write(infra.path().join(format!("{server}.pid")), std::process::id().to_string()).unwrap();
    }
    for (name, found) in measure("kafka-hop,mariadb-insert", &["--rate", "40", "--infra", folder]).await {
        assert!(found["cpu_us"].as_f64().unwrap() > 1.0, "{name}: {found}");
    }
}

#[tokio::test]
async fn in_flight_operations_are_done_as_fast_as_they_go() {
    let floors = format!("{ANYWHERE},{OF_PROCESSES}");
    for (name, found) in measure(&floors, &["--in-flight", "4"]).await {
        // Four lanes at the same time: one of each at least.
        assert!(found["count"].as_u64().unwrap() >= 4, "{name}: {found}");
    }
}

#[tokio::test]
async fn a_write_loop_tells_the_writer_s_cpu_for_each_recipient() {
    let measured = measure("write-loop,coalesced-write-loop", &["--sockets", "100"]).await;
    for (name, found) in &measured {
        assert!(found["count"].as_u64().unwrap() > 0 && found["p50_us"].as_u64().unwrap() > 0, "{name}: {found}");
        assert!(found["cpu_us"].as_f64().unwrap() > 0.1, "a write call takes longer, {name}: {found}");
    }
}

#[tokio::test]
async fn idle_connections_tell_the_server_s_memory() {
    let measured = measure("idle-connection", &["--sockets", "500"]).await;
    let bytes = measured[0].1["connection_bytes"].as_f64().unwrap();
    // A read buffer of 2 KiB that was written to at the handshake is the least; with the defaults it would be 128 KiB.
    assert!((500.0..40_000.0).contains(&bytes), "{measured:?}");
}

#[tokio::test]
async fn handshakes_are_all_done_and_timed() {
    let measured = measure("handshake", &["--sockets", "300", "--in-flight", "16"]).await;
    let found = &measured[0].1;
    assert_eq!(found["count"], 300, "{found}");
    let (all_ms, max_us) = (found["all_ms"].as_f64().unwrap(), found["max_us"].as_f64().unwrap());
    // A histogram of three digits may round a thousandth up.
    assert!(all_ms * 1_000.0 >= max_us * 0.99 && max_us > 0.0, "{found}");
    assert!(found["cpu_us"].as_f64().unwrap() > 1.0, "{found}");
}

#[tokio::test]
async fn wrong_requests_are_told_before_anything_is_measured() {
    let bench = env!("CARGO_BIN_EXE_gochat-bench");
    let mut few = Command::new("bash");
    few.args(["-c", "ulimit -n 300 && exec \"$0\" floors --only echo,write-loop --sockets 5000", bench]);
    let said = run(&mut few).await;
    assert_eq!(said.code, Some(2), "{}", said.errors);
    assert!(said.errors.contains("5200") && said.errors.contains("--sockets 100"), "{}", said.errors);
    assert!(!said.errors.contains("WebSocket echo"), "nothing had begun: {}", said.errors);
    let cases: [(&[&str], &str); 4] = [
        (&["--only", "handshake", "--sockets", "5"], "100..=25000"),
        (&["--only", "teleport"], "coalesced-write-loop"),
        (&["--only", "echo", "--rate", "10", "--in-flight", "2"], "cannot be used with"),
        (&["--only", "echo", "--in-flight", "0"], "1..=1000"),
    ];
    for (arguments, part) in cases {
        let said = run(command(&["floors"]).args(arguments)).await;
        assert_eq!(said.code, Some(2), "{arguments:?}: {}", said.errors);
        assert!(said.errors.contains(part), "{arguments:?}: {}", said.errors);
    }
}

#[tokio::test]
async fn the_server_of_a_floor_ends_when_whoever_started_it_leaves() {
    for (order, code) in [("count\n", 0), ("dance\n", 1)] {
        let mut child = command(&["floor-server", "keep", "--payload-bytes", "16"]).spawn().unwrap();
        let mut said = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut control = TcpStream::connect(said.next_line().await.unwrap().unwrap()).await.unwrap();
        control.write_all(order.as_bytes()).await.unwrap();
        control.shutdown().await.unwrap();
        let mut answer = String::new();
        // One that refuses an order may reset the connection.
        let _ = control.read_to_string(&mut answer).await;
        assert_eq!(answer, if code == 0 { "0\n" } else { "" });
        assert_eq!(child.wait().await.unwrap().code(), Some(code), "{order}");
    }
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
