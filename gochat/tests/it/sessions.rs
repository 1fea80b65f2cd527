//! Sessions in their life: refreshed, listed, ended.

use proto::client::{self, client_frame::Frame as Out, server_frame::Frame as In};
use reqwest::Method;
use serde_json::{Value, json};

use super::{
    client::{Format, Socket, User},
    server::{At as _, Server},
};

async fn refresh(server: &Server, user: &User, token: &str) -> (u16, Value) {
    let answer =
        user.http.post(server.url("/v1/auth/refresh")).json(&json!({"refresh_token": token})).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

#[tokio::test]
async fn a_refresh_token_works_once_and_its_second_use_ends_the_session() {
    let server = Server::start().await;
    let alice = User::register(&server, "alice").await;
    let mut socket = Socket::open(&server, &alice, Format::Json).await;
    let guess = format!("{}.{}", alice.session_id, "0".repeat(64));
    let (code, guessed) = refresh(&server, &alice, &guess).await;
    assert_eq!((code, guessed["code"].as_str()), (401, Some("refresh_invalid")), "a guess ends nothing");
    let (code, fresh) = refresh(&server, &alice, &alice.refresh_token).await;
    assert_eq!(code, 200);
    socket.send(Out::Auth(client::Auth { access_token: fresh["access_token"].as_str().unwrap().into() })).await;
    socket.send(Out::Ping(client::Ping::default())).await;
    assert!(matches!(socket.next().await, In::Pong(_)), "the new token was taken");
    let (code, reused) = refresh(&server, &alice, &alice.refresh_token).await;
    assert_eq!((code, reused["code"].as_str()), (401, Some("refresh_reused")));
    let (code, _) = refresh(&server, &alice, fresh["refresh_token"].as_str().unwrap()).await;
    assert_eq!(code, 401);
    assert_eq!(socket.closed().await, 4403, "the live connection ends with its session");
}

#[tokio::test]
async fn r08_a_revoked_session_dies_at_once_and_its_token_is_refused() {
    let server = Server::start().await;
    let alice = User::register(&server, "alice").await;
    let body =
        json!({"name": "alice", "password": "correct horse", "device": {"device_id": "other", "platform": "web"}});
    let answer = alice.http.post(server.url("/v1/auth/login")).json(&body).send().await.unwrap();
    let other = User::of("alice", &answer.json().await.unwrap(), alice.http.clone());
    let sessions = alice.get(&server, "/v1/me/sessions").await;
    assert_eq!(sessions["items"].as_array().unwrap().len(), 2);
    let mut socket = Socket::open(&server, &other, Format::Json).await;
    let path = format!("/v1/me/sessions/{}", other.session_id);
    assert_eq!(alice.request(&server, Method::DELETE, &path, "", None).await.status().as_u16(), 204);
    assert!(matches!(socket.next().await, In::Kicked(_)));
    assert_eq!(socket.closed().await, 4403);
    let refused = other.request(&server, Method::GET, "/v1/me", "", None).await;
    assert_eq!(refused.json::<Value>().await.unwrap()["code"], "session_revoked");
    assert_eq!(alice.get(&server, "/v1/me").await["name"], "alice", "other sessions go on");
}

#[tokio::test]
async fn a_token_that_ends_is_announced_and_then_closes_the_connection() {
    let server = Server::with(&[("LOGIC__AUTH__ACCESS_TTL_MS", "10000")]).await;
    let alice = User::register(&server, "alice").await;
    let mut socket = Socket::open(&server, &alice, Format::Json).await;
    let notice = socket.until(|frame| if let In::Notice(notice) = frame { Some(notice) } else { None }).await;
    assert_eq!(notice.code, "token_expiring");
    let (_, fresh) = refresh(&server, &alice, &alice.refresh_token).await;
    socket.send(Out::Auth(client::Auth { access_token: fresh["access_token"].as_str().unwrap().into() })).await;
    socket.send(Out::Ping(client::Ping::default())).await;
    assert!(matches!(socket.next().await, In::Pong(_)));
}

#[tokio::test]
async fn guests_come_without_a_password_and_names_are_unique() {
    let server = Server::start().await;
    let alice = User::register(&server, "alice").await;
    let device = json!({"device_id": "d", "platform": "web"});
    let post = async |path: &str, body: Value| {
        let answer = alice.http.post(server.url(path)).json(&body).send().await.unwrap();
        (answer.status().as_u16(), answer.json::<Value>().await.unwrap())
    };
    let (code, taken) =
        post("/v1/auth/register", json!({"name": "ALICE", "password": "password", "device": device})).await;
    assert_eq!((code, taken["code"].as_str()), (409, Some("name_taken")));
    let (code, wrong) = post("/v1/auth/login", json!({"name": "alice", "password": "wrong", "device": device})).await;
    assert_eq!((code, wrong["code"].as_str()), (401, Some("bad_credentials")));
    let (code, nobody) = post("/v1/auth/login", json!({"name": "nobody", "password": "wrong", "device": device})).await;
    assert_eq!((code, nobody["code"].as_str()), (401, Some("bad_credentials")), "names are not told");
    let (code, guest) = post("/v1/auth/guest", json!({"display_name": "Visitor", "device": device})).await;
    assert_eq!(code, 200);
    let guest = User::of("guest", &guest, alice.http.clone());
    let me = guest.get(&server, "/v1/me").await;
    assert_eq!((me["guest"].as_bool(), me["display_name"].as_str()), (Some(true), Some("Visitor")));
}
