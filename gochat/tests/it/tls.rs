//! TLS from outside: clients over https and wss, services among themselves, and what is wrong with certificates.

mod secure;

use std::time::{Duration, Instant};

use im_infra::{testing::infra, tls::Authority};
use proto::client::server_frame::Frame as In;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use self::secure::{Secure, answer};
use super::{
    client::{Format, Socket, User, text},
    cluster::Cluster,
    process::command,
};

/// How long anything may take before a test gives up on it.
const PATIENCE: Duration = Duration::from_secs(8);
const LOOPBACK: &str = "127.0.0.1";

#[tokio::test(flavor = "multi_thread")]
async fn p9_clients_chat_over_https_and_wss() {
    let server = Secure::start().await;
    let (alice, bob) = (server.register("alice").await, server.register("bob").await);
    let conversation = alice.direct(&bob);
    let (mut a, mut b) = (server.open(&alice).await, server.open(&bob).await);
    a.send(text(&conversation, "c1", "over TLS")).await;
    a.until(|frame| matches!(frame, In::Ack(ack) if ack.command_id == "c1" && ack.seq == 1)).await;
    b.until(|frame| matches!(frame, In::Entry(entry) if entry.seq == 1)).await;
    // Both have the place of the connection that they were; the others are closed.
    server.has_connections(2).await;
    drop((a, b));
    assert_eq!(server.server.terminate().await, Some(0));
}

#[tokio::test]
async fn what_is_no_tls_and_half_a_handshake_are_ended_in_time() {
    let server = Secure::with(&[("GATEWAY__HTTP__HEADER_TIMEOUT_MS", "300")]).await;
    let plain: &[u8] = b"GET /v1/me HTTP/1.1\r\nhost: x\r\n\r\n";
    for said in [plain, b"", b"\x16", b"\x16\x03\x01\x02\x00\x01\x00"] {
        let mut stream = TcpStream::connect(&server.address).await.unwrap();
        stream.write_all(said).await.unwrap();
        let mut heard = Vec::new();
        // A connection that is reset has ended, too.
        let _ = timeout(PATIENCE, stream.read_to_end(&mut heard)).await.expect("the connection is ended in time");
        assert!(!heard.starts_with(b"HTTP/"), "nothing is told without TLS");
    }
    let silent = answer(server.connect().await, "GET /v1/me HTTP/1.1\r\nhost:").await;
    assert_eq!(silent, "", "half a head has its time after the handshake, too");
    server.has_connections(0).await;
}

#[tokio::test]
async fn a_drain_waits_for_no_handshake_that_has_only_begun() {
    let server = Secure::start().await;
    let _silent = TcpStream::connect(&server.address).await.unwrap();
    server.has_connections(1).await;
    let begun = Instant::now();
    assert_eq!(server.server.terminate().await, Some(0));
    assert!(begun.elapsed() < PATIENCE, "less than the time of a handshake and of a drain: {:?}", begun.elapsed());
}

