//! Users and their sessions, over the HTTP API of whichever gateway answers.

use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use proto::{ErrorCode, message::Entry};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::sleep;

/// How long a call may be answered wrongly or not at all once nothing is wrong any more.
const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(50);
const ANSWER_MAX: Duration = Duration::from_secs(10);
const PASSWORD: &str = "correct horse";

/// Whether an error says for good what became of a command. One that may pass does not; nor does one of a token, which says
/// nothing of commands that came before it: a process whose clock is wrong takes tokens for old that the next one takes.
pub(super) const fn is_outcome(code: ErrorCode) -> bool {
    !code.retryable() && !matches!(code, ErrorCode::TokenExpired | ErrorCode::ServiceTokenInvalid)
}

/// One device of a user.
#[derive(Clone)]
pub(super) struct Session {
    /// A number that no other device has.
    pub(super) device: u64,
    pub(super) token: String,
}

/// A user with at least one device.
#[derive(Clone)]
pub(super) struct User {
    pub(super) id: i64,
    pub(super) name: String,
    pub(super) sessions: Vec<Session>,
    http: reqwest::Client,
}

impl User {
    /// A new one with so many devices, which have the numbers from `device` on.
    pub(super) async fn register(address: &str, name: String, device: u64, devices: usize) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder().timeout(ANSWER_MAX).build()?;
        let mut user = Self { id: 0, name, sessions: Vec::new(), http };
        for number in 0..devices as u64 {
            let what = if number == 0 { "register" } else { "login" };
            let body = json!({
                "name": user.name, "password": PASSWORD,
                "device": {"device_id": format!("{}-{number}", user.name), "platform": "bot"},
            });
            let answer = user.http.post(format!("http://{address}/v1/auth/{what}")).json(&body).send().await?;
            let (status, tokens) = (answer.status(), answer.json::<Value>().await?);
            let text = |key: &str| tokens[key].as_str().with_context(|| format!("{what}: {status} {tokens}"));
            user.id = text("user_id")?.parse()?;
            user.sessions.push(Session { device: device + number, token: text("access_token")?.to_owned() });
        }
        Ok(user)
    }

    /// The direct conversation with another user.
    pub(super) fn direct(&self, other: &Self) -> String {
        format!("d:{}:{}", self.id.min(other.id), self.id.max(other.id))
    }

    /// Tries a command once, from the first device; none if its outcome is not known.
    pub(super) async fn command(&self, url: &str, key: &str, body: Option<&Value>) -> Option<(bool, Value)> {
        let method = if body.is_some() { Method::POST } else { Method::DELETE };
        let mut request = self.http.request(method, url).bearer_auth(&self.sessions[0].token);
        request = request.header("idempotency-key", key);
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().await.ok()?;
        let done = answer.status().is_success();
        Some((done, answer.json().await.ok()?))
    }

    /// Reads something from one device, again and again until there is an answer; none if the answer is no.
    pub(super) async fn read(&self, device: usize, url: &str) -> anyhow::Result<Option<Value>> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let token = &self.sessions[device].token;
            let refused = match self.http.get(url).bearer_auth(token).send().await {
                Ok(answer) if answer.status().is_success() => return Ok(Some(answer.json().await?)),
                Ok(answer) if answer.status().is_client_error() => return Ok(None),
                Ok(answer) => answer.status().to_string(),
                Err(error) => error.to_string(),
            };
            if Instant::now() >= deadline {
                bail!("{url} is not answered any more: {refused}");
            }
            sleep(PAUSE).await;
        }
    }

    /// The whole log of a conversation as this user may see it, ascending.
    pub(super) async fn history(&self, address: &str, conversation: &str) -> anyhow::Result<Vec<Entry>> {
        let (mut pages, mut before) = (Vec::new(), String::new());
        loop {
            let url = format!("http://{address}/v1/conversations/{conversation}/messages?limit=200{before}");
            let Some(mut page) = self.read(0, &url).await? else { bail!("{url} is refused") };
            let items: Vec<Entry> = serde_json::from_value(page["items"].take()).context("no page of entries")?;
            pages.push(items);
            match page["next_cursor"].as_str() {
                Some(cursor) => before = format!("&before={cursor}"),
                None => return Ok(pages.into_iter().rev().flatten().collect()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_token_says_nothing_of_a_command() {
        for code in [ErrorCode::TokenExpired, ErrorCode::ServiceTokenInvalid, ErrorCode::Unavailable] {
            assert!(!is_outcome(code), "{code}");
        }
        assert!(is_outcome(ErrorCode::Forbidden));
    }
}
