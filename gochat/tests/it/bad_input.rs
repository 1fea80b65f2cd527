//! Bad input gets a stable code, a message that says what to do, and a metric; nothing panics.

use im_infra::testing::eventually;
use proto::client::{self, Hello, client_frame::Frame as Out};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{Error as WsError, Message, client::IntoClientRequest as _};

use super::{
    client::{Format, Socket, User},
    server::{At as _, Server},
};

async fn refused(server: &Server, code: &str) -> f64 {
    let text = reqwest::get(format!("http://{}/metrics", server.admin)).await.unwrap().text().await.unwrap();
    let line = format!("im_refusals_total{{code=\"{code}\"}} ");
    text.lines().find_map(|one| one.strip_prefix(&line)).map_or(0.0, |value| value.parse().unwrap())
}

#[tokio::test]
async fn frames_that_cannot_be_read_close_with_a_code_of_their_own() {
    let server = Server::start().await;
    let alice = User::register(&server, "alice").await;
    let big = format!(r#"{{"ping":{{"data":"{}"}}}}"#, "x".repeat(70_000));
    for (format, message, code, close) in [
        (Format::Json, Message::text("{"), "malformed_frame", 4400),
        (Format::Proto, Message::binary(vec![0xff_u8, 0xff]), "malformed_frame", 4400),
        (Format::Json, Message::binary(vec![1_u8]), "wrong_encoding", 4415),
        (Format::Proto, Message::text("{}"), "wrong_encoding", 4415),
        (Format::Json, Message::text(big), "frame_too_big", 4413),
    ] {
        let mut socket = Socket::open(&server, &alice, format).await;
        socket.send_raw(message).await;
        assert_eq!(socket.closed().await, close, "{code}");
        assert!(refused(&server, code).await >= 1.0, "{code}");
    }
}

#[tokio::test]
async fn an_unknown_frame_is_answered_and_the_connection_goes_on() {
    let server = Server::start().await;
    let alice = User::register(&server, "alice").await;
    let mut socket = Socket::open(&server, &alice, Format::Json).await;
    socket.send_raw(Message::text(r#"{"dance":{}}"#)).await;
    assert_eq!(socket.error().await, "unknown_frame");
    socket.send(Out::Ping(client::Ping { data: "x".into() })).await;
    assert!(matches!(socket.next().await, proto::client::server_frame::Frame::Pong(_)));
}

#[tokio::test]
async fn a_connection_begins_with_one_hello_in_time() {
    let server = Server::with(&[("GATEWAY__WS__HELLO_TIMEOUT_MS", "300")]).await;
    let alice = User::register(&server, "alice").await;
    let mut silent = Socket::raw(&server, Format::Json).await;
    assert_eq!(silent.closed().await, 4408);
    let mut hasty = Socket::raw(&server, Format::Json).await;
    hasty.send(Out::Ping(client::Ping::default())).await;
    assert_eq!(hasty.error().await, "hello_required");
    assert_eq!(hasty.closed().await, 4406);
    for (token, close) in [("", 4401), ("nonsense", 4401)] {
        let mut socket = Socket::raw(&server, Format::Json).await;
        socket.send(Out::Hello(Hello { access_token: token.into(), ..Hello::default() })).await;
        assert_eq!(socket.closed().await, close);
    }
    let mut twice = Socket::open(&server, &alice, Format::Json).await;
    twice.send(Out::Hello(Hello { access_token: alice.token.clone(), ..Hello::default() })).await;
    assert_eq!(twice.closed().await, 4406);
}

#[tokio::test]
async fn a_silent_client_is_gone_after_the_heartbeat() {
    let server = Server::with(&[("GATEWAY__WS__HEARTBEAT_MS", "300")]).await;
    let alice = User::register(&server, "alice").await;
    let mut socket = Socket::open(&server, &alice, Format::Json).await;
    assert_eq!(socket.closed().await, 4407);
}

#[tokio::test]
async fn upgrades_are_refused_for_foreign_pages_unknown_protocols_and_a_full_house() {
    let server = Server::with(&[("GATEWAY__WS__CONNECTIONS_MAX", "1")]).await;
    let alice = User::register(&server, "alice").await;
    let upgrade = async |origin: &str, protocol: &str| {
        let mut request = format!("ws://{}/ws", server.address).into_client_request().unwrap();
        request.headers_mut().insert("origin", origin.parse().unwrap());
        request.headers_mut().insert("sec-websocket-protocol", protocol.parse().unwrap());
        match tokio_tungstenite::connect_async(request).await {
            Ok(_) => None,
            Err(WsError::Http(answer)) => {
                let body: Value = serde_json::from_slice(answer.body().as_ref().unwrap()).unwrap();
                Some((answer.status().as_u16(), body["code"].as_str().unwrap().to_owned()))
            }
            Err(error) => panic!("{error}"),
        }
    };
    let own = format!("http://{}", server.address);
    assert_eq!(upgrade("https://evil.example", "gochat.v1.json").await, Some((403, "origin_forbidden".into())));
    assert_eq!(upgrade(&own, "chat").await, Some((400, "subprotocol_required".into())));
    assert_eq!(upgrade(&own, "gochat.v1.json").await, None);
    // The one before leaves when the server has noticed that it is gone.
    let _only = eventually("room", || Socket::try_open(&server.address, &alice)).await;
    assert_eq!(upgrade(&own, "gochat.v1.json").await, Some((503, "overloaded".into())));
}

#[tokio::test]
async fn commands_that_cannot_be_are_answered_with_what_to_do() {
    let server = Server::start().await;
    let (alice, bob) = (User::register(&server, "alice").await, User::register(&server, "bob").await);
    let mut socket = Socket::open(&server, &alice, Format::Json).await;
    let direct = alice.direct(&bob);
    let nobody = format!("d:1:{}", alice.id);
    let group = "g:00000000000000000000000000000001";
    for (conversation, command, body, code) in [
        (direct.as_str(), "", "x", "idempotency_key_required"),
        (&direct, "~mine", "x", "idempotency_key_required"),
        (&direct, "c1", " ", "body_empty"),
        (&direct, "c2", &"x".repeat(20_000), "body_too_big"),
        ("nonsense", "c3", "x", "unknown_conversation"),
        (&nobody, "c4", "x", "unknown_user"),
        ("d:1:2", "c5", "x", "not_a_member"),
        (group, "c6", "x", "unknown_conversation"),
    ] {
        socket.send_text(conversation, command, body).await;
        assert_eq!(socket.error().await, code, "{conversation} {command}");
    }
    let path = format!("/v1/conversations/{direct}/messages");
    let (code, answer) = alice.post(&server, &path, "", json!({"content": {"text": {"text": "x"}}})).await;
    assert_eq!((code, answer["code"].as_str()), (400, Some("idempotency_key_required")));
    let (code, answer) = alice.post(&server, &path, "k", json!({"content": 7})).await;
    assert_eq!((code, answer["code"].as_str()), (400, Some("invalid_argument")));
    assert!(answer["detail"].as_str().unwrap().len() > 10);
    for (path, code) in [("/v1/nothing", 404), ("/nothing.js", 404), ("/v1/conversations?limit=1000", 400)] {
        assert_eq!(alice.request(&server, Method::GET, path, "", None).await.status().as_u16(), code, "{path}");
    }
    let stranger = alice.request(&server, Method::GET, &format!("/v1/conversations/{group}/messages"), "", None).await;
    assert_eq!(stranger.status(), StatusCode::NOT_FOUND);
    let anonymous = reqwest::get(server.url("/v1/me")).await.unwrap();
    assert_eq!(anonymous.json::<Value>().await.unwrap()["code"], "token_missing");
    let foreign = alice.http.post(server.url(&path)).header("origin", "https://evil.example").bearer_auth(&alice.token);
    assert_eq!(foreign.send().await.unwrap().status(), StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn r02_too_many_commands_are_told_when_to_come_again_and_later_ones_wait() {
    let server =
        Server::with(&[("GATEWAY__RATE__COMMANDS_PER_SECOND", "2"), ("GATEWAY__RATE__COMMANDS_BURST", "1")]).await;
    let (alice, bob) = (User::register(&server, "alice").await, User::register(&server, "bob").await);
    let direct = alice.direct(&bob);
    let mut socket = Socket::open(&server, &alice, Format::Json).await;
    for command in ["a", "b", "c"] {
        socket.send_text(&direct, command, "x").await;
    }
    let mut errors = Vec::new();
    while errors.len() < 2 {
        if let proto::client::server_frame::Frame::Error(frame) = socket.next().await {
            let error = frame.error.unwrap();
            assert!(error.retry_after_ms > 0, "{error:?}");
            errors.push((frame.command_id, error.code));
        }
    }
    assert_eq!(errors, [("b".into(), "rate_limited".into()), ("c".into(), "retry_in_order".to_owned())]);
    // The refused one comes again, then the one behind it.
    for command in ["b", "c"] {
        loop {
            socket.send_text(&direct, command, "x").await;
            let again = socket
                .until(|frame| match frame {
                    proto::client::server_frame::Frame::Ack(ack) if ack.command_id == command => Some(false),
                    proto::client::server_frame::Frame::Error(error) if error.command_id == command => Some(true),
                    _ => None,
                })
                .await;
            if !again {
                break;
            }
        }
    }
    let order: Vec<_> = bob.history(&server, &direct).await.into_iter().map(|entry| entry.command_id).collect();
    assert_eq!(order, ["a", "b", "c"]);
}

#[tokio::test]
async fn r01_a_full_window_is_overloaded_over_http_too() {
    let server = Server::with(&[("GATEWAY__WINDOW__BYTES_MAX", "1024")]).await;
    let (alice, bob) = (User::register(&server, "alice").await, User::register(&server, "bob").await);
    let path = format!("/v1/conversations/{}/messages", alice.direct(&bob));
    let (code, answer) =
        alice.post(&server, &path, "k", json!({"content": {"text": {"text": "x".repeat(1_500)}}})).await;
    assert_eq!((code, answer["code"].as_str()), (503, Some("overloaded")));
    assert!(answer["retry_after_ms"].as_u64().unwrap() > 0);
}
