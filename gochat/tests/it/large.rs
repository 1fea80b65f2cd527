//! Large conversations: fanned out by im-task, to whoever the gateways know to be there.

use std::time::Duration;

use futures_util::future::join_all;
use im_infra::{
    mq::{DAMAGED, NewRecord, Room, Topic},
    testing::infra,
};
use im_logic::domain::digest;
use proto::{
    client::{self, Digest, Hello, client_frame::Frame as Out, server_frame::Frame as In},
    message::{Entry, entry_body::Kind},
};
use reqwest::Method;
use serde_json::json;

use super::{
    client::{Format, Socket, User},
    cluster::Cluster,
    server::{At, Server},
};

const LARGE: (&str, &str) = ("LOGIC__LIMITS__LARGE_FROM", "3");

/// A group of these users; the first one makes it.
async fn group(at: &impl At, users: &[&User]) -> String {
    let ids: Vec<String> = users[1..].iter().map(|user| user.id.to_string()).collect();
    let (code, made) = users[0].post(at, "/v1/groups", "make", json!({"title": "crowd", "member_ids": ids})).await;
    assert_eq!(code, 201, "{made}");
    made["conversation_id"].as_str().unwrap().to_owned()
}

async fn say(at: &impl At, user: &User, group: &str, key: &str) -> i64 {
    let body = json!({"content": {"text": {"text": key}}});
    let (code, stored) = user.post(at, &format!("/v1/conversations/{group}/messages"), key, body).await;
    assert_eq!(code, 201, "{stored}");
    stored["seq"].as_str().unwrap().parse().unwrap()
}

/// The next entry is the one at this seq.
async fn gets(socket: &mut Socket, seq: i64) -> Entry {
    let entry = socket.entry().await;
    assert_eq!(entry.seq, seq, "{entry:?}");
    entry
}

fn is_flip(entry: &Entry) -> bool {
    matches!(entry.body.as_ref().and_then(|body| body.kind.as_ref()), Some(Kind::FanOutChanged(_)))
}

#[tokio::test]
async fn r14_every_entry_of_a_large_conversation_reaches_exactly_its_members_in_order() {
    let server = Server::with(&[LARGE]).await;
    let mut users = Vec::new();
    for name in ["alice", "bob", "carol", "dave"] {
        users.push(User::register(&server, name).await);
    }
    let [alice, bob, carol, dave] = &users[..] else { unreachable!() };
    let (mut a, mut b) =
        (Socket::open(&server, alice, Format::Json).await, Socket::open(&server, bob, Format::Proto).await);
    let mut d = Socket::open(&server, dave, Format::Json).await;
    let group = group(&server, &[alice, bob]).await;
    for socket in [&mut a, &mut b] {
        gets(socket, 1).await;
    }
    // The third member makes it large: the entry that brings her in goes the small way, what follows the large one.
    let members = format!("/v1/conversations/{group}/members");
    let invite = |user: &User| json!({"user_ids": [user.id.to_string()]});
    assert_eq!(alice.post(&server, &members, "in-carol", invite(carol)).await.0, 201);
    for socket in [&mut a, &mut b] {
        gets(socket, 2).await;
        assert!(is_flip(&gets(socket, 3).await));
    }
    // Who connects after the flip finds the place at hello; an index that nobody told of it is loaded.
    let mut c = Socket::open(&server, carol, Format::Json).await;
    assert_eq!(say(&server, bob, &group, "one").await, 4);
    for socket in [&mut a, &mut b, &mut c] {
        gets(socket, 4).await;
    }
    assert_eq!(alice.post(&server, &members, "in-dave", invite(dave)).await.0, 201);
    for socket in [&mut a, &mut b, &mut c, &mut d] {
        gets(socket, 5).await;
    }
    let removed = alice.request(&server, Method::DELETE, &format!("{members}/{}", bob.id), "out", None).await;
    assert_eq!(removed.status().as_u16(), 200);
    assert_eq!(say(&server, dave, &group, "two").await, 7);
    gets(&mut b, 6).await;
    for socket in [&mut a, &mut c, &mut d] {
        gets(socket, 6).await;
        gets(socket, 7).await;
    }
    // The removed got the removal and nothing after it: what it hears next is its own ping.
    b.send(Out::Ping(client::Ping { data: "still here".into() })).await;
    assert!(matches!(b.next().await, In::Pong(_)));
    let seen: Vec<i64> = bob.history(&server, &group).await.iter().map(|entry| entry.seq).collect();
    assert_eq!(seen, [1, 2, 3, 4, 5, 6]);
    let history = alice.history(&server, &group).await;
    assert_eq!(history.iter().filter(|entry| is_flip(entry)).count(), 1);
    assert_eq!(alice.get(&server, &format!("/v1/conversations/{group}")).await["unread"], "2", "a flip is no news");
}

