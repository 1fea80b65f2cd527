//! A client as an app developer would write it.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use prost::Message as _;
use proto::{
    client::{self, ClientFrame, Hello, ServerFrame, client_frame::Frame as Out, server_frame::Frame as In},
    message::{Content, Entry, Text, content},
};
use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream,
    tungstenite::{Error as WsError, Message, client::IntoClientRequest as _, protocol::CloseFrame},
};

use super::server::At;

/// How long anything may take before a test gives up on it.
const PATIENCE: Duration = Duration::from_secs(10);

/// A user with a session.
#[derive(Clone)]
pub(crate) struct User {
    pub(crate) id: i64,
    pub(crate) name: String,
    pub(crate) token: String,
    pub(crate) refresh_token: String,
    pub(crate) session_id: String,
    pub(crate) http: reqwest::Client,
}

impl User {
    pub(crate) async fn register(server: &impl At, name: &str) -> Self {
        let http = reqwest::Client::new();
        let body = json!({"name": name, "password": "correct horse", "device": {"device_id": format!("{name}-1"), "platform": "bot"}});
        let answer = http.post(server.url("/v1/auth/register")).json(&body).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{:?}", answer.text().await);
        Self::of(name, &answer.json().await.unwrap(), http)
    }

    pub(crate) fn of(name: &str, tokens: &Value, http: reqwest::Client) -> Self {
        let text = |key: &str| tokens[key].as_str().unwrap().to_owned();
        Self {
            id: text("user_id").parse().unwrap(),
            name: name.to_owned(),
            token: text("access_token"),
            refresh_token: text("refresh_token"),
            session_id: text("session_id"),
            http,
        }
    }

    /// The direct conversation with another user.
    pub(crate) fn direct(&self, other: &Self) -> String {
        format!("d:{}:{}", self.id.min(other.id), self.id.max(other.id))
    }

    #[allow(clippy::too_many_arguments)] // what an HTTP request has
    pub(crate) async fn request(
        &self,
        server: &impl At,
        method: Method,
        path: &str,
        key: &str,
        body: Option<Value>,
    ) -> Response {
        let mut request = self.http.request(method, server.url(path)).bearer_auth(&self.token);
        if !key.is_empty() {
            request = request.header("idempotency-key", key);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        request.send().await.unwrap()
    }

    pub(crate) async fn get(&self, server: &impl At, path: &str) -> Value {
        let answer = self.request(server, Method::GET, path, "", None).await;
        assert_eq!(answer.status(), StatusCode::OK, "{path}: {:?}", answer.text().await);
        answer.json().await.unwrap()
    }

    /// Posts a command; answers status and body.
    pub(crate) async fn post(&self, server: &impl At, path: &str, key: &str, body: Value) -> (u16, Value) {
        let answer = self.request(server, Method::POST, path, key, Some(body)).await;
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    /// The whole log of a conversation as this user may see it, by the pages of the HTTP API.
    pub(crate) async fn history(&self, server: &impl At, conversation_id: &str) -> Vec<Entry> {
        let (mut all, mut before) = (Vec::new(), String::new());
        loop {
            let page =
                self.get(server, &format!("/v1/conversations/{conversation_id}/messages?limit=200{before}")).await;
            let mut items: Vec<Entry> = serde_json::from_value(page["items"].clone()).unwrap();
            items.append(&mut all);
            all = items;
            match page["next_cursor"].as_str() {
                Some(cursor) => before = format!("&before={cursor}"),
                None => return all,
            }
        }
    }
}

/// How the socket speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Json,
    Proto,
}

pub(crate) struct Socket {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    format: Format,
}

impl Socket {
    /// Without a hello.
    pub(crate) async fn raw(server: &impl At, format: Format) -> Self {
        let mut request = format!("ws://{}/ws", server.address()).into_client_request().unwrap();
        let protocol = if format == Format::Json { "gochat.v1.json" } else { "gochat.v1.proto" };
        request.headers_mut().insert("sec-websocket-protocol", protocol.parse().unwrap());
        let (stream, _) = tokio_tungstenite::connect_async(request).await.unwrap();
        Self { stream, format }
    }

