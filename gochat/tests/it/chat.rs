//! Two people talk.

use proto::{
    client::{self, Hello, client_frame::Frame as Out, server_frame::Frame as In},
    conversation::Known,
};
use serde_json::json;

use super::{
    client::{Format, Socket, User},
    server::Server,
};

fn fetch(conversation_id: &str, from_seq: i64, to_seq: i64, tag: &str) -> Out {
    Out::Fetch(client::Fetch { conversation_id: conversation_id.into(), from_seq, to_seq, tag: tag.into() })
}

#[tokio::test]
async fn two_users_chat_in_both_encodings() {
    let server = Server::start().await;
    let (alice, bob) = (User::register(&server, "alice").await, User::register(&server, "bob").await);
    let conversation = alice.direct(&bob);
    let mut a = Socket::open(&server, &alice, Format::Json).await;
    let mut b = Socket::open(&server, &bob, Format::Proto).await;
    let mut a2 = Socket::open(&server, &alice, Format::Proto).await;

    a.send_text(&conversation, "a1", "hello").await;
    let ack = a.ack("a1").await;
    assert_eq!((ack.seq, &ack.conversation_id), (1, &conversation));
    let entry = b.entry().await;
    assert_eq!((entry.seq, entry.sender_id, entry.message_id), (1, alice.id, ack.message_id));
    assert_eq!(a2.entry().await.seq, 1, "the sender's other connection has it too");

    b.send_text(&conversation, "b1", "hi").await;
    assert_eq!(b.ack("b1").await.seq, 2);
    let answered =
        a.until(|frame| if let In::Entry(entry) = frame { (entry.seq == 2).then_some(entry) } else { None }).await;
    assert_eq!(answered.sender_id, bob.id);
}

#[tokio::test]
async fn p4_a_resend_is_harmless_and_an_accepted_entry_is_pushed_again() {
    let server = Server::start().await;
    let (alice, bob) = (User::register(&server, "alice").await, User::register(&server, "bob").await);
    let conversation = alice.direct(&bob);
    let mut a = Socket::open(&server, &alice, Format::Json).await;
    let mut b = Socket::open(&server, &bob, Format::Json).await;
    a.send_text(&conversation, "same", "hello").await;
    let first = a.ack("same").await;
    a.send_text(&conversation, "same", "hello").await;
    assert_eq!(a.ack("same").await, first);
    assert_eq!(b.entry().await.seq, 1);
    assert_eq!(b.entry().await.seq, 1, "pushed again");
    a.send_text(&conversation, "same", "something else").await;
    assert_eq!(a.error().await, "conflict");
    assert_eq!(bob.history(&server, &conversation).await.len(), 1);
}

#[tokio::test]
async fn p5_messages_of_one_sender_keep_their_order() {
    let server = Server::with(&[("GATEWAY__RATE__COMMANDS_BURST", "1000")]).await;
    let (alice, bob) = (User::register(&server, "alice").await, User::register(&server, "bob").await);
    let conversation = alice.direct(&bob);
    let mut a = Socket::open(&server, &alice, Format::Proto).await;
    let mut b = Socket::open(&server, &bob, Format::Proto).await;
    for number in 0..200 {
        a.send_text(&conversation, &format!("c{number}"), &number.to_string()).await;
    }
    for number in 0..200 {
        let entry = b.entry().await;
        assert_eq!((entry.seq, entry.command_id), (number + 1, format!("c{number}")));
    }
}

