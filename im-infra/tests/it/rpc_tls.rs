//! Calls between services over TLS, on real sockets.

use std::{net::SocketAddr, time::Duration};

use futures_util::future::join_all;
use http::{Request, Version};
use im_infra::{
    clock::Clock,
    config::{Check as _, Report, Secret},
    lifecycle::Lifecycle,
    registry::{Instance, ServiceName},
    rpc::{Channel, RpcOptions, ServiceTokens, serve},
    tls::{Authority, TlsOptions},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::watch,
    time::timeout,
};
use tonic::{Code, Status, body::Body, service::Routes};
use tower::ServiceExt as _;

const LOOPBACK: &str = "127.0.0.1";
/// How long anything may take before a test gives up on it.
const PATIENCE: Duration = Duration::from_secs(10);

fn plain() -> RpcOptions {
    RpcOptions {
        listen: "127.0.0.1:0".parse().unwrap(),
        advertise: String::new(),
        deadline_ms: 5_000,
        secret: Secret::new("0123456789abcdef0123456789abcdef"),
        listener_tls: TlsOptions::default(),
        caller_tls: TlsOptions::default(),
        server_name: String::new(),
    }
}

fn listener(tls: TlsOptions) -> RpcOptions {
    RpcOptions { listener_tls: tls, ..plain() }
}

fn caller(tls: TlsOptions) -> RpcOptions {
    RpcOptions { caller_tls: tls, ..plain() }
}

/// Takes servers of an authority, shows nothing.
fn takes(authority: &Authority) -> TlsOptions {
    TlsOptions { authorities: authority.certificate().to_owned(), ..TlsOptions::default() }
}

/// An im-repo that knows no call.
async fn start(options: &RpcOptions) -> SocketAddr {
    let tokens = ServiceTokens::new(&options.secret, Clock::system());
    serve(options, Routes::default(), (ServiceName::Repo, tokens), &Lifecycle::new()).await.unwrap()
}

/// What a call is answered: `Unimplemented` comes from behind the guard, `Unavailable` from here.
async fn call(address: SocketAddr, options: &RpcOptions) -> Code {
    let repo = Instance { service: ServiceName::Repo, instance: "a".into(), address: address.to_string(), slot: 0 };
    let (_list, instances) = watch::channel(vec![repo]);
    let tokens = ServiceTokens::new(&options.secret, Clock::system());
    let channel = Channel::remote(instances, (ServiceName::Logic, ServiceName::Repo), options, tokens);
    let request = Request::post("/im.none.v1.None/Ask").version(Version::HTTP_2);
    let request = request.header("content-type", "application/grpc").header("te", "trailers");
    match channel.oneshot(request.body(Body::empty()).unwrap()).await {
        Ok(response) => Status::from_header_map(response.headers()).expect("a status").code(),
        Err(status) => status.code(),
    }
}

#[tokio::test]
async fn p9_services_call_over_tls_and_take_no_foreign_server() {
    let (ours, foreign) = (Authority::named("ours"), Authority::named("foreign"));
    let address = start(&listener(ours.sign(&[LOOPBACK]).options(""))).await;
    assert_eq!(call(address, &caller(takes(&ours))).await, Code::Unimplemented);
    assert_eq!(call(address, &caller(takes(&foreign))).await, Code::Unavailable);
    assert_eq!(call(address, &plain()).await, Code::Unavailable, "without TLS");
    let without = start(&plain()).await;
    assert_eq!(call(without, &plain()).await, Code::Unimplemented);
    assert_eq!(call(without, &caller(takes(&ours))).await, Code::Unavailable, "nobody steps down to no TLS");
}

#[tokio::test]
async fn p9_a_service_that_asks_for_certificates_takes_no_call_without_one_of_its_authority() {
    let (ours, foreign) = (Authority::named("ours"), Authority::named("foreign"));
    let address = start(&listener(ours.sign(&[LOOPBACK]).options(ours.certificate()))).await;
    let shows = |authority: &Authority| caller(authority.sign(&["im-logic"]).options(ours.certificate()));
    assert_eq!(call(address, &shows(&ours)).await, Code::Unimplemented);
    assert_eq!(call(address, &shows(&foreign)).await, Code::Unavailable);
    assert_eq!(call(address, &caller(takes(&ours))).await, Code::Unavailable);
}

#[tokio::test]
async fn a_service_is_known_by_a_name_of_its_own_where_addresses_change() {
    let ours = Authority::named("ours");
    let address = start(&listener(ours.sign(&["im-repo.internal"]).options(""))).await;
    let by_address = caller(takes(&ours));
    let by_name = RpcOptions { server_name: "im-repo.internal".into(), ..by_address.clone() };
    assert_eq!(call(address, &by_address).await, Code::Unavailable);
    assert_eq!(call(address, &by_name).await, Code::Unimplemented);
}

#[tokio::test]
async fn half_a_handshake_and_what_is_no_tls_are_ended_in_time() {
    let ours = Authority::named("ours");
    let address = start(&listener(ours.sign(&[LOOPBACK]).options(""))).await;
    // The head of a TLS record that never comes whole; nothing; HTTP/2 as it is without TLS.
    let said = [&b"\x16\x03\x01\x02\x00\x01"[..], b"", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"];
    join_all(said.map(async |said| {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(said).await.unwrap();
        // A connection that is reset has ended, too.
        let _ = timeout(PATIENCE, stream.read_to_end(&mut Vec::new())).await.expect("ended in time");
    }))
    .await;
    assert_eq!(call(address, &caller(takes(&ours))).await, Code::Unimplemented, "others are served");
}

#[test]
fn a_caller_whose_tls_would_be_left_off_is_told() {
    let ours = Authority::named("ours");
    let wrong = |options: &RpcOptions| {
        let mut report = Report::default();
        options.check(&mut report);
        report.done().err().map_or_else(String::new, |error| error.to_string())
    };
    assert_eq!(wrong(&caller(takes(&ours))), "");
    let shows = caller(ours.sign(&["im-logic"]).options(""));
    assert!(wrong(&shows).contains("rpc.caller_tls.authorities"), "{}", wrong(&shows));
    let named = RpcOptions { server_name: "im-repo.internal:443".into(), ..caller(takes(&ours)) };
    assert!(wrong(&named).contains("rpc.server_name"), "{}", wrong(&named));
}