    /// With a hello, up to the welcome; none if the server is away just now.
    pub(crate) async fn try_open(address: &str, user: &User) -> Option<Self> {
        let mut request = format!("ws://{address}/ws").into_client_request().unwrap();
        request.headers_mut().insert("sec-websocket-protocol", "gochat.v1.proto".parse().unwrap());
        let (stream, _) = tokio_tungstenite::connect_async(request).await.ok()?;
        let mut socket = Self { stream, format: Format::Proto };
        let hello =
            ClientFrame { frame: Some(Out::Hello(Hello { access_token: user.token.clone(), ..Hello::default() })) };
        socket.stream.send(Message::binary(hello.encode_to_vec())).await.ok()?;
        matches!(socket.read().await, Ok(Some(In::Welcome(_)))).then_some(socket)
    }

    /// With a hello, up to the welcome.
    pub(crate) async fn open(server: &impl At, user: &User, format: Format) -> Self {
        let mut socket = Self::raw(server, format).await;
        socket.send(Out::Hello(Hello { access_token: user.token.clone(), ..Hello::default() })).await;
        let welcome = socket.next().await;
        assert!(matches!(&welcome, In::Welcome(welcome) if welcome.user_id == user.id), "{welcome:?}");
        socket
    }

    pub(crate) async fn send(&mut self, frame: Out) {
        let frame = ClientFrame { frame: Some(frame) };
        let message = match self.format {
            Format::Json => Message::text(serde_json::to_string(&frame).unwrap()),
            Format::Proto => Message::binary(frame.encode_to_vec()),
        };
        self.send_raw(message).await;
    }

    pub(crate) async fn send_raw(&mut self, message: Message) {
        self.stream.send(message).await.unwrap();
    }

    /// Sends unless the connection is gone.
    pub(crate) async fn try_send_text(
        &mut self,
        conversation_id: &str,
        command_id: &str,
        body: &str,
    ) -> Result<(), WsError> {
        let frame = ClientFrame { frame: Some(text(conversation_id, command_id, body)) };
        self.stream.send(Message::binary(frame.encode_to_vec())).await
    }

    pub(crate) async fn send_text(&mut self, conversation_id: &str, command_id: &str, body: &str) {
        self.send(text(conversation_id, command_id, body)).await;
    }

    /// The next frame.
    pub(crate) async fn next(&mut self) -> In {
        match self.read().await {
            Ok(Some(frame)) => frame,
            other => panic!("a frame was expected: {other:?}"),
        }
    }

    /// The next frame; none if the connection was closed.
    pub(crate) async fn read(&mut self) -> Result<Option<In>, Option<CloseFrame>> {
        loop {
            let message = tokio::time::timeout(PATIENCE, self.stream.next()).await.expect("something comes in time");
            let frame = match message {
                Some(Ok(Message::Text(text))) => serde_json::from_str::<ServerFrame>(&text).unwrap(),
                Some(Ok(Message::Binary(bytes))) => ServerFrame::decode(&bytes[..]).unwrap(),
                Some(Ok(Message::Close(frame))) => return Err(frame),
                Some(Ok(_)) => continue,
                Some(Err(_)) | None => return Ok(None),
            };
            return Ok(frame.frame);
        }
    }

    /// Skips frames until one fits.
    pub(crate) async fn until<T>(&mut self, mut fits: impl FnMut(In) -> Option<T>) -> T {
        loop {
            if let Some(found) = fits(self.next().await) {
                return found;
            }
        }
    }

    pub(crate) async fn entry(&mut self) -> Entry {
        self.until(|frame| if let In::Entry(entry) = frame { Some(entry) } else { None }).await
    }

    pub(crate) async fn ack(&mut self, command_id: &str) -> client::Ack {
        self.until(|frame| match frame {
            In::Ack(ack) if ack.command_id == command_id => Some(ack),
            In::Error(error) if error.command_id == command_id => panic!("{error:?}"),
            _ => None,
        })
        .await
    }

    /// The code of the next error frame.
    pub(crate) async fn error(&mut self) -> String {
        self.until(|frame| if let In::Error(error) = frame { error.error.map(|error| error.code) } else { None }).await
    }

    /// The code with which the server closes.
    pub(crate) async fn closed(&mut self) -> u16 {
        loop {
            match self.read().await {
                Ok(Some(_)) => {}
                Ok(None) => panic!("closed without a code"),
                Err(frame) => return frame.map_or(1005, |frame| frame.code.into()),
            }
        }
    }
}

pub(crate) fn text(conversation_id: &str, command_id: &str, body: &str) -> Out {
    let content = Content { kind: Some(content::Kind::Text(Text { text: body.into() })) };
    Out::Send(client::Send {
        conversation_id: conversation_id.into(),
        command_id: command_id.into(),
        content: Some(content),
    })
}