#[tokio::test]
async fn history_is_paged_backwards_and_unread_counts_follow_the_cursor() {
    let server = Server::with(&[("GATEWAY__RATE__COMMANDS_BURST", "1000")]).await;
    let (alice, bob) = (User::register(&server, "alice").await, User::register(&server, "bob").await);
    let conversation = alice.direct(&bob);
    let mut a = Socket::open(&server, &alice, Format::Json).await;
    for number in 1..=7 {
        a.send_text(&conversation, &format!("c{number}"), "x").await;
        a.ack(&format!("c{number}")).await;
    }
    let path = format!("/v1/conversations/{conversation}/messages?limit=3");
    let newest = bob.get(&server, &path).await;
    let seqs = |page: &serde_json::Value| {
        page["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|entry| entry["seq"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!((seqs(&newest), newest["next_cursor"].as_str()), (vec!["5".into(), "6".into(), "7".into()], Some("5")));
    let oldest = bob.get(&server, &format!("{path}&before=2")).await;
    assert_eq!((seqs(&oldest), oldest["next_cursor"].as_str()), (vec!["1".into()], None));

    let unread = async |user: &User| {
        user.get(&server, &format!("/v1/conversations/{conversation}")).await["unread"].as_str().map(str::to_owned)
    };
    assert_eq!(unread(&bob).await.as_deref(), Some("7"));
    assert_eq!(unread(&alice).await, None, "a sender has read what it sent");
    let mut b = Socket::open(&server, &bob, Format::Json).await;
    b.send(Out::Read(client::Read { conversation_id: conversation.clone(), read_seq: 5 })).await;
    let receipt = a.until(|frame| if let In::Receipt(receipt) = frame { Some(receipt) } else { None }).await;
    assert_eq!((receipt.user_id, receipt.read_seq), (bob.id, 5));
    assert_eq!(unread(&bob).await.as_deref(), Some("2"));
    // The same again, as im-logic gets it whose batch failed after the cursor had moved; what is behind tells nothing.
    for read_seq in [3, 5] {
        b.send(Out::Read(client::Read { conversation_id: conversation.clone(), read_seq })).await;
    }
    let receipt = a.until(|frame| if let In::Receipt(receipt) = frame { Some(receipt) } else { None }).await;
    assert_eq!((receipt.user_id, receipt.read_seq), (bob.id, 5), "none is lost with a batch");
}

#[tokio::test]
async fn a_device_that_was_away_syncs_and_an_equal_digest_resumes() {
    let server = Server::start().await;
    let (alice, bob) = (User::register(&server, "alice").await, User::register(&server, "bob").await);
    let conversation = alice.direct(&bob);
    let mut a = Socket::open(&server, &alice, Format::Json).await;
    for number in 1..=30 {
        a.send_text(&conversation, &format!("c{number}"), "x").await;
        a.ack(&format!("c{number}")).await;
    }
    let mut b = Socket::open(&server, &bob, Format::Json).await;
    b.send(Out::Sync(client::Sync::default())).await;
    let page = b.until(|frame| if let In::SyncPage(page) = frame { Some(page) } else { None }).await;
    let item = page.items.first().unwrap().clone();
    let state = item.conversation.unwrap();
    assert_eq!((item.entries.len(), item.gap_from, item.gap_to, page.done), (20, 1, 10, true));
    assert_eq!((state.last_seq, state.unread, state.peer.unwrap().name.as_str()), (30, 30, "alice"));

    b.send(fetch(&conversation, 1, 10, "")).await;
    let entries = b.until(|frame| if let In::Entries(entries) = frame { Some(entries) } else { None }).await;
    assert_eq!(entries.entries.iter().map(|entry| entry.seq).collect::<Vec<_>>(), (1..=10).collect::<Vec<_>>());
    assert!(entries.done);

    // What it has now is all there is: nothing comes, and what is gone is told.
    let known = |conversation_id: &str| Known {
        conversation_id: conversation_id.into(),
        seq: 30,
        read_seq: 0,
        my_rev: state.my_rev,
    };
    b.send(Out::Sync(client::Sync { known: vec![known(&conversation), known("d:1:2")], ..client::Sync::default() }))
        .await;
    let page = b.until(|frame| if let In::SyncPage(page) = frame { Some(page) } else { None }).await;
    assert_eq!((page.items.len(), page.gone), (0, vec!["d:1:2".to_owned()]));

    let sum = im_logic::domain::digest::mix64(&conversation, 30, state.my_rev);
    for (digest, resumed) in
        [(client::Digest { count: 1, sum }, true), (client::Digest { count: 1, sum: sum ^ 1 }, false)]
    {
        let mut again = Socket::raw(&server, Format::Json).await;
        again
            .send(Out::Hello(Hello { access_token: bob.token.clone(), digest: Some(digest), ..Hello::default() }))
            .await;
        let welcome = again.until(|frame| if let In::Welcome(welcome) = frame { Some(welcome) } else { None }).await;
        assert_eq!(welcome.resumed, resumed);
    }
}

#[tokio::test]
async fn r06_a_sync_carries_read_cursors_that_a_killed_gateway_lost() {
    let server = Server::start().await;
    let (alice, bob) = (User::register(&server, "alice").await, User::register(&server, "bob").await);
    let conversation = alice.direct(&bob);
    let (code, _) = alice
        .post(
            &server,
            &format!("/v1/conversations/{conversation}/messages"),
            "k",
            json!({"content": {"text": {"text": "x"}}}),
        )
        .await;
    assert_eq!(code, 201);
    let mut a = Socket::open(&server, &alice, Format::Json).await;
    let mut b = Socket::open(&server, &bob, Format::Json).await;
    let known = Known { conversation_id: conversation.clone(), seq: 1, read_seq: 1, my_rev: 0 };
    b.send(Out::Sync(client::Sync { known: vec![known], ..client::Sync::default() })).await;
    b.until(|frame| if let In::SyncPage(page) = frame { Some(page) } else { None }).await;
    let state = bob.get(&server, &format!("/v1/conversations/{conversation}")).await;
    assert_eq!((state["read_seq"].as_str(), state["unread"].as_str()), (Some("1"), None));
    let receipt = a.until(|frame| if let In::Receipt(receipt) = frame { Some(receipt) } else { None }).await;
    assert_eq!((receipt.conversation_id, receipt.user_id, receipt.read_seq), (conversation, bob.id, 1));
}

#[tokio::test]
async fn r18_an_answer_larger_than_what_may_wait_comes_in_parts() {
    let queue = [("GATEWAY__WS__QUEUE_BYTES_MAX", "65536"), ("GATEWAY__RATE__COMMANDS_BURST", "1000")];
    let server = Server::with(&queue).await;
    let (alice, bob) = (User::register(&server, "alice").await, User::register(&server, "bob").await);
    let conversation = alice.direct(&bob);
    let mut a = Socket::open(&server, &alice, Format::Proto).await;
    for number in 1..=60 {
        a.send_text(&conversation, &format!("c{number}"), &"x".repeat(10_000)).await;
        a.ack(&format!("c{number}")).await;
    }
    let mut b = Socket::open(&server, &bob, Format::Json).await;
    b.send(fetch(&conversation, 1, 60, "")).await;
    let (mut seqs, mut done) = (Vec::new(), false);
    while !done {
        let entries = b.until(|frame| if let In::Entries(entries) = frame { Some(entries) } else { None }).await;
        assert!(entries.entries.len() < 20, "in parts");
        seqs.extend(entries.entries.iter().map(|entry| entry.seq));
        done = entries.done;
    }
    assert_eq!(seqs, (1..=60).collect::<Vec<_>>());
    b.send(Out::Sync(client::Sync::default())).await;
    let page = b.until(|frame| if let In::SyncPage(page) = frame { Some(page) } else { None }).await;
    assert_eq!((page.items[0].entries.len(), page.done), (20, true));
}

/// The tag of what answers a sync or fetch, and whether that is its last frame.
fn answered(frame: In) -> Option<(String, bool)> {
    match frame {
        In::Entries(entries) => Some((entries.tag, entries.done)),
        In::SyncPage(page) => Some((page.tag, page.done)),
        In::Error(error) => Some((error.tag, true)),
        _ => None,
    }
}

#[tokio::test]
async fn answers_say_which_of_several_syncs_and_fetches_they_belong_to() {
    let server = Server::with(&[("GATEWAY__WS__ANSWER_BYTES_MAX", "65536")]).await;
    let (alice, bob) = (User::register(&server, "alice").await, User::register(&server, "bob").await);
    let conversation = alice.direct(&bob);
    let mut a = Socket::open(&server, &alice, Format::Json).await;
    // Six of these fit into a frame.
    for number in 1..=20 {
        a.send_text(&conversation, &format!("c{number}"), &"x".repeat(10_000)).await;
        a.ack(&format!("c{number}")).await;
    }
    let mut b = Socket::open(&server, &bob, Format::Json).await;
    b.send(fetch(&conversation, 1, 20, "all")).await;
    b.send(fetch(&conversation, 1, 1, "one")).await;
    b.send(Out::Sync(client::Sync { tag: "sync".into(), ..client::Sync::default() })).await;
    b.send(fetch("d:1:2", 1, 1, "not mine")).await;
    let (mut all, mut others) = (Vec::new(), Vec::new());
    while all.last() != Some(&true) || others.len() < 3 {
        let (tag, done) = b.until(answered).await;
        if tag == "all" {
            all.push(done);
        } else {
            others.push((tag, done));
        }
    }
    assert_eq!(all, [false, false, false, true]);
    others.sort();
    assert_eq!(others, ["not mine", "one", "sync"].map(|tag| (tag.to_owned(), true)));
    b.send(fetch(&conversation, 1, 1, &"x".repeat(65))).await;
    assert_eq!(b.error().await, "invalid_argument");
}
