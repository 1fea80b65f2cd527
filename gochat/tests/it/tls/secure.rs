//! A client and a server that speak TLS.

use std::{fs, io, sync::Arc};

use futures_util::{SinkExt as _, StreamExt as _};
use im_infra::{
    testing::eventually,
    tls::{Authority, Signed},
};
use proto::client::{ClientFrame, Hello, ServerFrame, client_frame::Frame as Out, server_frame::Frame as In};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::aws_lc_rs::default_provider,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject as _},
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Message, client::IntoClientRequest as _},
};

use super::{
    super::{client::User, server::Server},
    LOOPBACK, PATIENCE,
};

/// A standalone server that serves clients over TLS, and who signed its certificate.
pub(super) struct Secure {
    pub(super) server: Server,
    pub(super) address: String,
    pub(super) authority: Authority,
    _files: TempDir,
}

impl Secure {
    pub(super) async fn start() -> Self {
        Self::with(&[]).await
    }

    pub(super) async fn with(settings: &[(&str, &str)]) -> Self {
        let (authority, files) = (Authority::named("ours"), tempfile::tempdir().unwrap());
        let own = authority.sign(&[LOOPBACK]);
        let file = |name: &str, pem: &str| {
            let path = files.path().join(name);
            fs::write(&path, pem).unwrap();
            format!("file:{}", path.display())
        };
        let (certificate, key) = (file("tls.crt", &own.certificate), file("tls.key", &own.key));
        let authorities = file("ca.crt", authority.certificate());
        let mut all = vec![("GATEWAY__HTTP__TLS__CERTIFICATE", &*certificate), ("GATEWAY__HTTP__TLS__KEY", &*key)];
        // A file that only this test knows where to find.
        all.extend(settings.iter().map(|&(key, value)| (key, if value == "OURS" { &*authorities } else { value })));
        let server = Server::with(&all).await;
        let address = server.address.trim_start_matches("https://").to_owned();
        Self { server, address, authority, _files: files }
    }

    /// A connection of a client who shows that certificate, if any, and asks for these protocols.
    pub(super) async fn connect_with(
        &self,
        shown: Option<&Signed>,
        protocols: &[&str],
    ) -> io::Result<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.authority.certificate().as_bytes()).unwrap()).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()));
        let builder = builder.with_safe_default_protocol_versions().unwrap().with_root_certificates(roots);
        let mut config = match shown {
            None => builder.with_no_client_auth(),
            Some(shown) => {
                let chain = vec![CertificateDer::from_pem_slice(shown.certificate.as_bytes()).unwrap()];
                let key = PrivateKeyDer::from_pem_slice(shown.key.as_bytes()).unwrap();
                builder.with_client_auth_cert(chain, key).unwrap()
            }
        };
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        let stream = TcpStream::connect(&self.address).await?;
        let name = ServerName::try_from(LOOPBACK).unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, stream).await
    }

    pub(super) async fn connect(&self) -> TlsStream<TcpStream> {
        self.connect_with(None, &[]).await.unwrap()
    }

    /// All that is answered to one request.
    pub(super) async fn ask(&self, request: &str) -> String {
        answer(self.connect().await, request).await
    }

    pub(super) async fn register(&self, name: &str) -> User {
        let device = json!({"device_id": format!("{name}-1"), "platform": "bot"});
        let body = json!({"name": name, "password": "correct horse", "device": device}).to_string();
        let head = format!("content-type: application/json\r\ncontent-length: {}\r\n", body.len());
        let request = format!("POST /v1/auth/register HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{head}\r\n{body}");
        let answered = self.ask(&request).await;
        assert!(answered.starts_with("HTTP/1.1 200"), "{answered}");
        let tokens: Value = serde_json::from_str(answered.split_once("\r\n\r\n").unwrap().1).unwrap();
        User::of(name, &tokens, reqwest::Client::new())
    }

    pub(super) async fn open(&self, user: &User) -> Wss {
        let mut request = format!("wss://{}/ws", self.address).into_client_request().unwrap();
        request.headers_mut().insert("sec-websocket-protocol", "gochat.v1.json".parse().unwrap());
        let (stream, _) = tokio_tungstenite::client_async(request, self.connect().await).await.unwrap();
        let mut socket = Wss(stream);
        socket.send(Out::Hello(Hello { access_token: user.token.clone(), ..Hello::default() })).await;
        socket.until(|frame| matches!(frame, In::Welcome(_))).await;
        socket
    }

    pub(super) async fn has_connections(&self, wanted: u64) {
        let url = format!("http://{}/metrics", self.server.admin);
        let line = format!("im_tcp_connections {wanted}");
        eventually(&line, || async {
            let metrics = reqwest::get(&url).await.unwrap().text().await.unwrap();
            metrics.lines().any(|one| one == line).then_some(())
        })
        .await;
    }
}

/// A WebSocket over TLS, in JSON.
pub(super) struct Wss(WebSocketStream<TlsStream<TcpStream>>);

impl Wss {
    pub(super) async fn send(&mut self, frame: Out) {
        let frame = serde_json::to_string(&ClientFrame { frame: Some(frame) }).unwrap();
        self.0.send(Message::text(frame)).await.unwrap();
    }

    /// Skips frames until one fits.
    pub(super) async fn until(&mut self, fits: impl Fn(&In) -> bool) {
        loop {
            let heard = timeout(PATIENCE, self.0.next()).await.expect("something comes in time").unwrap().unwrap();
            if let Message::Text(text) = heard
                && serde_json::from_str::<ServerFrame>(&text).unwrap().frame.as_ref().is_some_and(&fits)
            {
                return;
            }
        }
    }
}

pub(super) async fn answer(mut stream: TlsStream<TcpStream>, request: &str) -> String {
    // Who is refused after the handshake may hear of it while it writes.
    let _ = stream.write_all(request.as_bytes()).await;
    let mut heard = Vec::new();
    let _ = timeout(PATIENCE, stream.read_to_end(&mut heard)).await.expect("the connection is ended in time");
    String::from_utf8(heard).unwrap()
}
