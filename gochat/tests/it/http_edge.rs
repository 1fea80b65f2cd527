//! Where TCP and HTTP begin: half requests, too many connections, pages of other origins, ids of requests.

use std::time::{Duration, Instant};

use im_infra::{
    mq::{EmbeddedLog, EmbeddedLogOptions, Queue, Topic},
    telemetry::Telemetry,
    testing::eventually,
};
use prost::Message as _;
use proto::mq;
use reqwest::{Client, Method, Response, header::HeaderMap};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use super::{
    client::{Format, Socket, User},
    server::{At as _, Server},
};

/// How long anything may take before a test gives up on it: less than an unbounded wait, more than a busy machine needs.
const PATIENCE: Duration = Duration::from_secs(8);

/// A connection over which so much was said.
async fn connection(server: &Server, said: &str) -> TcpStream {
    let mut stream = TcpStream::connect(&server.address).await.unwrap();
    stream.write_all(said.as_bytes()).await.unwrap();
    stream
}

/// All that the server still says, up to the end of the connection.
async fn rest(mut stream: TcpStream) -> String {
    let mut heard = Vec::new();
    // A connection that is reset has ended, too.
    let _ = timeout(PATIENCE, stream.read_to_end(&mut heard)).await.expect("the connection is ended in time");
    String::from_utf8(heard).unwrap()
}

/// How many TCP connections the server counts.
async fn connections(server: &Server) -> u64 {
    let metrics = reqwest::get(format!("http://{}/metrics", server.admin)).await.unwrap().text().await.unwrap();
    let count = metrics.lines().find_map(|line| line.strip_prefix("im_tcp_connections "));
    count.map_or(0, |count| count.parse().unwrap())
}

async fn has_connections(server: &Server, wanted: u64) {
    eventually("so many connections", || async { (connections(server).await == wanted).then_some(()) }).await;
}

