//! Groups: who sees what.

use std::sync::Arc;

use im_infra::{clock::Clock, database::DatabaseOptions, telemetry::Telemetry};
use im_repo::{Repo, RepoOptions, cache::MemoryCache};
use proto::{
    client::server_frame::Frame as In,
    repo::{
        Accepted, AppendGroup, Decision, EndMember, StateChange, StateQuery, decision::Verdict, state_change::Change,
    },
};
use reqwest::Method;
use serde_json::json;

use super::{
    client::{Format, Socket, User},
    server::Server,
};

#[tokio::test]
async fn r05_the_removed_sees_the_removal_and_nothing_after() {
    let server = Server::start().await;
    let (alice, bob) = (User::register(&server, "alice").await, User::register(&server, "bob").await);
    let carol = User::register(&server, "carol").await;
    let (code, made) =
        alice.post(&server, "/v1/groups", "make", json!({"title": "team", "member_ids": [bob.id.to_string()]})).await;
    assert_eq!((code, made["seq"].as_str()), (201, Some("1")));
    let group = made["conversation_id"].as_str().unwrap().to_owned();
    let again =
        alice.post(&server, "/v1/groups", "make", json!({"title": "team", "member_ids": [bob.id.to_string()]})).await;
    assert_eq!(again.1["conversation_id"], made["conversation_id"], "a resend makes no second group");

    let mut b = Socket::open(&server, &bob, Format::Json).await;
    let say = async |user: &User, key: &str| {
        user.post(
            &server,
            &format!("/v1/conversations/{group}/messages"),
            key,
            json!({"content": {"text": {"text": key}}}),
        )
        .await
    };
    assert_eq!(say(&alice, "one").await.0, 201);
    assert_eq!(b.entry().await.seq, 2);
    let path = format!("/v1/conversations/{group}/members/{}", bob.id);
    let removed = alice.request(&server, Method::DELETE, &path, "out", None).await;
    assert_eq!(removed.status().as_u16(), 200);
    assert_eq!(b.entry().await.seq, 3, "the removal itself");
    assert_eq!(say(&alice, "two").await.0, 201);
    let (code, refused) = say(&bob, "three").await;
    assert_eq!((code, refused["code"].as_str()), (403, Some("not_a_member")));
    let seen: Vec<i64> = bob.history(&server, &group).await.iter().map(|entry| entry.seq).collect();
    assert_eq!(seen, [1, 2, 3]);

    // Who comes later sees from there on.
    let invited = alice
        .post(&server, &format!("/v1/conversations/{group}/members"), "in", json!({"user_ids": [carol.id.to_string()]}))
        .await;
    assert_eq!(invited.0, 201, "{:?}", invited.1);
    let seen: Vec<i64> = carol.history(&server, &group).await.iter().map(|entry| entry.seq).collect();
    assert_eq!(seen, [5]);
    let members = alice.get(&server, &format!("/v1/conversations/{group}/members")).await;
    assert_eq!(members["items"].as_array().unwrap().len(), 2);

    // Nothing after the removal reached the removed: the next thing it hears is its own ping.
    b.send(proto::client::client_frame::Frame::Ping(proto::client::Ping { data: "still here".into() })).await;
    assert!(matches!(b.next().await, In::Pong(_)));
}

#[tokio::test]
async fn a_profile_change_is_an_entry_of_the_personal_log() {
    let server = Server::start().await;
    let alice = User::register(&server, "alice").await;
    let mut a = Socket::open(&server, &alice, Format::Json).await;
    let changed =
        alice.request(&server, Method::PATCH, "/v1/me", "rename", Some(json!({"display_name": "Ally"}))).await;
    assert_eq!(changed.status().as_u16(), 200);
    assert_eq!(a.entry().await.conversation_id, format!("u:{}", alice.id));
    assert_eq!(alice.get(&server, "/v1/me").await["display_name"], "Ally");
    let path = format!("/v1/conversations/u:{}/messages", alice.id);
    let (code, refused) = alice.post(&server, &path, "k", json!({"content": {"text": {"text": "x"}}})).await;
    assert_eq!((code, refused["code"].as_str()), (422, Some("unsupported")));
}

#[tokio::test]
async fn r03_a_remembered_state_that_moved_decides_nothing() {
    let server = Server::start().await;
    let (alice, bob) = (User::register(&server, "alice").await, User::register(&server, "bob").await);
    let (_, made) =
        alice.post(&server, "/v1/groups", "make", json!({"title": "team", "member_ids": [bob.id.to_string()]})).await;
    let group = made["conversation_id"].as_str().unwrap().to_owned();
    let path = format!("/v1/conversations/{group}/messages");
    let say = |text: &str| json!({"content": {"text": {"text": text}}});
    assert_eq!(bob.post(&server, &path, "one", say("one")).await.0, 201);
    // Another im-logic removes him, as far as this one can tell.
    let options = RepoOptions::new(DatabaseOptions::new(server.database_url()));
    let cache = Arc::new(MemoryCache::new(&options.cache));
    let repo = Repo::start(&options, cache, Clock::system(), &Telemetry::for_tests(), "").await.unwrap();
    let query = StateQuery { conversation_id: group.clone(), all: true, ..StateQuery::default() };
    let state = repo.store().states(vec![query]).await.unwrap().remove(0);
    let end = StateChange { change: Some(Change::EndMember(EndMember { user_id: bob.id })) };
    let removed = Accepted { message_id: 1, changes: vec![end], ..Accepted::default() };
    let decision = Decision {
        sender_id: alice.id,
        command_id: "out".into(),
        verdict: Some(Verdict::Accepted(removed)),
        ..Decision::default()
    };
    let append = AppendGroup {
        conversation_id: group.clone(),
        state_version: state.state_version,
        decisions: vec![decision],
        row: None,
    };
    repo.store().append(vec![append]).await.unwrap();
    let (code, refused) = bob.post(&server, &path, "two", say("two")).await;
    assert_eq!((code, refused["code"].as_str()), (403, Some("not_a_member")));
    // What was decided before he went is answered as before, and pushed to nobody who may not see it.
    let mut b = Socket::open(&server, &bob, Format::Json).await;
    assert_eq!(alice.post(&server, &path, "three", say("three")).await.0, 201);
    assert_eq!(bob.post(&server, &path, "one", say("one")).await.0, 201);
    assert_eq!(b.entry().await.seq, 2, "the first thing he hears is the repetition of his own");
}
