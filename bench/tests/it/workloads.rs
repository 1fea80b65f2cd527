//! Workloads beside pairs and idle connections, on the real standalone, with small numbers.

use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader},
    process::Command,
};

use super::{bench::command, load::result_of};

#[tokio::test]
async fn a_message_to_a_group_comes_to_its_last_member() {
    let arguments =
        ["group", "--members", "12", "--rate", "5", "--burst", "2", "--seconds", "2", "--warm-up-seconds", "3"];
    let result = result_of(&arguments).await;
    assert_eq!((&result["sent"], &result["acknowledged"]), (&50.into(), &50.into()), "{result}");
    assert_eq!(result["unfinished"], 0, "{result}");
    // Those that were due in the window: two of each burst, to twelve.
    for (kind, count) in [("ack", 20), ("member", 240), ("median_member", 20), ("last_member", 20)] {
        assert_eq!(result[kind]["count"], count, "{kind}: {result}");
    }
    assert!(result["last_member"]["p50_us"].as_u64() >= result["median_member"]["p50_us"].as_u64(), "{result}");
    let ledger = &result["ledger"];
    // Before the messages the group was made.
    assert_eq!((&ledger["entries"], &ledger["pushes"]), (&51.into(), &600.into()), "{ledger}");
    assert!(ledger["pushes_due"].as_u64() > Some(0), "{ledger}");
    assert_eq!(ledger["violations"], 0, "{ledger}");
    assert_eq!(result["cpu"][0]["process"], "standalone", "{result}");
}

#[tokio::test]
async fn a_large_group_is_joined_by_several_commands_and_judged_in_parts() {
    let arguments = ["group", "--members", "501", "--rate", "2", "--seconds", "2", "--warm-up-seconds", "1"];
    let result = result_of(&arguments).await;
    assert_eq!((&result["sent"], &result["unfinished"]), (&6.into(), &0.into()), "{result}");
    assert_eq!(result["last_member"]["count"], 4, "{result}");
    let ledger = &result["ledger"];
    // Made, joined twice, and large from there on.
    assert_eq!(ledger["entries"], 10, "{ledger}");
    assert!(ledger["pushes"].as_u64() >= Some(6 * 501), "{ledger}");
    assert_eq!(ledger["violations"], 0, "{ledger}");
}

#[tokio::test]
async fn a_bit_of_everything_is_told_by_kind_and_unread_counts_are_judged() {
    let arguments = ["mixed", "--groups", "1", "--rate", "100", "--seconds", "3", "--warm-up-seconds", "1"];
    let result = result_of(&arguments).await;
    assert_eq!(result["unfinished"], 0, "{result}");
    let count = |kind: &str| result[kind]["count"].as_u64().unwrap();
    assert!(count("direct_ack") > count("group_ack") && count("group_ack") > 0, "{result}");
    assert_eq!(count("direct_delivery"), count("direct_ack"), "{result}");
    assert_eq!(count("group_delivery"), count("group_ack") * 49, "{result}");
    assert!(count("history") > 0 && result["read_cursors"].as_u64() > Some(0), "{result}");
    assert_eq!(result["ledger"]["acknowledged"].as_u64(), result["acknowledged"].as_u64().map(|sent| sent + 1));
    assert_eq!(result["ledger"]["violations"], 0, "{result}");
}

#[tokio::test]
async fn connections_that_are_cut_resume_and_others_keep_talking() {
    let arguments = [
        "reconnect",
        "--connections",
        "40",
        "--in-flight",
        "8",
        "--pairs",
        "2",
        "--rate",
        "20",
        "--seconds",
        "3",
        "--warm-up-seconds",
        "1",
    ];
    let result = result_of(&arguments).await;
    assert_eq!((&result["live"], &result["told_to_sync"]), (&40.into(), &0.into()), "{result}");
    for kind in ["hello", "handshake", "outage"] {
        assert_eq!(result[kind]["count"], 40, "{kind}: {result}");
    }
    assert!(result["live_seconds"].as_f64() > Some(0.0), "{result}");
    // What was due until the cut; its timer may be a little late.
    assert!((60..=62).contains(&result["before"]["delivery"]["count"].as_u64().unwrap()), "{result}");
    // Those who came back are live: each two of them write to each other.
    assert_eq!((&result["tried"], &result["unfinished"]), (&20.into(), &0.into()), "{result}");
    assert_eq!(result["ledger"]["violations"], 0, "{result}");
}

#[tokio::test]
async fn devices_that_were_away_have_all_there_is_in_the_end() {
    let arguments = ["sync", "--devices", "10", "--conversations", "3", "--messages", "30", "--rate", "10"];
    let result = result_of(&arguments).await;
    assert_eq!((&result["level"], &result["unfinished"]), (&10.into(), &0.into()), "{result}");
    // A page with the newest 20 of each conversation, and the other ten by a fetch.
    for (what, count) in [("pages", 10), ("fetches", 30), ("entries", 900)] {
        assert_eq!(result[what], count, "{what}: {result}");
    }
    assert!(result["received_bytes"].as_u64() > Some(900 * 200), "{result}");
    let ledger = &result["ledger"];
    assert_eq!((&ledger["entries"], &ledger["violations"]), (&930.into(), &0.into()), "{ledger}");
    // The first tenth is the warm-up.
    assert!((8..=10).contains(&result["until_level"]["count"].as_u64().unwrap()), "{result}");
}

#[tokio::test]
async fn ctrl_c_ends_a_load_and_reports() {
    let cases: [&[&str]; 4] = [
        &["group", "--members", "3", "--seconds", "600"],
        &["mixed", "--groups", "1", "--rate", "20", "--seconds", "600"],
        &["reconnect", "--connections", "4", "--in-flight", "2", "--pairs", "1", "--seconds", "600"],
        &["sync", "--devices", "2", "--conversations", "1", "--rate", "0.1"],
    ];
    for arguments in cases {
        let mut child = command(arguments).spawn().unwrap();
        let mut notes = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut seen = Vec::new();
        while let Some(line) = notes.next_line().await.unwrap() {
            if line.contains("the load begins") {
                break;
            }
            seen.push(line);
        }
        let pid = child.id().unwrap().to_string();
        assert!(Command::new("kill").args(["-INT", &pid]).status().await.unwrap().success());
        let mut out = String::new();
        child.stdout.take().unwrap().read_to_string(&mut out).await.unwrap();
        let mut errors = String::new();
        notes.into_inner().read_to_string(&mut errors).await.unwrap();
        assert_eq!(child.wait().await.unwrap().code(), Some(0), "{arguments:?}: {out}\n{seen:?}\n{errors}");
        assert!(out.contains("(interrupted)") && out.contains("0 violations"), "{arguments:?}: {out}");
    }
}