async fn code(answer: Response) -> (u16, String) {
    assert_eq!(answer.headers()["content-type"], "application/problem+json");
    let status = answer.status().as_u16();
    (status, answer.json::<Value>().await.unwrap()["code"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn half_a_request_and_a_silent_connection_are_ended_in_time() {
    let server = Server::with(&[("GATEWAY__HTTP__HEADER_TIMEOUT_MS", "300")]).await;
    for half in ["", "P", "PRI * HTTP/2", "GET /v1/me HTTP/1.1\r\nhost: x\r\nx-slow: "] {
        rest(connection(&server, half).await).await;
    }
    let whole = rest(connection(&server, "GET /v1/me HTTP/1.1\r\nhost: x\r\n\r\n").await).await;
    assert!(whole.starts_with("HTTP/1.1 401"), "answered, and ended when nothing followed: {whole}");
    let head =
        "POST /v1/auth/login HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{";
    let body = rest(connection(&server, head).await).await;
    assert!(body.starts_with("HTTP/1.1 400") && body.contains("invalid_argument"), "a body has its time: {body}");
    has_connections(&server, 0).await;
}

#[tokio::test]
async fn a_drain_waits_for_no_request_that_has_only_begun() {
    let server = Server::start().await;
    let _silent = connection(&server, "").await;
    let _half = connection(&server, "GET /v1/me HTTP/1.1\r\nhost:").await;
    let mut kept = connection(&server, "GET /v1/me HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(kept.read(&mut [0; 64]).await.unwrap() > 0, "it is answered, and kept alive");
    has_connections(&server, 3).await;
    let begun = Instant::now();
    assert_eq!(server.terminate().await, Some(0));
    assert!(begun.elapsed() < PATIENCE, "less than the time of a head and of a drain: {:?}", begun.elapsed());
}

#[tokio::test]
async fn one_connection_too_many_is_told_so() {
    let server = Server::with(&[("GATEWAY__WS__CONNECTIONS_MAX", "2"), ("GATEWAY__HTTP__CONNECTIONS_MAX", "3")]).await;
    let mut silent = Vec::new();
    for _ in 0..3 {
        silent.push(connection(&server, "").await);
    }
    has_connections(&server, 3).await;
    let refused = reqwest::get(server.url("/v1/openapi.json")).await.unwrap();
    assert_eq!(refused.headers()["retry-after"], "5");
    assert_eq!(refused.headers()["connection"], "close");
    assert_eq!(code(refused).await, (503, "overloaded".to_owned()));
    drop(silent.pop());
    eventually("room again", || async {
        let answer = Client::new().get(server.url("/v1/openapi.json")).send().await.unwrap();
        (answer.status() == 200).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_websocket_keeps_the_place_of_its_connection() {
    let server = Server::with(&[("GATEWAY__HTTP__HEADER_TIMEOUT_MS", "300")]).await;
    let alice = User::register(&server, "alice").await;
    let socket = Socket::open(&server, &alice, Format::Json).await;
    // That of the registration is ended, as nothing follows; a WebSocket is no request that is late.
    has_connections(&server, 1).await;
    drop(socket);
    has_connections(&server, 0).await;
}

fn allowed(headers: &HeaderMap) -> Vec<(String, String)> {
    let text = |value: &reqwest::header::HeaderValue| value.to_str().unwrap().to_lowercase();
    let of_cors = headers.iter().filter(|(name, _)| name.as_str().starts_with("access-control-"));
    of_cors.map(|(name, value)| (name.to_string(), text(value))).collect()
}

#[tokio::test]
async fn pages_of_listed_origins_may_use_the_api_and_no_others() {
    let server = Server::with(&[("GATEWAY__HTTP__ORIGINS", "https://app.example,https://b.example")]).await;
    let own = server.url("");
    let ask = async |method: Method, path: &str, origin: &str, wanted: &str| {
        let mut request = Client::new().request(method, server.url(path)).header("origin", origin);
        if !wanted.is_empty() {
            request = request.header("access-control-request-method", wanted);
        }
        request.send().await.unwrap()
    };
    for origin in ["https://app.example", "https://b.example", &own] {
        let preflight = ask(Method::OPTIONS, "/v1/me", origin, "PATCH").await;
        assert_eq!(preflight.status(), 204);
        assert_eq!(preflight.headers()["vary"], "origin");
        let mut found = allowed(preflight.headers());
        found.sort();
        let expected = [
            ("access-control-allow-headers", "authorization, content-type, idempotency-key, x-request-id"),
            ("access-control-allow-methods", "get, post, patch, delete"),
            ("access-control-allow-origin", origin),
            ("access-control-max-age", "600"),
        ];
        assert_eq!(found, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
        // A page can read why something was refused, wherever it was.
        for (method, path, status) in
            [(Method::GET, "/v1/me", 401), (Method::POST, "/v1/auth/login", 400), (Method::GET, "/v1/no/such", 404)]
        {
            let answer = ask(method, path, origin, "").await;
            assert_eq!(answer.status(), status, "{path}");
            assert_eq!(answer.headers()["vary"], "origin");
            assert_eq!(answer.headers()["access-control-allow-origin"], origin, "{path}");
            assert_eq!(answer.headers()["access-control-expose-headers"], "x-request-id, retry-after");
        }
    }
    for origin in ["https://evil.example", "https://app.example.evil", "http://app.example", "null"] {
        for (method, wanted, status) in [(Method::OPTIONS, "GET", 403), (Method::POST, "", 403), (Method::GET, "", 401)]
        {
            let answer = ask(method, "/v1/me", origin, wanted).await;
            assert!(allowed(answer.headers()).is_empty(), "{origin}");
            let (found, code) = code(answer).await;
            assert_eq!((found, code == "origin_forbidden"), (status, status == 403), "{origin}: {code}");
        }
    }
}

#[tokio::test]
async fn a_request_to_the_websocket_that_is_no_upgrade_is_a_problem() {
    let server = Server::start().await;
    let plain = reqwest::get(server.url("/ws")).await.unwrap();
    assert_eq!(plain.headers()["content-type"], "application/problem+json");
    let problem: Value = plain.json().await.unwrap();
    assert_eq!((problem["status"].as_u64(), problem["code"].as_str()), (Some(400), Some("invalid_argument")));
    assert_eq!(problem["params"]["name"], "upgrade");
    let old = Client::new().get(server.url("/ws")).header("connection", "upgrade").header("upgrade", "websocket");
    let old = old.header("sec-websocket-key", "6D69KGBOr4Re+Nj6zx9aQA==").header("sec-websocket-version", "8");
    assert_eq!(code(old.send().await.unwrap()).await, (400, "invalid_argument".to_owned()));
    let post = Client::new().post(server.url("/ws")).send().await.unwrap();
    assert_eq!(code(post).await, (405, "method_not_allowed".to_owned()));
}

/// The request ids in the records of `im.upstream`, from which im-logic's span has them.
async fn request_ids_upstream(server: Server) -> Vec<String> {
    let (exit, folder) = server.terminate_and_keep().await;
    assert_eq!(exit, Some(0));
    let log = EmbeddedLog::open(&folder.path().join("log"), &EmbeddedLogOptions::default()).unwrap();
    let queue = Queue::new(log, &Telemetry::for_tests());
    let mut found = Vec::new();
    for partition in 0..queue.partitions(Topic::Upstream) {
        let (mut next, end) = (0, queue.end(Topic::Upstream, partition).await.unwrap());
        let mut reader = queue.read(Topic::Upstream, partition, next).await.unwrap();
        while next < end {
            for record in reader.next(100).await.unwrap() {
                next = record.offset + 1;
                found.push(mq::Upstream::decode(record.payload).unwrap().request_id);
            }
        }
    }
    found
}

#[tokio::test]
async fn the_id_of_a_request_goes_with_its_command_and_comes_back() {
    let server = Server::start().await;
    let alice = User::register(&server, "alice").await;
    let change = async |id: &str| {
        let mut request = alice.http.patch(server.url("/v1/me")).bearer_auth(&alice.token);
        if !id.is_empty() {
            request = request.header("x-request-id", id);
        }
        let key = format!("k{}", id.len());
        let body = json!({"display_name": format!("Ann {}", id.len())});
        let answer = request.header("idempotency-key", key).json(&body).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        answer.headers()["x-request-id"].to_str().unwrap().to_owned()
    };
    let long = "x".repeat(200);
    let (own, none, bad) = (change("mine-1").await, change("").await, change(&long).await);
    assert_eq!(own, "mine-1");
    assert!(none.len() == 36 && bad.len() == 36 && none != bad, "one is made: {none} {bad}");
    let mut found = request_ids_upstream(server).await;
    let mut sent = vec![own, none, bad];
    found.sort();
    sent.sort();
    assert_eq!(found, sent);
}
