//! A record that cannot succeed: set aside, looked at, replayed or dropped, while the rest flows.

use std::{net::TcpListener, path::Path};

use im_infra::{
    mq::{EmbeddedLog, EmbeddedLogOptions, NewRecord, Queue, Room, Topic},
    telemetry::Telemetry,
    testing::eventually,
};
use prost::Message as _;
use proto::{
    message::{Content, Text, content},
    mq,
};

use super::{
    client::{Format, Socket, User},
    process::command,
    server::Server,
};

/// Puts a record into the log of a server that is not running.
async fn plant(folder: &Path, topic: Topic, record: NewRecord) {
    let log = EmbeddedLog::open(&folder.join("log"), &EmbeddedLogOptions::default()).unwrap();
    Queue::new(log, &Telemetry::for_tests()).produce(topic, vec![record], Room::Internal).await.unwrap();
}

struct Operator<'a> {
    folder: &'a Path,
    settings: Vec<(String, String)>,
}

impl Operator<'_> {
    async fn run(&self, arguments: &[&str]) -> (bool, String) {
        let mut run = command(self.folder, &self.settings);
        let output =
            run.arg("dead-letters").args(arguments).stderr(std::process::Stdio::piped()).output().await.unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8(text).unwrap())
    }

    /// The line of `list --all` with these words.
    async fn sees(&self, words: &[&str]) -> String {
        eventually(&format!("a letter with {words:?}"), || async {
            let (_, text) = self.run(&["list", "--all"]).await;
            text.lines().find(|line| words.iter().all(|word| line.contains(word))).map(str::to_owned)
        })
        .await
    }
}

#[tokio::test]
async fn a_poison_record_is_listed_shown_replayed_and_dropped_while_messages_flow() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let listen = format!("127.0.0.1:{port}");
    let server = Server::with(&[("RPC__LISTEN", &listen)]).await;
    let (alice, bob) = (User::register(&server, "alice").await, User::register(&server, "bob").await);
    let conversation = alice.direct(&bob);
    let mut server = Some(server);
    let folder = server.as_ref().unwrap().data_dir();

    // The same partition as the conversation: what comes after it must flow.
    let poison = NewRecord::keyed(conversation.clone(), vec![0xff, 0xff, 0xff]);
    server = Some(
        server.unwrap().while_stopped(|folder| async move { plant(&folder, Topic::Upstream, poison).await }).await,
    );
    let running = server.as_ref().unwrap();
    let mut a = Socket::open(running, &alice, Format::Json).await;
    a.send_text(&conversation, "behind", "x").await;
    assert_eq!(a.ack("behind").await.seq, 1);

    let operator = Operator { folder: &folder, settings: vec![("GOCHAT__RPC__LISTEN".into(), listen)] };
    let line = operator.sees(&["parked", "im.upstream.v1", "invalid_argument"]).await;
    let id = line.split('\t').next().unwrap().to_owned();
    let (good, shown) = operator.run(&["show", &id]).await;
    assert!(
        good && shown.contains("im-logic") && shown.contains("3 bytes") && shown.contains(&conversation),
        "{shown}"
    );

    // Still poison: it comes back as another letter.
    assert!(operator.run(&["replay", &id]).await.0);
    operator.sees(&[&format!("{id}\treplayed")]).await;
    let again = operator.sees(&["parked", "im.upstream.v1"]).await;
    let second = again.split('\t').next().unwrap().to_owned();
    assert_ne!(second, id);
    assert!(operator.run(&["drop", &second]).await.0);
    operator.sees(&[&format!("{second}\tdropped")]).await;
    assert_eq!(operator.run(&["list"]).await, (true, String::new()), "nothing is parked any more");
    let (good, text) = operator.run(&["show", "4711"]).await;
    assert!(!good && text.contains("not_found"), "{text}");
}

#[tokio::test]
async fn a_dead_letter_that_can_succeed_now_is_decided_when_it_is_replayed() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let listen = format!("127.0.0.1:{port}");
    let server = Server::with(&[("RPC__LISTEN", &listen)]).await;
    let (alice, bob) = (User::register(&server, "alice").await, User::register(&server, "bob").await);
    let conversation = alice.direct(&bob);
    let content = Content { kind: Some(content::Kind::Text(Text { text: "late but here".into() })) };
    let command = mq::Upstream {
        caller: Some(mq::Caller { user_id: alice.id, ..mq::Caller::default() }),
        conversation_id: conversation.clone(),
        command_id: "old".into(),
        command: Some(mq::upstream::Command::Send(content)),
        ..mq::Upstream::default()
    };
    let letter = mq::Dead {
        topic: Topic::Upstream.name().into(),
        partition: 1,
        offset: 77,
        key: conversation.clone().into(),
        payload: command.encode_to_vec().into(),
        ..mq::Dead::default()
    };
    let record = NewRecord::keyed(conversation.clone(), letter.encode_to_vec());
    let server = server.while_stopped(|folder| async move { plant(&folder, Topic::Dead, record).await }).await;
    let folder = server.data_dir();
    let operator = Operator { folder: &folder, settings: vec![("GOCHAT__RPC__LISTEN".into(), listen)] };
    let line = operator.sees(&["parked", "im.upstream.v1/1/77"]).await;
    assert!(operator.run(&["replay", line.split('\t').next().unwrap()]).await.0);
    let log = eventually("the message", || async {
        let log = bob.get(&server, "/v1/conversations?limit=10").await;
        log["items"].as_array().unwrap().first().cloned()
    })
    .await;
    assert_eq!(log["last_entry"]["command_id"], "old");
}
