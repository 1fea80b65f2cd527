//! A record that cannot succeed: set aside, looked at, replayed or dropped, while the rest flows.

use std::{path::PathBuf, process::Stdio};

use im_infra::{
    mq::{NewRecord, Topic},
    testing::eventually,
};
use prost::Message as _;
use proto::{
    message::{Content, Text, content},
    mq,
};

use super::{
    client::{Format, Socket, User},
    deployment::{Deployment, Kind, on_every_deployment},
    process::command,
};

on_every_deployment! {
    r16_a_poison_record_is_listed_shown_replayed_and_dropped_while_messages_flow,
    r16_a_dead_letter_that_can_succeed_now_is_decided_when_it_is_replayed,
}

struct Operator {
    folder: PathBuf,
    settings: Vec<(String, String)>,
}

impl Operator {
    fn of(deployment: &Deployment) -> Self {
        let (folder, settings) = deployment.operator();
        Self { folder, settings }
    }

    async fn run(&self, arguments: &[&str]) -> (bool, String) {
        let mut run = command(&self.folder, &self.settings);
        let output = run.arg("dead-letters").args(arguments).stderr(Stdio::piped()).output().await.unwrap();
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

    /// Drops what is parked, until nothing is.
    async fn clear(&self) {
        eventually("nothing parked", || async {
            let (good, text) = self.run(&["list"]).await;
            assert!(good, "{text}");
            for line in text.lines() {
                self.run(&["drop", id_of(line)]).await;
            }
            text.is_empty().then_some(())
        })
        .await;
    }
}

fn id_of(line: &str) -> &str {
    line.split('\t').next().unwrap()
}

async fn r16_a_poison_record_is_listed_shown_replayed_and_dropped_while_messages_flow(kind: Kind) {
    let deployment = Deployment::start(kind, &[]).await;
    let at = deployment.address(0);
    let (alice, bob) = (User::register(&at, "alice").await, User::register(&at, "bob").await);
    let conversation = alice.direct(&bob);

    // The same partition as the conversation: what comes after it must flow.
    let poison = NewRecord::keyed(conversation.clone(), vec![0xff, 0xff, 0xff]);
    let deployment = deployment.plant(Topic::Upstream, poison).await;
    let mut a = Socket::open(&at, &alice, Format::Json).await;
    a.send_text(&conversation, "behind", "x").await;
    assert_eq!(a.ack("behind").await.seq, 1);

    let operator = Operator::of(&deployment);
    let line = operator.sees(&["parked", "im.upstream.v1", "invalid_argument"]).await;
    let id = id_of(&line);
    let (good, shown) = operator.run(&["show", id]).await;
    assert!(
        good && shown.contains("im-logic") && shown.contains("3 bytes") && shown.contains(&conversation),
        "{shown}"
    );

    // Still poison: it comes back as another letter.
    assert!(operator.run(&["replay", id]).await.0);
    operator.sees(&[&format!("{id}\treplayed")]).await;
    let again = operator.sees(&["parked", "im.upstream.v1"]).await;
    let second = id_of(&again);
    assert_ne!(second, id);
    a.send_text(&conversation, "behind-again", "x").await;
    assert_eq!(a.ack("behind-again").await.seq, 2);
    assert!(operator.run(&["drop", second]).await.0);
    operator.sees(&[&format!("{second}\tdropped")]).await;
    let (good, text) = operator.run(&["replay", second]).await;
    assert!(!good && text.contains("dead_letter_dropped"), "{text}");
    // Where several im-tasks run, each may have replayed it, and each copy is a letter.
    operator.clear().await;
    let (good, text) = operator.run(&["show", "4711"]).await;
    assert!(!good && text.contains("not_found"), "{text}");
}

async fn r16_a_dead_letter_that_can_succeed_now_is_decided_when_it_is_replayed(kind: Kind) {
    let deployment = Deployment::start(kind, &[]).await;
    let at = deployment.address(0);
    let (alice, bob) = (User::register(&at, "alice").await, User::register(&at, "bob").await);
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
    let deployment = deployment.plant(Topic::Dead, record).await;
    let operator = Operator::of(&deployment);
    let line = operator.sees(&["parked", "im.upstream.v1/1/77"]).await;
    // It died in 1970.
    let (good, text) = operator.run(&["replay", id_of(&line)]).await;
    assert!(!good && text.contains("dead_letter_too_old") && text.contains("--force"), "{text}");
    assert!(operator.run(&["replay", id_of(&line), "--force"]).await.0);
    let log = eventually("the message", || async {
        let log = bob.get(&at, "/v1/conversations?limit=10").await;
        log["items"].as_array().unwrap().first().cloned()
    })
    .await;
    assert_eq!(log["last_entry"]["command_id"], "old");
}