#[tokio::test]
async fn one_connection_too_many_is_told_so_over_tls() {
    let bounds = [("GATEWAY__WS__CONNECTIONS_MAX", "1"), ("GATEWAY__HTTP__CONNECTIONS_MAX", "2")];
    let server = Secure::with(&bounds).await;
    // One has shaken hands, the other has not: both have a place.
    let _shaken = server.connect().await;
    let _silent = TcpStream::connect(&server.address).await.unwrap();
    server.has_connections(2).await;
    let refused = server.ask("GET /v1/openapi.json HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(refused.starts_with("HTTP/1.1 503") && refused.contains("overloaded"), "{refused}");
}

#[tokio::test]
async fn http_1_1_is_agreed_upon_and_nothing_else() {
    let server = Secure::start().await;
    let both = server.connect_with(None, &["h2", "http/1.1"]).await.unwrap();
    assert_eq!(both.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    assert!(server.connect_with(None, &["h2"]).await.is_err());
}

#[tokio::test]
async fn p9_clients_show_a_certificate_where_authorities_are_given() {
    let server = Secure::with(&[("GATEWAY__HTTP__TLS__AUTHORITIES", "OURS")]).await;
    let request = "GET /v1/openapi.json HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let foreign = Authority::named("foreign").sign(&["client"]);
    for (shown, taken) in [(Some(server.authority.sign(&["client"])), true), (Some(foreign), false), (None, false)] {
        // In TLS 1.3 the client is done before its certificate is looked at.
        let heard = match server.connect_with(shown.as_ref(), &[]).await {
            Ok(stream) => answer(stream, request).await,
            Err(_) => String::new(),
        };
        assert_eq!(heard.starts_with("HTTP/1.1 200"), taken, "{heard}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn p9_services_prove_to_each_other_who_they_are() {
    let authority = Authority::named("services");
    let own = authority.sign(&[LOOPBACK]);
    let ours = authority.certificate();
    let settings = [
        ("RPC__LISTENER_TLS__CERTIFICATE", &*own.certificate),
        ("RPC__LISTENER_TLS__KEY", &*own.key),
        ("RPC__LISTENER_TLS__AUTHORITIES", ours),
        ("RPC__CALLER_TLS__CERTIFICATE", &*own.certificate),
        ("RPC__CALLER_TLS__KEY", &*own.key),
        ("RPC__CALLER_TLS__AUTHORITIES", ours),
    ];
    let cluster = Cluster::with(infra, &settings).await;
    let [one, other] = [cluster.gateways[0].running.address.clone(), cluster.gateways[1].running.address.clone()];
    let (alice, bob) = (User::register(&one, "alice").await, User::register(&other, "bob").await);
    let mut a = Socket::open(&one, &alice, Format::Json).await;
    let mut b = Socket::open(&other, &bob, Format::Proto).await;
    a.send_text(&alice.direct(&bob), "c1", "hello").await;
    assert_eq!(a.ack("c1").await.seq, 1);
    assert_eq!(b.entry().await.seq, 1);
    let (folder, settings) = cluster.operator();
    let list = command(&folder, &settings).args(["dead-letters", "list"]).status().await.unwrap();
    assert!(list.success(), "operators have a certificate, too");
    let without: Vec<_> = settings.into_iter().filter(|(key, _)| !key.contains("CALLER_TLS")).collect();
    let list = command(&folder, &without).args(["dead-letters", "list"]).status().await.unwrap();
    assert!(!list.success(), "the secret alone opens nothing");
    drop((a, b));
    cluster.terminate().await;
}

/// What `config check` says, and its exit code.
async fn checked(settings: &[(&str, &str)]) -> (Option<i32>, String) {
    let folder = tempfile::tempdir().unwrap();
    let settings: Vec<_> =
        settings.iter().map(|(key, value)| (format!("GOCHAT__{key}"), (*value).to_owned())).collect();
    let mut command = command(folder.path(), &settings);
    let output = command.args(["config", "check"]).stderr(std::process::Stdio::piped()).output().await.unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[tokio::test]
async fn every_wrong_certificate_is_told_at_once_by_its_key() {
    let authority = Authority::named("ours");
    let (own, other) = (authority.sign(&[LOOPBACK]), authority.sign(&[LOOPBACK]));
    let expired = authority.sign_until(2020, &[LOOPBACK]);
    let wrong = [
        ("GATEWAY__HTTP__TLS__CERTIFICATE", &*expired.certificate),
        ("GATEWAY__HTTP__TLS__KEY", &*expired.key),
        ("RPC__LISTENER_TLS__CERTIFICATE", &*own.certificate),
        ("RPC__LISTENER_TLS__KEY", &*other.key),
        ("RPC__CALLER_TLS__AUTHORITIES", "file:/nowhere/ca.pem"),
        ("ETCD__ENDPOINTS", "https://127.0.0.1:2379"),
        ("ETCD__TLS__AUTHORITIES", "/etc/ca.pem"),
        ("REDIS__TLS__AUTHORITIES", authority.certificate()),
    ];
    let (code, told) = checked(&wrong).await;
    assert_eq!(code, Some(2), "{told}");
    for (key, allowed) in [
        ("gateway.http.tls.certificate", "expired"),
        ("rpc.listener_tls.key", "the private key of this certificate"),
        ("rpc.caller_tls.authorities", "a readable file"),
        ("etcd.tls.authorities", "certificates in PEM, or file:PATH"),
        ("redis.url", "rediss://"),
    ] {
        let line = told.lines().find(|line| line.contains(&format!("{key} = ")));
        assert!(line.is_some_and(|line| line.contains(allowed)), "{key}, {allowed}: {told}");
    }
    assert!(!told.contains("PRIVATE KEY"), "{told}");
}

#[tokio::test]
async fn kafka_over_tls_is_refused_with_what_can_be_done() {
    for (key, value) in
        [("SECURITY_PROTOCOL", "SASL_SSL"), ("SSL_CA_LOCATION", "/etc/ca.pem"), ("SASL_MECHANISM", "SCRAM-SHA-512")]
    {
        let (code, told) = checked(&[(format!("KAFKA__PROPERTIES__{key}").as_str(), value)]).await;
        assert_eq!(code, Some(2), "{told}");
        let name = format!("kafka.properties.{}", key.to_lowercase());
        assert!(told.contains(&name) && told.contains("OpenSSL"), "{told}");
    }
    let (protocol, mechanism) = ("KAFKA__PROPERTIES__SECURITY_PROTOCOL", "KAFKA__PROPERTIES__SASL_MECHANISM");
    let (code, told) = checked(&[(protocol, "sasl_plaintext")]).await;
    assert!(code == Some(2) && told.contains("PLAIN, with sasl_plaintext"), "{told}");
    assert_eq!(checked(&[(protocol, "sasl_plaintext"), (mechanism, "PLAIN")]).await.0, Some(0));
}

#[tokio::test]
async fn p9_a_listener_that_asks_for_certificates_and_has_none_itself_is_refused() {
    let authority = Authority::named("ours");
    for (key, shown) in [
        ("RPC__LISTENER_TLS__AUTHORITIES", "rpc.listener_tls.certificate"),
        ("GATEWAY__HTTP__TLS__AUTHORITIES", "gateway.http.tls.certificate"),
    ] {
        let (code, told) = checked(&[(key, authority.certificate())]).await;
        assert!(code == Some(2) && told.contains(shown), "{told}");
    }
}
