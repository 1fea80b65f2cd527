//! What was acknowledged is there after `kill -9`, once, in the order it was told.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use proto::client::server_frame::Frame as In;

use super::{
    client::{Format, Socket, User},
    server::Server,
};

/// Commands of one writer.
const COMMANDS: usize = 400;

/// Sends everything that has no outcome yet, in order, until all have one or the server dies under it.
async fn write(server: &Server, user: &User, conversation: &str, acked: &mut BTreeMap<String, i64>, die_after: usize) {
    let mut socket = Socket::open(server, user, Format::Proto).await;
    let open: Vec<String> =
        (0..COMMANDS).map(|n| format!("{}-{n:04}", user.name)).filter(|id| !acked.contains_key(id)).collect();
    let mut waiting = BTreeSet::new();
    let mut next = open.iter();
    let before = acked.len();
    while acked.len() < COMMANDS && acked.len() - before < die_after {
        while waiting.len() < 32
            && let Some(id) = next.next()
        {
            if socket.try_send_text(conversation, id, id).await.is_err() {
                return;
            }
            waiting.insert(id.clone());
        }
        match socket.read().await {
            Ok(Some(In::Ack(ack))) => {
                waiting.remove(&ack.command_id);
                acked.insert(ack.command_id, ack.seq);
            }
            Ok(Some(_)) => {}
            Ok(None) | Err(_) => return,
        }
    }
}

#[tokio::test]
async fn p1_nothing_acknowledged_is_lost_doubled_or_reordered_by_kill_9() {
    let mut server =
        Server::with(&[("GATEWAY__RATE__COMMANDS_PER_SECOND", "100000"), ("GATEWAY__RATE__COMMANDS_BURST", "100000")])
            .await;
    let (alice, bob) = (User::register(&server, "alice").await, User::register(&server, "bob").await);
    let conversation = alice.direct(&bob);
    let (mut of_alice, mut of_bob) = (BTreeMap::new(), BTreeMap::new());
    for die_after in [3, 60, 150] {
        // Both are in the middle of 32 commands when it dies.
        let writing = async {
            tokio::join!(
                write(&server, &alice, &conversation, &mut of_alice, die_after),
                write(&server, &bob, &conversation, &mut of_bob, die_after)
            )
        };
        tokio::time::timeout(Duration::from_secs(60), writing).await.expect("writers end");
        server = server.kill_and_restart().await;
    }
    for (user, acked) in [(&alice, &mut of_alice), (&bob, &mut of_bob)] {
        write(&server, user, &conversation, acked, COMMANDS).await;
        assert_eq!(acked.len(), COMMANDS);
    }
    let log = alice.history(&server, &conversation).await;
    assert_eq!(log, bob.history(&server, &conversation).await, "one order for all");
    assert_eq!(
        log.iter().map(|entry| entry.seq).collect::<Vec<_>>(),
        (1..=2 * COMMANDS as i64).collect::<Vec<_>>(),
        "dense"
    );
    for (user, acked) in [(&alice, &of_alice), (&bob, &of_bob)] {
        let stored: BTreeMap<String, i64> = log
            .iter()
            .filter(|entry| entry.sender_id == user.id)
            .map(|entry| (entry.command_id.clone(), entry.seq))
            .collect();
        assert_eq!(&stored, acked, "every ack holds, and nothing is there twice");
    }
}

#[tokio::test]
async fn accounts_and_sessions_survive_kill_9() {
    let server = Server::start().await;
    let alice = User::register(&server, "alice").await;
    let server = server.kill_and_restart().await;
    assert_eq!(alice.get(&server, "/v1/me").await["name"], "alice", "the signing key was kept");
}

#[tokio::test]
async fn sigterm_sends_clients_away_and_ends_with_code_0() {
    let server = Server::start().await;
    let (alice, bob) = (User::register(&server, "alice").await, User::register(&server, "bob").await);
    let mut socket = Socket::open(&server, &alice, Format::Json).await;
    socket.send_text(&alice.direct(&bob), "last", "words").await;
    socket.ack("last").await;
    let (code, told) = tokio::join!(server.terminate(), async {
        let told =
            socket.until(|frame| if let In::Reconnect(reconnect) = frame { Some(reconnect) } else { None }).await;
        assert_eq!(socket.closed().await, 1001);
        told
    });
    assert_eq!(code, Some(0));
    assert!(told.after_ms <= 200);
}
