//! `nemesis` and `ledger` as operators use them.

use std::path::Path;

use im_bench::ledger::{Entry, Event, Header, History, HistoryWriter};
use im_infra::testing::eventually;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader},
    process::Command,
};

use super::bench::{command, run};

/// A message that was acknowledged, with what the store has of it.
fn history(entries: Vec<Entry>) -> Vec<Event> {
    let (conversation, command) = ("d:1:2".to_owned(), "a".to_owned());
    let (at_us, client, user) = (1, 1, 1);
    let stored = Event::Stored {
        at_us,
        client,
        user,
        conversation: conversation.clone(),
        command: command.clone(),
        seq: 1,
        message_id: 9,
    };
    let sent = Event::Sent { at_us, client, user, conversation: conversation.clone(), command };
    vec![sent, stored, Event::Log { conversation, entries }]
}

fn write(path: &Path, events: &[Event]) {
    let mut writer = HistoryWriter::create(path, &Header::of("a-scenario", 7, serde_json::Value::Null)).unwrap();
    events.iter().for_each(|event| writer.add(event).unwrap());
    writer.finish().unwrap();
}

#[tokio::test]
async fn a_saved_history_is_judged_again_and_one_that_was_cut_short_as_far_as_it_goes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("history.gz");
    let members = vec![1, 2];
    let entry = Entry {
        seq: 1,
        message_id: 9,
        sender: 1,
        command: "a".into(),
        msg_no: 1,
        members,
        left: vec![],
        countable: true,
    };
    for (entries, code) in [(vec![entry], 0), (vec![], 1)] {
        write(&path, &history(entries));
        let said = run(command(&["ledger", "check"]).arg(&path)).await;
        assert_eq!(said.code, Some(code), "{}{}", said.out, said.errors);
        assert!(said.out.contains("a-scenario, seed 7") && !said.out.contains("cut short"), "{}", said.out);
    }
    // Its end, with the log that lacks the entry, has not been written.
    let (header, events) = (Header::of("a-scenario", 7, serde_json::Value::Null), history(vec![]));
    let lines = [serde_json::to_string(&header), serde_json::to_string(&events[0]), serde_json::to_string(&events[1])];
    std::fs::write(&path, lines.map(|line| line.unwrap() + "\n").concat()).unwrap();
    let said = run(command(&["ledger", "check"]).arg(&path)).await;
    assert_eq!(said.code, Some(0), "{}{}", said.out, said.errors);
    assert!(said.out.contains("cut short: 2 events"), "{}", said.out);
}

#[tokio::test]
async fn a_wrong_request_of_proof_is_told_in_one_line_with_exit_code_2() {
    let cases: [(&[&str], &str); 5] = [
        (&["ledger", "check", "/nowhere/history"], "/nowhere/history"),
        (&["ledger", "check", "/proc/self/limits"], "holds no history"),
        (&["nemesis", "run", "kill-logic", "--target", "standalone"], "nemesis list"),
        (&["nemesis", "run", "kill-logic", "--infra-script", "/nowhere/infra"], "--infra-script"),
        (&["nemesis", "run", "kill-standalone", "--data", "/nowhere"], "--data"),
    ];
    for (arguments, part) in cases {
        let said = run(&mut command(arguments)).await;
        assert_eq!(said.code, Some(2), "{arguments:?}: {}", said.errors);
        let last = said.errors.lines().filter(|line| line.starts_with("gochat-bench: ")).collect::<Vec<_>>();
        assert!(last.len() == 1 && last[0].contains(part), "{arguments:?}: {}", said.errors);
    }
    for arguments in [&["nemesis", "run", "nothing"][..], &["nemesis", "run", "kill-logic", "--minutes", "0.1"]] {
        assert_eq!(run(&mut command(arguments)).await.code, Some(2), "{arguments:?}");
    }
}

#[tokio::test]
async fn without_strace_a_disk_cannot_fail_which_is_told_in_one_line_with_exit_code_2() {
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink("/bin/cat", folder.path().join("cat")).unwrap();
    let mut bench = command(&["nemesis", "run", "failing-sync-standalone"]);
    let said = run(bench.env("PATH", folder.path())).await;
    assert_eq!(said.code, Some(2), "{}", said.errors);
    let told: Vec<&str> = said.errors.lines().collect();
    assert!(told.len() == 1 && told[0].contains("install"), "{told:?}");
}

#[tokio::test]
async fn the_scenarios_are_listed_with_what_they_fit() {
    let said = run(&mut command(&["nemesis", "list"])).await;
    assert_eq!(said.code, Some(0), "{}", said.errors);
    let everything = said.out.lines().find(|line| line.starts_with("everything ")).unwrap();
    assert!(everything.contains("standalone, processes"), "{everything}");
}

#[tokio::test]
async fn ctrl_c_ends_a_run_which_is_judged_and_void() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("history.gz");
    let mut bench = command(&["nemesis", "run", "pause-standalone", "--minutes", "10", "--users", "6", "--seed", "3"]);
    let mut child = bench.arg("--history").arg(&path).arg("--data").arg(folder.path()).spawn().unwrap();
    let mut notes = BufReader::new(child.stderr.take().unwrap()).lines();
    assert!(notes.next_line().await.unwrap().unwrap().contains("seed 3"), "the seed is printed");
    // Something has to be there to judge.
    let (path, is_loaded) = (&path, |history: History| (history.events.len() >= 10).then_some(()));
    eventually("something to be said", || async { History::read(path).ok().and_then(is_loaded) }).await;
    let pid = child.id().unwrap().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().await.unwrap().success());
    let mut out = String::new();
    child.stdout.take().unwrap().read_to_string(&mut out).await.unwrap();
    assert_eq!(child.wait().await.unwrap().code(), Some(3), "{out}");
    assert!(out.contains("VOID: it was interrupted"), "{out}");
    let read = History::read(path).unwrap();
    assert!(read.complete && read.events.iter().any(|event| matches!(event, Event::Log { .. })));
}
