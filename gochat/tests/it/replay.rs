//! The upstream group's offsets go back to the beginning: every record is consumed again, and nothing changes.

use std::collections::BTreeMap;

use im_infra::{
    ids::ConversationId,
    mq::{Group, Queue, Topic},
    testing::eventually,
};
use prost::Message as _;
use proto::mq;
use reqwest::Method;
use sea_orm::{ConnectionTrait as _, DatabaseConnection, DbBackend, Statement};
use serde_json::{Value, json};

use super::{
    client::User,
    deployment::{Deployment, Kind, Remains, on_every_deployment},
    server::At,
};

on_every_deployment! {
    r03_a_replay_from_the_beginning_changes_no_row_and_no_outcome,
}

/// Outcomes as bytes, by sender, conversation and command.
type Outcomes = BTreeMap<(i64, String, String), Vec<u8>>;

async fn texts(database: &DatabaseConnection, sql: String) -> Vec<String> {
    let found = database.query_all_raw(Statement::from_string(database.get_database_backend(), sql)).await.unwrap();
    found.iter().map(|row| row.try_get_by_index(0).unwrap()).collect()
}

/// Every row of every table, with its bytes, as text.
async fn rows(url: &str) -> BTreeMap<String, Vec<String>> {
    let database = sea_orm::Database::connect(url).await.unwrap();
    let is_sqlite = database.get_database_backend() == DbBackend::Sqlite;
    let tables = if is_sqlite {
        "select name from sqlite_master where type = 'table' and substr(name, 1, 7) <> 'sqlite_'"
    } else {
        "select table_name from information_schema.tables where table_schema = database()"
    };
    let mut all = BTreeMap::new();
    for table in texts(&database, tables.to_owned()).await {
        let columns = if is_sqlite {
            format!("select name from pragma_table_info('{table}') order by cid")
        } else {
            format!(
                "select column_name from information_schema.columns \
                 where table_schema = database() and table_name = '{table}' order by ordinal_position"
            )
        };
        let columns: Vec<String> =
            texts(&database, columns).await.iter().map(|column| format!("hex(`{column}`)")).collect();
        let mut found = texts(&database, format!("select concat_ws(',', {}) from `{table}`", columns.join(", "))).await;
        // Here, as an engine may sort long texts by their beginning alone.
        found.sort();
        all.insert(table, found);
    }
    all
}

/// All outcomes that were sent from these positions on.
async fn outcomes(queue: &Queue, from: &[u64]) -> Outcomes {
    let mut found = Outcomes::new();
    for (partition, from) in (0..).zip(from) {
        let end = queue.end(Topic::Downstream, partition).await.unwrap();
        if end == *from {
            continue;
        }
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

/// A rejected stranger, an accepted member who leaves, a group that was unknown when it was first written to.
async fn live_through(at: &impl At) {
    let (alice, bob) = (User::register(at, "alice").await, User::register(at, "bob").await);
    let stranger = User::register(at, "stranger").await;
    let members = json!({"title": "team", "member_ids": [bob.id.to_string()]});
    let (_, made) = alice.post(at, "/v1/groups", "make", members).await;
    let group = made["conversation_id"].as_str().unwrap().to_owned();
    let messages = format!("/v1/conversations/{group}/messages");
    let me = format!("/v1/conversations/{group}/members/me");
    let say = |text: &str| json!({"content": {"text": {"text": text}}});
    let code = |answer: (u16, Value)| answer.1["code"].as_str().unwrap_or("stored").to_owned();
    assert_eq!(code(stranger.post(at, &messages, "s1", say("let me in")).await), "not_a_member");
    assert_eq!(code(stranger.post(at, &me, "j1", json!({})).await), "forbidden");
    assert_eq!(code(bob.post(at, &messages, "b1", say("bye")).await), "stored");
    assert_eq!(bob.request(at, Method::DELETE, &me, "leave", None).await.status().as_u16(), 200);
    assert_eq!(code(bob.post(at, &messages, "b2", say("hello?")).await), "not_a_member");
    let later = ConversationId::group(alice.id, "later").to_string();
    let early = alice.post(at, &format!("/v1/conversations/{later}/messages"), "early", say("anyone?")).await;
    assert_eq!(code(early), "unknown_conversation");
    assert_eq!(code(alice.post(at, "/v1/groups", "later", json!({"title": "later"})).await), "stored");
    // The stranger joins after all: what was rejected stays rejected.
    let invite = json!({"user_ids": [stranger.id.to_string()]});
    assert_eq!(code(alice.post(at, &format!("/v1/conversations/{group}/members"), "in", invite).await), "stored");
    assert_eq!(code(stranger.post(at, &messages, "s1", say("let me in")).await), "not_a_member");
    assert_eq!(code(stranger.post(at, &messages, "s2", say("thanks")).await), "stored");
}

/// What there was before the replay.
struct Before {
    rows: BTreeMap<String, Vec<String>>,
    outcomes: Outcomes,
    upstream: Vec<u64>,
    downstream: Vec<u64>,
}

impl Before {
    async fn of(remains: &Remains) -> Self {
        let queue = &remains.queue;
        let downstream = ends(queue, Topic::Downstream).await;
        Self {
            rows: rows(&remains.database_url).await,
            outcomes: outcomes(queue, &vec![0; downstream.len()]).await,
            upstream: ends(queue, Topic::Upstream).await,
            downstream,
        }
    }
}

async fn r03_a_replay_from_the_beginning_changes_no_row_and_no_outcome(kind: Kind) {
    let deployment = Deployment::start(kind, &[]).await;
    live_through(&deployment.address(0)).await;
    let (deployment, before) = deployment
        .while_stopped(async |remains: Remains| {
            let queue = &remains.queue;
            for partition in 0..queue.partitions(Topic::Upstream) {
                // A cluster may still be counting the members that have just left.
                eventually("the group to have no members", || async {
                    queue.reset(Group::Logic, Topic::Upstream, partition, 0).await.ok()
                })
                .await;
            }
            Before::of(&remains).await
        })
        .await;
    deployment.caught_up(&before.upstream).await;
    let after = deployment.end().await;
    assert_eq!(rows(&after.database_url).await, before.rows);
    assert_eq!(outcomes(&after.queue, &before.downstream).await, before.outcomes);
    let rejections = &before.rows["rejections"];
    assert!(before.outcomes.len() >= 10 && rejections.len() >= 4, "{} outcomes, {rejections:?}", before.outcomes.len());
}