#[tokio::test]
async fn r05_a_repeated_join_does_not_bring_back_who_was_removed_from_a_large_conversation() {
    let server = Server::with(&[LARGE]).await;
    let mut users = Vec::new();
    for name in ["alice", "bob", "carol", "dave"] {
        users.push(User::register(&server, name).await);
    }
    let [alice, bob, carol, dave] = &users[..] else { unreachable!() };
    let group = group(&server, &[alice, bob, carol]).await;
    let members = format!("/v1/conversations/{group}/members");
    let invite = json!({"user_ids": [dave.id.to_string()]});
    let (code, joined) = alice.post(&server, &members, "in-dave", invite.clone()).await;
    assert_eq!(code, 201);
    let removed = alice.request(&server, Method::DELETE, &format!("{members}/{}", dave.id), "out", None).await;
    assert_eq!(removed.status().as_u16(), 200);
    let mut d = Socket::open(&server, dave, Format::Json).await;
    let mut b = Socket::open(&server, bob, Format::Json).await;
    // The same command again: the entry is pushed again, and brings nobody back.
    assert_eq!(alice.post(&server, &members, "in-dave", invite).await, (201, joined.clone()));
    let between_us = say(&server, bob, &group, "between-us").await;
    while b.entry().await.seq < between_us {}
    d.send(Out::Ping(client::Ping { data: "still here".into() })).await;
    let mut seen = Vec::new();
    d.until(|frame| match frame {
        In::Entry(entry) => {
            seen.push(entry.seq.to_string());
            None
        }
        In::Pong(_) => Some(()),
        _ => None,
    })
    .await;
    // What dave may see of the time as a member can still have been on its way.
    assert!(seen.iter().any(|seq| joined["seq"] == **seq) && !seen.contains(&between_us.to_string()), "{seen:?}");
}

#[tokio::test]
async fn r15_a_gateway_that_starts_anew_loads_a_large_conversation_before_it_fans_out() {
    let server = Server::with(&[LARGE]).await;
    let mut users = Vec::new();
    for name in ["alice", "bob", "carol"] {
        users.push(User::register(&server, name).await);
    }
    let mut alice = Socket::open(&server, &users[0], Format::Proto).await;
    let group = group(&server, &users.iter().collect::<Vec<_>>()).await;
    gets(&mut alice, 1).await;
    // What makes it large follows the answer, and would come behind "one" if the server died before.
    assert!(is_flip(&gets(&mut alice, 2).await));
    let server = server.kill_and_restart().await;
    let mut sockets = Vec::new();
    for user in &users {
        sockets.push(Socket::open(&server, user, Format::Proto).await);
    }
    assert_eq!(say(&server, &users[0], &group, "one").await, 3);
    for socket in &mut sockets {
        // What was on its way when the server was killed may come again.
        while socket.entry().await.seq < 3 {}
    }
}

#[tokio::test]
async fn r14_processes_fan_a_large_conversation_out_to_both_gateways() {
    let cluster = Cluster::with(infra, &[LARGE]).await;
    let addresses = cluster.addresses();
    let mut users = Vec::new();
    for (number, name) in ["alice", "bob", "carol", "dave"].into_iter().enumerate() {
        users.push(User::register(&addresses[number % 2], name).await);
    }
    let group = group(&addresses[0], &users.iter().collect::<Vec<_>>()).await;
    let mut sockets = Vec::new();
    for (number, user) in users.iter().enumerate() {
        sockets.push(Socket::open(&addresses[number % 2], user, Format::Proto).await);
    }
    for number in 0..20 {
        let seq = say(&addresses[number % 2], &users[number % 4], &group, &format!("say-{number}")).await;
        for socket in &mut sockets {
            while socket.entry().await.seq < seq {}
        }
    }
    drop(sockets);
    cluster.terminate().await;
}

