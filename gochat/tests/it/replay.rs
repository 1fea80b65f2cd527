//! The upstream group's offsets go back to the beginning: every record is consumed again, and nothing changes.

use std::{collections::BTreeMap, path::Path};

use im_infra::{
    mq::{EmbeddedLog, EmbeddedLogOptions, Group, Queue, Topic},
    telemetry::Telemetry,
    testing::eventually,
};
use prost::Message as _;
use proto::mq;
use reqwest::Method;
use sea_orm::{ConnectionTrait as _, Statement};
use serde_json::{Value, json};

use super::{client::User, server::Server};

/// Tables that records of im.upstream write to.
const TABLES: [&str; 5] = ["conversations", "members", "entries", "rejections", "cursors"];

/// Every row, with its bytes, as text.
async fn rows(folder: &Path) -> BTreeMap<&'static str, Vec<String>> {
    let url = format!("sqlite://{}/gochat.db", folder.display());
    let database = sea_orm::Database::connect(url).await.unwrap();
    let mut all = BTreeMap::new();
    for table in TABLES {
        let columns: Vec<String> = database
            .query_all_raw(Statement::from_string(
                sea_orm::DbBackend::Sqlite,
                format!("select name from pragma_table_info('{table}')"),
            ))
            .await
            .unwrap()
            .iter()
            .map(|row| row.try_get_by_index(0).unwrap())
            .collect();
        let quoted = columns.iter().map(|column| format!("quote({column})")).collect::<Vec<_>>().join(" || ',' || ");
        let sql = format!("select {quoted} from {table} order by 1");
        let found = database.query_all_raw(Statement::from_string(sea_orm::DbBackend::Sqlite, sql)).await.unwrap();
        all.insert(table, found.iter().map(|row| row.try_get_by_index::<String>(0).unwrap()).collect());
    }
    all
}

fn log(folder: &Path) -> Queue {
    Queue::new(EmbeddedLog::open(&folder.join("log"), &EmbeddedLogOptions::default()).unwrap(), &Telemetry::for_tests())
}

/// All outcomes that were sent from these positions on, by command.
async fn outcomes(queue: &Queue, from: &[u64]) -> BTreeMap<(i64, String, String), Vec<u8>> {
    let mut found = BTreeMap::new();
    for (partition, from) in (0..).zip(from) {
        let end = queue.end(Topic::Downstream, partition).await.unwrap();
        let mut reader = queue.read(Topic::Downstream, partition, *from).await.unwrap();
        let mut next = *from;
        while next < end {
            for record in reader.next(100).await.unwrap() {
                next = record.offset + 1;
                for outcome in mq::Downstream::decode(record.payload).unwrap().outcomes {
                    let key = (outcome.user_id, outcome.conversation_id.clone(), outcome.command_id.clone());
                    let result = mq::Outcome { trace_parent: String::new(), ..outcome }.encode_to_vec();
                    let before = found.insert(key, result.clone());
                    assert!(before.is_none_or(|before| before == result), "two outcomes of one command");
                }
            }
        }
    }
    found
}

async fn ends(queue: &Queue, topic: Topic) -> Vec<u64> {
    let mut ends = Vec::new();
    for partition in 0..queue.partitions(topic) {
        ends.push(queue.end(topic, partition).await.unwrap());
    }
    ends
}

#[tokio::test]
async fn r03_a_replay_from_the_beginning_changes_no_row_and_no_outcome() {
    let server = Server::start().await;
    let (alice, bob) = (User::register(&server, "alice").await, User::register(&server, "bob").await);
    let stranger = User::register(&server, "stranger").await;
    let members = json!({"title": "team", "member_ids": [bob.id.to_string()]});
    let (_, made) = alice.post(&server, "/v1/groups", "make", members).await;
    let group = made["conversation_id"].as_str().unwrap().to_owned();
    let messages = format!("/v1/conversations/{group}/messages");
    let say = |text: &str| json!({"content": {"text": {"text": text}}});
    let code = |answer: (u16, Value)| answer.1["code"].as_str().unwrap_or("stored").to_owned();
    // A rejected stranger, an accepted member who leaves, a group that was unknown when it was first written to.
    assert_eq!(code(stranger.post(&server, &messages, "s1", say("let me in")).await), "not_a_member");
    assert_eq!(
        code(stranger.post(&server, &format!("/v1/conversations/{group}/members/me"), "j1", json!({})).await),
        "forbidden"
    );
    assert_eq!(code(bob.post(&server, &messages, "b1", say("bye")).await), "stored");
    let left =
        bob.request(&server, Method::DELETE, &format!("/v1/conversations/{group}/members/me"), "leave", None).await;
    assert_eq!(left.status().as_u16(), 200);
    assert_eq!(code(bob.post(&server, &messages, "b2", say("hello?")).await), "not_a_member");
    let later = im_infra::ids::ConversationId::group(alice.id, "later").to_string();
    let early = alice.post(&server, &format!("/v1/conversations/{later}/messages"), "early", say("anyone?")).await;
    assert_eq!(code(early), "unknown_conversation");
    assert_eq!(code(alice.post(&server, "/v1/groups", "later", json!({"title": "later"})).await), "stored");
    // The stranger joins after all: what was rejected stays rejected.
    let invite = json!({"user_ids": [stranger.id.to_string()]});
    assert_eq!(code(alice.post(&server, &format!("/v1/conversations/{group}/members"), "in", invite).await), "stored");
    assert_eq!(code(stranger.post(&server, &messages, "s1", say("let me in")).await), "not_a_member");
    assert_eq!(code(stranger.post(&server, &messages, "s2", say("thanks")).await), "stored");

    let before = std::sync::Arc::new(std::sync::Mutex::new(None));
    let noted = before.clone();
    let server = server
        .while_stopped(|folder| async move {
            let queue = log(&folder);
            let upstream = ends(&queue, Topic::Upstream).await;
            for partition in 0..queue.partitions(Topic::Upstream) {
                queue.reset(Group::Logic, Topic::Upstream, partition, 0).await.unwrap();
            }
            let first = vec![0; queue.partitions(Topic::Downstream) as usize];
            let told = outcomes(&queue, &first).await;
            *noted.lock().unwrap() = Some((rows(&folder).await, told, upstream, ends(&queue, Topic::Downstream).await));
        })
        .await;
    let (rows_before, told_before, upstream, downstream) = before.lock().unwrap().take().unwrap();
    let records: u64 = upstream.iter().sum();
    eventually("all records to be consumed again", || async {
        let metrics = reqwest::get(format!("http://{}/metrics", server.admin)).await.unwrap().text().await.unwrap();
        let line = "im_mq_consumed_total{group=\"im-logic\",topic=\"im.upstream.v1\"} ";
        metrics
            .lines()
            .any(|one| one.strip_prefix(line).and_then(|count| count.parse().ok()) == Some(records))
            .then_some(())
    })
    .await;
    let (code, folder) = server.terminate_and_keep().await;
    assert_eq!(code, Some(0));
    assert_eq!(rows(folder.path()).await, rows_before);
    assert_eq!(outcomes(&log(folder.path()), &downstream).await, told_before);
    assert!(
        told_before.len() >= 10 && rows_before["rejections"].len() >= 4,
        "{} outcomes, {rows_before:?}",
        told_before.len()
    );
}
