//! TLS: what is wrong with its options is told by key, and clients of etcd, Redis and PostgreSQL take whom they should.

use std::{fs, net::SocketAddr, time::Duration};

use im_infra::{
    clock::Clock,
    config::{Report, Secret},
    database::{Database, DatabaseOptions},
    lifecycle::Lifecycle,
    redis::Connection,
    registry::{EtcdOptions, EtcdRegistry},
    testing::infra,
    tls::{Authority, Signed, TlsOptions},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional},
    net::{TcpListener, TcpStream},
};

const LOOPBACK: &str = "127.0.0.1";
/// In 2023, and thousands of years later.
const NOW_MS: i64 = 1_700_000_000_000;
const TOO_LATE_MS: i64 = 100_000_000_000_000;

/// All that is wrong with the options at a time.
fn mistakes(options: &TlsOptions, now_ms: i64) -> String {
    let mut report = Report::default();
    options.check("part.tls", &Clock::manual(now_ms), &mut report);
    report.done().err().map_or_else(String::new, |error| error.to_string())
}

#[test]
fn what_is_wrong_with_tls_is_told_by_key_and_no_key_is_shown() {
    let authority = Authority::named("one");
    let (own, other) = (authority.sign(&["chat.example"]), authority.sign(&["chat.example"]));
    let good = own.options(authority.certificate());
    assert_eq!(mistakes(&good, NOW_MS), "");
    assert_eq!(mistakes(&TlsOptions::default(), NOW_MS), "");
    let certificate = |certificate: &str| TlsOptions { certificate: certificate.to_owned(), ..good.clone() };
    let key = |key: &str| TlsOptions { key: Secret::new(key), ..good.clone() };
    let both = format!("{}\n{}", own.certificate, own.key);
    let broken = own.certificate.replace("MII", "???");
    for (options, name, allowed) in [
        (certificate("/etc/tls.crt"), "certificate", "certificates in PEM, or file:PATH"),
        (certificate(""), "certificate", "certificates in PEM, or file:PATH"),
        (certificate(&broken), "certificate", "certificates in PEM, or file:PATH"),
        (certificate(&both), "certificate", "without the private key"),
        (key(""), "key", "not encrypted"),
        (key(&own.certificate), "key", "not encrypted"),
        (key(&other.key), "key", "the private key of this certificate"),
        (TlsOptions { authorities: "me".into(), ..good.clone() }, "authorities", "certificates in PEM, or file:PATH"),
    ] {
        let told = mistakes(&options, NOW_MS);
        assert!(told.contains(&format!("part.tls.{name} = ")) && told.contains(allowed), "{name}, {allowed}: {told}");
        assert_eq!(told.lines().count(), 1, "{told}");
        assert!(!told.contains("PRIVATE KEY"), "{told}");
    }
}

#[test]
fn a_certificate_that_is_not_good_now_is_told() {
    let authority = Authority::named("one");
    let options = authority.sign(&["chat.example"]).options("");
    for (now_ms, why) in [(0, "not valid yet"), (TOO_LATE_MS, "expired")] {
        let told = mistakes(&options, now_ms);
        assert!(told.contains("part.tls.certificate = \"PEM\"") && told.contains(why), "{told}");
    }
}

/// TLS before a server that runs without: what it does itself where it has a certificate. PostgreSQL's clients ask for TLS
/// in its own protocol first.
async fn front(server: &str, tls: TlsOptions, asked_first: bool) -> SocketAddr {
    let acceptor = tls.acceptor("front", b"h2", &Clock::system()).unwrap().expect("a certificate");
    let listener = TcpListener::bind((LOOPBACK, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let (life, server) = (Lifecycle::new(), server.to_owned());
    let each = life.clone();
    life.spawn_detached("front", async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let (acceptor, server) = (acceptor.clone(), server.clone());
            each.spawn_detached("connection", async move {
                if asked_first {
                    stream.read_exact(&mut [0; 8]).await.unwrap();
                    stream.write_all(b"S").await.unwrap();
                }
                // A client that is refused, or refuses, is gone.
                if let Ok(mut stream) = acceptor.accept(stream).await {
                    let mut back = TcpStream::connect(server).await.unwrap();
                    let _ = copy_bidirectional(&mut stream, &mut back).await;
                }
            });
        }
    });
    address
}

