//! The embedded page in a real browser: Chromium, driven over its DevTools protocol.

use std::{
    process::Stdio,
    time::{Duration, Instant},
};

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    net::TcpStream,
    process::{Child, Command},
    sync::Mutex,
};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, tungstenite::Message};

use super::server::{At as _, Server};

struct Browser {
    socket: Mutex<(WebSocketStream<MaybeTlsStream<TcpStream>>, u64)>,
    _child: Child,
    _profile: tempfile::TempDir,
}

impl Browser {
    async fn start() -> Self {
        let profile = tempfile::tempdir().unwrap();
        let mut child = Command::new("chromium")
            .args([
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
                "--no-first-run",
                "--disable-dev-shm-usage",
            ])
            .args([
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
                "--remote-debugging-port=0",
            ])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg("about:blank")
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("chromium is needed: `scripts/test` installs it");
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let found = async {
            while let Some(line) = lines.next_line().await.unwrap() {
                if let Some(url) = line.strip_prefix("DevTools listening on ") {
                    return url.to_owned();
                }
            }
            panic!("chromium did not start");
        };
        let url = tokio::time::timeout(Duration::from_secs(30), found).await.expect("chromium starts in time");
        #[allow(clippy::disallowed_methods)] // ends with the process it reads
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        let (socket, _) = tokio_tungstenite::connect_async(url).await.unwrap();
        Self { socket: Mutex::new((socket, 0)), _child: child, _profile: profile }
    }

    /// Calls a method that must work.
    async fn must(&self, session: Option<&str>, method: &str, params: Value) -> Value {
        let answer = self.call(session, method, params).await;
        assert!(answer["error"].is_null(), "{method}: {answer}");
        answer["result"].clone()
    }

    async fn call(&self, session: Option<&str>, method: &str, params: Value) -> Value {
        let (socket, last) = &mut *self.socket.lock().await;
        *last += 1;
        let mut request = json!({"id": *last, "method": method, "params": params});
        if let Some(session) = session {
            request["sessionId"] = session.into();
        }
        socket.send(Message::text(request.to_string())).await.unwrap();
        loop {
            let message =
                tokio::time::timeout(Duration::from_secs(20), socket.next()).await.expect("an answer in time");
            let answer: Value = serde_json::from_str(message.unwrap().unwrap().to_text().unwrap()).unwrap();
            if answer["id"] == *last {
                return answer;
            }
        }
    }

    /// A window of its own: nothing is shared with the others.
    async fn window(&self, url: &str) -> Window<'_> {
        let context = self.must(None, "Target.createBrowserContext", json!({})).await["browserContextId"].clone();
        let target = self.must(None, "Target.createTarget", json!({"url": url, "browserContextId": context})).await;
        let attach = json!({"targetId": target["targetId"], "flatten": true});
        let session = self.must(None, "Target.attachToTarget", attach).await["sessionId"].as_str().unwrap().to_owned();
        Window { browser: self, session }
    }
}

struct Window<'a> {
    browser: &'a Browser,
    session: String,
}

impl Window<'_> {
    async fn eval(&self, expression: &str) -> Value {
        // While the window goes from one page to the next there is nothing to ask: null, and whoever waits asks again.
        let params = json!({"expression": expression, "awaitPromise": true, "returnByValue": true});
        self.browser.call(Some(&self.session), "Runtime.evaluate", params).await["result"]["result"]["value"].clone()
    }

    /// Waits until an expression is true.
    async fn sees(&self, expression: &str) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while self.eval(expression).await != true {
            if Instant::now() > deadline {
                panic!("not seen: {expression}\nthe page shows:\n{}", self.eval("document.body.innerText").await);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn click(&self, test_id: &str) {
        self.sees(&format!("!!document.querySelector('[data-testid={test_id}]')")).await;
        self.eval(&format!("document.querySelector('[data-testid={test_id}]').click()")).await;
    }

    async fn fill(&self, test_id: &str, text: &str) {
        self.sees(&format!("!!document.querySelector('[data-testid={test_id}]')")).await;
        let text = json!(text);
        self.eval(&format!(
            "(() => {{ const field = document.querySelector('[data-testid={test_id}]'); field.value = {text}; \
             field.dispatchEvent(new Event('input', {{bubbles: true}})); }})()"
        ))
        .await;
    }

    async fn register(&self, name: &str) {
        self.sees("document.readyState === 'complete'").await;
        self.click("auth-toggle").await;
        self.fill("auth-name", name).await;
        self.fill("auth-password", "correct horse").await;
        self.click("auth-submit").await;
        self.sees("document.querySelector('[data-testid=connection-state]')?.dataset.state === 'connected'").await;
    }

    /// Waits until the chat with that title is open.
    async fn has_open(&self, title: &str) {
        self.sees(&format!("document.querySelector('[data-testid=chat-title]')?.textContent.trim() === '{title}'"))
            .await;
    }

    async fn say(&self, text: &str) {
        self.fill("composer-text", text).await;
        self.click("composer-send").await;
        self.reads(text).await;
    }

    /// Waits until a message with that text is shown as sent.
    async fn reads(&self, text: &str) {
        let text = json!(text);
        self.sees(&format!(
            "[...document.querySelectorAll('[data-testid=message][data-state=sent]')].some(one => one.textContent.includes({text}))"
        ))
        .await;
    }
}

#[tokio::test]
async fn two_windows_chat_and_the_history_survives_kill_9() {
    let server = Server::start().await;
    let browser = Browser::start().await;
    let alice = browser.window(&server.url("/")).await;
    alice.register("alice").await;
    let bob = browser.window(&server.url("/")).await;
    bob.register("bob").await;

    alice.fill("new-direct-name", "bob").await;
    alice.click("new-direct-submit").await;
    alice.has_open("bob").await;
    alice.say("hello bob").await;
    bob.sees("document.querySelector('[data-testid=conversation-unread]')?.textContent.trim() === '1'").await;
    bob.click("conversation").await;
    bob.has_open("alice").await;
    bob.reads("hello bob").await;
    bob.say("hello alice").await;
    alice.reads("hello alice").await;
    alice.sees("document.querySelectorAll('[data-testid=message]').length === 2").await;

    let server = server.kill_and_restart().await;
    alice.sees("document.querySelector('[data-testid=connection-state]')?.dataset.state === 'connected'").await;
    alice.say("still there?").await;
    bob.reads("still there?").await;
    for window in [&alice, &bob] {
        window.eval("location.reload()").await;
        window.sees("!!document.querySelector('[data-testid=conversation]')").await;
        window.click("conversation").await;
        for text in ["hello bob", "hello alice", "still there?"] {
            window.reads(text).await;
        }
        window.sees("document.querySelectorAll('[data-testid=message]').length === 3").await;
    }
    drop(server);
}
