//! Users for the load, over the HTTP API: guests, so that no password is hashed.

use std::time::Duration;

use anyhow::{Context as _, bail};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use proto::{client::Ack, conversation::Conversation, message::Entry};
use serde_json::{Value, json};

use crate::{error::usage, target::Endpoint};

/// Calls at the same time.
const AT_ONCE: usize = 16;
/// How long a call may take: a gateway that takes it and says nothing would be waited for for ever.
const ANSWER_MAX: Duration = Duration::from_secs(30);

/// A user with a session.
#[derive(Clone, Debug, Default)]
pub(super) struct Guest {
    pub(super) user: i64,
    pub(super) token: String,
}

/// The HTTP API of the system under load.
#[derive(Clone)]
pub(super) struct Accounts {
    http: reqwest::Client,
    endpoint: Endpoint,
}

impl Accounts {
    pub(super) fn of(endpoint: &Endpoint) -> Self {
        Self { http: reqwest::Client::new(), endpoint: endpoint.clone() }
    }

    /// So many new users.
    pub(super) async fn guests(&self, count: usize) -> anyhow::Result<Vec<Guest>> {
        stream::iter(0..count).map(|_| self.guest()).buffered(AT_ONCE).try_collect().await
    }

    async fn guest(&self) -> anyhow::Result<Guest> {
        let url = self.endpoint.url("/v1/auth/guest");
        let body = json!({"device": {"device_id": "gochat-bench", "platform": "bot"}});
        let answer = match self.http.post(&url).timeout(ANSWER_MAX).json(&body).send().await {
            Ok(answer) => answer,
            Err(error) if error.is_connect() => {
                return Err(usage(format!(
                    "nothing listens at {}: start a gateway there, or choose another --target",
                    self.endpoint
                )));
            }
            Err(error) => return Err(error).context("cannot make a guest"),
        };
        let status = answer.status();
        if status == reqwest::StatusCode::TOO_MANY_REQUESTS {
            return Err(usage(format!(
                "{} takes no more guests from one address: raise gateway.rate.anonymous_per_minute there",
                self.endpoint
            )));
        }
        let Ok(body) = answer.json::<Value>().await else {
            return Err(usage(format!("{} is no GoChat gateway: it answered {status} to {url}", self.endpoint)));
        };
        if !status.is_success() {
            return Err(usage(format!("{} makes no guests: {status}, code {}", self.endpoint, body["code"])));
        }
        let text = |key: &str| body[key].as_str().with_context(|| format!("the new guest has no {key}"));
        Ok(Guest { user: text("user_id")?.parse()?, token: text("access_token")?.to_owned() })
    }

    /// A command over HTTP, up to its outcome. `key` is its id.
    pub(super) async fn command(&self, guest: &Guest, path: &str, key: &str, body: &Value) -> anyhow::Result<Ack> {
        let url = self.endpoint.url(path);
        let request = self.http.post(&url).bearer_auth(&guest.token).header("idempotency-key", key).json(body);
        let answer = request.timeout(ANSWER_MAX).send().await.with_context(|| format!("no answer to {path}"))?;
        let status = answer.status();
        let body: Value = answer.json().await.with_context(|| format!("{path} was answered {status}"))?;
        if !status.is_success() {
            bail!("{path} was answered {status}, code {}", body["code"]);
        }
        let stored: Ack = serde_json::from_value(body).with_context(|| format!("{path} does not say where it is"))?;
        Ok(Ack { command_id: key.to_owned(), ..stored })
    }

    /// A conversation's whole log as a user may see it, ascending.
    pub(super) async fn history(&self, guest: &Guest, conversation: &str) -> anyhow::Result<Vec<Entry>> {
        let (mut pages, mut before) = (Vec::new(), String::new());
        loop {
            let path = format!("/v1/conversations/{conversation}/messages?limit=200{before}");
            let mut page = self.get(guest, &path).await?;
            let items: Vec<Entry> = serde_json::from_value(page["items"].take()).context("cannot read the history")?;
            pages.push(items);
            match page["next_cursor"].as_str() {
                Some(cursor) => before = format!("&before={cursor}"),
                None => return Ok(pages.into_iter().rev().flatten().collect()),
            }
        }
    }

    /// The newest page of it, which is what somebody sees who opens it.
    pub(super) async fn newest(&self, guest: &Guest, conversation: &str) -> anyhow::Result<()> {
        self.get(guest, &format!("/v1/conversations/{conversation}/messages")).await.map(drop)
    }

    /// A conversation as a user sees it.
    pub(super) async fn conversation(&self, guest: &Guest, conversation: &str) -> anyhow::Result<Conversation> {
        let found = self.get(guest, &format!("/v1/conversations/{conversation}")).await?;
        serde_json::from_value(found).context("cannot read the conversation")
    }

    async fn get(&self, guest: &Guest, path: &str) -> anyhow::Result<Value> {
        let request = self.http.get(self.endpoint.url(path)).bearer_auth(&guest.token);
        let answer = request.timeout(ANSWER_MAX).send().await.with_context(|| format!("no answer to {path}"))?;
        if !answer.status().is_success() {
            bail!("{path} was answered {}", answer.status());
        }
        answer.json().await.with_context(|| format!("cannot read the answer to {path}"))
    }
}