/// Who meets whom: a server's authority, a client's, and one that is strange to both.
struct Parties {
    ours: Authority,
    foreign: Authority,
    server: Signed,
    client: Signed,
}

impl Parties {
    fn new() -> Self {
        let (ours, foreign) = (Authority::named("ours"), Authority::named("foreign"));
        Self { server: ours.sign(&[LOOPBACK]), client: ours.sign(&["client"]), ours, foreign }
    }

    /// Of a server that asks for certificates.
    fn server(&self) -> TlsOptions {
        self.server.options(self.ours.certificate())
    }

    /// Of clients: one that fits, one without a certificate, one with a foreign one, one that takes only foreign servers.
    fn clients(&self) -> [(TlsOptions, bool); 4] {
        let (ours, foreign) = (self.ours.certificate(), self.foreign.certificate());
        let nobody = TlsOptions { authorities: ours.to_owned(), ..TlsOptions::default() };
        let stranger = self.foreign.sign(&["client"]).options(ours);
        [(self.client.options(ours), true), (nobody, false), (stranger, false), (self.client.options(foreign), false)]
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn p9_etcd_is_reached_over_tls_by_its_authority_and_with_a_certificate() {
    let parties = Parties::new();
    let etcd = infra("GOCHAT_TEST_ETCD");
    let address = front(etcd.trim_start_matches("http://"), parties.server(), false).await;
    for (tls, taken) in parties.clients() {
        let options = EtcdOptions { endpoints: vec![format!("https://{address}")], tls, ..EtcdOptions::default() };
        let looked = EtcdRegistry::inspect(&options).await;
        assert_eq!(looked.is_ok(), taken, "{looked:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn p9_redis_is_reached_over_tls_by_its_authority_and_with_a_certificate() {
    let parties = Parties::new();
    let redis = infra("GOCHAT_TEST_REDIS");
    let server = redis.trim_start_matches("redis://").trim_end_matches("/0");
    let address = front(server, parties.server(), false).await;
    let url = Secret::new(format!("rediss://{address}/0"));
    for (tls, taken) in parties.clients() {
        let connection = Connection::open_with(&url, &tls, Duration::from_secs(2)).unwrap();
        let answered = connection.query(redis::pipe().cmd("PING")).await;
        assert_eq!(answered.is_ok(), taken, "{:?}", answered.err());
    }
    let plain = Secret::new(redis);
    assert!(Connection::open_with(&plain, &parties.clients()[0].0, Duration::from_secs(2)).is_err(), "not rediss://");
}

#[tokio::test(flavor = "multi_thread")]
async fn p9_a_database_is_reached_over_tls_by_what_its_address_says() {
    let parties = Parties::new();
    let postgres = infra("GOCHAT_TEST_POSTGRES");
    let (user, at) = postgres.rsplit_once('@').unwrap();
    let (server, name) = at.split_once('/').unwrap();
    let address = front(server, parties.server.options(""), true).await;
    let folder = tempfile::tempdir().unwrap();
    for (authority, taken) in [(&parties.ours, true), (&parties.foreign, false)] {
        let file = folder.path().join("authorities.pem");
        fs::write(&file, authority.certificate()).unwrap();
        let url = format!("{user}@{address}/{name}?sslmode=verify-full&sslrootcert={}", file.display());
        let connected = Database::connect(&DatabaseOptions::new(url)).await;
        assert_eq!(connected.is_ok(), taken, "{:?}", connected.err());
    }
}
