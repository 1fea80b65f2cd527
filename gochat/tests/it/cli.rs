//! What operators type.

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};

use super::process::command;

async fn run(arguments: &[&str], settings: &[(&str, &str)]) -> (Option<i32>, String, String) {
    let folder = tempfile::tempdir().unwrap();
    let settings: Vec<_> =
        settings.iter().map(|(key, value)| (format!("GOCHAT__{key}"), (*value).to_owned())).collect();
    let output =
        command(folder.path(), &settings).args(arguments).stderr(std::process::Stdio::piped()).output().await.unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[tokio::test]
async fn a_wrong_configuration_is_told_whole_with_exit_code_2() {
    let wrong = [("GATEWAY__HTTP__LISTEN", "nowhere"), ("LOGIC__LIMITS__BODY_BYTES_MAX", "0"), ("NO__SUCH", "1")];
    for command in ["check", "show"] {
        let (code, _, errors) = run(&["config", command], &wrong).await;
        assert_eq!(code, Some(2), "{errors}");
        for part in ["gateway.http.listen", "nowhere", "logic.limits.body_bytes_max", "1 to 1048576", "no.such"] {
            assert!(errors.contains(part), "{part} not in {errors}");
        }
    }
    assert_eq!(run(&["standalone"], &wrong).await.0, Some(2));
}

#[tokio::test]
async fn the_configuration_in_force_is_shown_without_secrets() {
    let secret = "0123456789abcdef0123456789abcdef";
    let (code, shown, _) =
        run(&["config", "show"], &[("RPC__SECRET", secret), ("GATEWAY__WS__HEARTBEAT_MS", "1234")]).await;
    assert_eq!(code, Some(0));
    assert!(shown.contains("1234") && shown.contains("\"***\"") && !shown.contains(secret), "{shown}");
    let (code, defaults, _) = run(&["config", "defaults"], &[]).await;
    assert!(code == Some(0) && defaults.contains("heartbeat_ms = 60000"));
}

#[tokio::test]
async fn the_schema_is_brought_up_to_date_and_told() {
    let folder = tempfile::tempdir().unwrap();
    let migrate = async |what| command(folder.path(), &[]).args(["migrate", what]).output().await.unwrap();
    let missing = migrate("status").await;
    assert!(!missing.status.success() && String::from_utf8_lossy(&missing.stdout).contains("m0001_first_tables"));
    assert!(migrate("up").await.status.success());
    let done = migrate("status").await;
    assert!(done.status.success() && String::from_utf8_lossy(&done.stdout).contains("up to date"));
}

#[tokio::test]
async fn a_database_that_is_given_needs_no_data_folder() {
    let folder = tempfile::tempdir().unwrap();
    let (data, file) = (folder.path().join("data"), folder.path().join("elsewhere.db"));
    let url = format!("sqlite://{}?mode=rwc", file.display());
    let settings = [("GOCHAT__REPO__DATABASE__URL".to_owned(), url)];
    for arguments in [["migrate", "up"], ["store-epoch", "renew"]] {
        assert!(command(&data, &settings).args(arguments).output().await.unwrap().status.success(), "{arguments:?}");
    }
    assert!(file.exists() && !data.exists());
}

#[tokio::test]
async fn what_a_command_cannot_do_without_is_told_with_exit_code_2() {
    let (code, _, errors) = run(&["dead-letters", "list"], &[]).await;
    assert!(code == Some(2) && errors.contains("rpc.secret") && errors.contains("process.data_dir"), "{errors}");
    let everywhere = [
        ("RPC__LISTEN", "0.0.0.0:0"),
        ("RPC__SECRET", "0123456789abcdef0123456789abcdef"),
        ("REPO__DATABASE__URL", "sqlite://nowhere.db"),
    ];
    let (code, _, errors) = run(&["repo"], &everywhere).await;
    assert!(code == Some(2) && errors.contains("rpc.advertise") && errors.contains("0.0.0.0:0"), "{errors}");
}

#[tokio::test]
async fn a_data_folder_serves_one_process() {
    let server = super::server::Server::start().await;
    let folder = server.data_dir();
    let second = command(&folder, &[]).arg("standalone").stderr(std::process::Stdio::piped()).output().await.unwrap();
    assert_eq!(second.status.code(), Some(1), "{}", String::from_utf8_lossy(&second.stderr));
    assert!(String::from_utf8_lossy(&second.stderr).contains("cannot open the log"));
}

/// What `gochat standalone` prints until it has printed its last line.
async fn printed(format: &str, is_last: impl Fn(&str) -> bool) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let settings = [("GOCHAT__TELEMETRY__LOG__FORMAT".to_owned(), format.to_owned())];
    let mut server = command(folder.path(), &settings).arg("standalone").spawn().unwrap();
    let mut lines = BufReader::new(server.stdout.take().unwrap()).lines();
    let mut printed = Vec::new();
    while let Some(line) = lines.next_line().await.unwrap() {
        let done = is_last(&line);
        printed.push(line);
        if done {
            return printed;
        }
    }
    panic!("it ended: {printed:?}");
}

#[tokio::test]
async fn whoever_reads_a_log_of_json_reads_nothing_else() {
    let parse = |line: &str| serde_json::from_str::<Value>(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    let lines = printed("json", |line| parse(line)["message"] == "ready").await;
    let ready = parse(lines.last().unwrap());
    assert_eq!((&ready["level"], &ready["service"]), (&"INFO".into(), &"GoChat".into()));
    for key in ["address", "operators"] {
        assert!(ready[key].as_str().unwrap().starts_with("http://127.0.0.1:"), "{ready}");
    }
    let lines = printed("pretty", |line| line.contains("Ctrl-C stops")).await;
    assert!(lines.iter().any(|line| line.starts_with("GoChat is ready at http://127.0.0.1:")), "{lines:?}");
}