/// Waits until the server says that something was missed.
async fn told_to_sync(socket: &mut Socket) {
    socket.until(|frame| matches!(frame, In::Resync(resync) if resync.reason == "parked").then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r14_r16_members_are_told_to_sync_when_a_record_of_a_large_conversation_is_given_up() {
    let cluster = Cluster::with(infra, &[LARGE]).await;
    let addresses = cluster.addresses();
    let mut users = Vec::new();
    for (number, name) in ["alice", "bob", "carol"].into_iter().enumerate() {
        users.push(User::register(&addresses[number % 2], name).await);
    }
    let stranger = User::register(&addresses[0], "stranger").await;
    let group = group(&addresses[0], &users.iter().collect::<Vec<_>>()).await;
    let mut sockets = Vec::new();
    for (number, user) in users.iter().enumerate() {
        sockets.push(Socket::open(&addresses[number % 2], user, Format::Proto).await);
    }
    let mut outside = Socket::open(&addresses[0], &stranger, Format::Proto).await;
    let seq = say(&addresses[0], &users[0], &group, "one").await;
    for socket in &mut sockets {
        while socket.entry().await.seq < seq {}
    }
    let queue = cluster.queue().await;
    let put = async |record| queue.produce(Topic::Task, vec![record], Room::Internal).await.unwrap();
    let is_gone = "bytes are gone";
    for record in [
        NewRecord::keyed(group.clone(), vec![0xff, 0xff]),
        NewRecord::keyed(group.clone(), "left").header(DAMAGED, is_gone),
    ] {
        put(record).await;
        for socket in &mut sockets {
            told_to_sync(socket).await;
        }
    }
    outside.send(Out::Ping(client::Ping { data: "nothing so far".into() })).await;
    assert!(matches!(outside.next().await, In::Pong(_)), "it is no conversation of theirs");

    // Without a key nobody knows whose it was.
    put(NewRecord::keyed("", "left").header(DAMAGED, is_gone)).await;
    for socket in sockets.iter_mut().chain([&mut outside]) {
        told_to_sync(socket).await;
    }
    assert_eq!(say(&addresses[1], &users[1], &group, "two").await, seq + 1);
    for socket in &mut sockets {
        gets(socket, seq + 1).await;
    }
    drop((sockets, outside));
    cluster.terminate().await;
}

/// What a device knows of its one conversation.
struct Device<'a> {
    user: &'a User,
    group: String,
    seq: i64,
}

impl Device<'_> {
    /// A hello with a digest of what it has; answers whether that is all there is.
    async fn hello(&self, server: &Server) -> (Socket, bool) {
        let mut socket = Socket::raw(server, Format::Proto).await;
        // It never reads: its cursor stands before the entry that brought it in.
        let mixed = digest::mix64(&self.group, self.seq, digest::my_rev(0, 0, 1));
        let digest = Some(Digest { count: 1, sum: mixed });
        socket.send(Out::Hello(Hello { access_token: self.user.token.clone(), digest, ..Hello::default() })).await;
        let In::Welcome(welcome) = socket.next().await else { panic!("a welcome comes first") };
        (socket, welcome.resumed)
    }
}

/// Whoever is told "resumed" misses nothing from there on, however the hellos, which are asked for together, and the entries fall.
async fn hello_leaves_no_gap(server: Server, members: usize) {
    let mut users = Vec::new();
    for number in 0..members {
        users.push(User::register(&server, &format!("user{number}")).await);
    }
    let id = group(&server, &users.iter().collect::<Vec<_>>()).await;
    let seq = say(&server, &users[0], &id, "first").await;
    let mut devices: Vec<Device> = users[1..].iter().map(|user| Device { user, group: id.clone(), seq }).collect();
    let (mut random, mut resumes, mut hellos) = (fastrand::Rng::with_seed(5), 0, 0);
    for round in 0..80 {
        // The entry is stored before, amid and after the hellos.
        let (talk_ms, hello_ms) = (random.u64(0..12), random.u64(0..24));
        let talk = async {
            tokio::time::sleep(Duration::from_millis(talk_ms)).await;
            say(&server, &users[0], &id, &format!("say-{round}")).await
        };
        let come = devices.iter().map(|device| {
            let hello_ms = hello_ms + random.u64(0..2);
            let server = &server;
            async move {
                tokio::time::sleep(Duration::from_millis(hello_ms)).await;
                device.hello(server).await
            }
        });
        let (seq, come) = tokio::join!(talk, join_all(come));
        hellos += come.len();
        for (mut socket, _) in come.into_iter().filter(|(_, is_resumed)| *is_resumed) {
            resumes += 1;
            while socket.entry().await.seq < seq {}
        }
        devices.iter_mut().for_each(|device| device.seq = seq);
    }
    assert!((1..hellos).contains(&resumes), "void: {resumes} of {hellos} hellos came before the entry");
}

#[tokio::test]
async fn r13_hello_leaves_no_gap_in_a_small_conversation() {
    hello_leaves_no_gap(Server::start().await, 4).await;
}

#[tokio::test]
async fn r13_hello_leaves_no_gap_in_a_large_conversation() {
    hello_leaves_no_gap(Server::with(&[LARGE]).await, 4).await;
}
