//! A wrong request is told in one line, with exit code 2.

use tokio::process::Command;

use super::bench::{command, run};

#[tokio::test]
async fn a_wrong_request_is_told_in_one_line_with_exit_code_2() {
    let cases: [(&[&str], &str); 17] = [
        (&["direct", "--target", "http://127.0.0.1:1"], "nothing listens at 127.0.0.1:1"),
        (&["direct", "--target", "http://192.0.2.1:80"], "--allow-remote"),
        (&["direct", "--rate", "50000", "--seconds", "600"], "--seconds"),
        (&["direct", "--gochat", "/nowhere/gochat"], "--gochat"),
        (&["direct", "--gochat", "/bin/true"], "is not gochat"),
        (&["idle", "--target", "http://127.0.0.1:1"], "--pid"),
        (&["report", "/nowhere/raw.json"], "/nowhere/raw.json"),
        (&["group", "--target", "http://127.0.0.1:1"], "nothing listens at 127.0.0.1:1"),
        (&["group", "--members", "5000", "--burst", "256"], "take fewer --members"),
        (&["reconnect", "--connections", "100", "--in-flight", "101"], "--in-flight 101 is more"),
        (&["reconnect", "--rate", "50000"], "take a lower --rate"),
        (&["sync", "--devices", "5000", "--conversations", "500"], "take fewer --devices"),
        (&["mixed", "--rate", "50000", "--seconds", "600"], "take fewer --seconds"),
        (&["run", "--resume", "--target", "standalone", "--raw", "/nowhere"], "without --resume"),
        (&["run", "--target", "http://127.0.0.1:1", "--target", "http://127.0.0.1:2"], "two targets are named address"),
        (&["floors", "--only", "kafka-hop", "--kafka", "192.0.2.1:9092"], "--allow-remote"),
        (&["floors", "--only", "mariadb-insert", "--mariadb", "mysql://user@192.0.2.1:3306/x"], "--allow-remote"),
    ];
    for (arguments, part) in cases {
        let said = run(&mut command(arguments)).await;
        assert_eq!(said.code, Some(2), "{arguments:?}: {}", said.errors);
        let last = said.errors.lines().filter(|line| line.starts_with("gochat-bench: ")).collect::<Vec<_>>();
        assert!(last.len() == 1 && last[0].contains(part), "{arguments:?}: {}", said.errors);
    }
}

#[tokio::test]
async fn contradictory_flags_are_refused() {
    let said = run(&mut command(&["direct", "--rate", "10", "--in-flight", "2"])).await;
    assert_eq!(said.code, Some(2));
    assert!(said.errors.contains("cannot be used with"), "{}", said.errors);
}

#[tokio::test]
async fn numbers_beyond_what_is_possible_are_refused_with_the_range() {
    let cases: [(&[&str], &str); 5] = [
        (&["group", "--members", "5001"], "2..=5000"),
        (&["group", "--members", "1"], "2..=5000"),
        (&["reconnect", "--connections", "13001"], "2..=13000"),
        (&["sync", "--messages", "0"], "1..=10000"),
        (&["mixed", "--groups", "41"], "1..=40"),
    ];
    for (arguments, range) in cases {
        let said = run(&mut command(arguments)).await;
        assert_eq!(said.code, Some(2), "{arguments:?}: {}", said.errors);
        assert!(said.errors.contains(range), "{arguments:?}: {}", said.errors);
    }
}

#[tokio::test]
async fn processes_without_infrastructure_name_the_command_that_starts_it() {
    let mut without = command(&["run", "--target", "processes"]);
    for variable in ["GOCHAT_TEST_KAFKA", "GOCHAT_TEST_ETCD", "GOCHAT_TEST_REDIS", "GOCHAT_TEST_MARIADB"] {
        without.env_remove(variable);
    }
    let said = run(&mut without).await;
    assert_eq!(said.code, Some(2));
    assert!(said.errors.contains("scripts/infra up"), "{}", said.errors);
}

#[tokio::test]
async fn too_few_descriptors_are_told_with_how_many_would_do() {
    let bench = env!("CARGO_BIN_EXE_gochat-bench");
    let cases = [
        ("idle --connections 10000", "10200", "--connections 100"),
        ("direct --pairs 2000", "4200", "--pairs 50"),
        ("group --members 1000", "1200", "--members 100"),
        ("reconnect --connections 10000 --pairs 10", "10220", "--connections 80"),
        ("sync --devices 1000 --conversations 20 --messages 1", "1220", "--devices 80"),
        ("mixed --groups 10", "700", "--groups 2"),
        ("run --target standalone", "15200", "ulimit -n 15200"),
    ];
    for (arguments, needed, fewer) in cases {
        let mut few = Command::new("bash");
        few.args(["-c", &format!("ulimit -n 300 && exec \"$0\" {arguments}"), bench]);
        let said = run(&mut few).await;
        assert_eq!(said.code, Some(2), "{arguments}: {}", said.errors);
        assert!(said.errors.contains(needed) && said.errors.contains(fewer), "{arguments}: {}", said.errors);
    }
}

#[tokio::test]
async fn help_teaches() {
    let said = run(&mut command(&["--help"])).await;
    assert_eq!(said.code, Some(0));
    for part in
        ["Examples:", "direct", "group", "mixed", "reconnect", "sync", "idle", "floors", "run", "report", "Exit codes"]
    {
        assert!(said.out.contains(part), "{part} not in {}", said.out);
    }
}
