//! Users for the load, over the HTTP API: guests, so that no password is hashed.

use anyhow::{Context as _, bail};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use proto::message::Entry;
use serde_json::{Value, json};

use crate::{error::usage, target::Endpoint};

/// Calls at the same time.
const AT_ONCE: usize = 16;

/// A user with a session.
#[derive(Clone, Debug)]
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
        let answer = match self.http.post(&url).json(&body).send().await {
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

    /// A conversation's whole log as a user may see it, ascending.
    pub(super) async fn history(&self, guest: &Guest, conversation: &str) -> anyhow::Result<Vec<Entry>> {
        let (mut pages, mut before) = (Vec::new(), String::new());
        loop {
            let url = self.endpoint.url(&format!("/v1/conversations/{conversation}/messages?limit=200{before}"));
            let answer =
                self.http.get(&url).bearer_auth(&guest.token).send().await.context("cannot read the history")?;
            if !answer.status().is_success() {
                bail!("the history of {conversation} was answered {}", answer.status());
            }
            let mut page: Value = answer.json().await.context("cannot read the history")?;
            let items: Vec<Entry> = serde_json::from_value(page["items"].take()).context("cannot read the history")?;
            pages.push(items);
            match page["next_cursor"].as_str() {
                Some(cursor) => before = format!("&before={cursor}"),
                None => return Ok(pages.into_iter().rev().flatten().collect()),
            }
        }
    }
}
